"""Command files over HTTP: the upload, and its progress.

The response to an upload begins at the first byte of the file, long before its last. A refusal
before that byte is a status; a failure after it is an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from rover.api import Answer, Body, Operation
from rover.api.schemas import BINARY, ref
from rover.asgi.local import is_proxied
from rover.asgi.multipart import MAX_OVERHEAD_BYTES, FileField, boundary_of
from rover.asgi.query import RESUME_POINT
from rover.asgi.upload_stream import ProgressStream, UploadStream
from rover.errors import (
    CommandsOff,
    NotAnUpload,
    PoolFull,
    UnknownUpload,
    UploadTooBig,
)
from rover.identity import EVERYONE, IDENTITY
from rover.wire import EVENT_STREAM
from sources.base import SourceError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.commands import Commands
    from rover.serving import Serving


class HasCommands(Protocol):
    """The parts of a mission that these routes use."""

    @property
    def commands(self) -> Commands:
        """The command files."""
        ...

    @property
    def serving(self) -> Serving:
        """The connections and the settings."""
        ...


def routes(mission: HasCommands) -> list[BaseRoute]:
    """`POST /upload/rover-commands` and `GET /uploads/{upload_id}/events`."""

    async def upload(request: Request) -> Response:
        settings = mission.serving.settings
        boundary = boundary_of(request.headers.get("content-type"))
        length = request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None
        if (content_length or 0) > settings.max_upload_bytes + MAX_OVERHEAD_BYTES:
            raise UploadTooBig(settings.max_upload_bytes)
        client = mission.serving.clients.name_of(request.scope, request.receive)
        mission.commands.check_capacity(client)
        identity = request.scope.get(IDENTITY, EVERYONE)
        body = mission.serving.bodies.read(request.receive, identity)
        file = await FileField.open(boundary, body)
        if len(file.ahead) > settings.max_upload_bytes:
            raise UploadTooBig(settings.max_upload_bytes)
        streams = mission.serving.progress_streams
        return UploadStream(
            mission.commands,
            body,
            file,
            content_length,
            streams,
            client,
            identity.name,
            proxied=is_proxied(request.scope),
        )

    async def upload_events(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        after = RESUME_POINT.of(request)
        await upload.load()
        if upload.topic.closed and after == upload.topic.last_id:
            return Response(status_code=204)  # an EventSource does not reconnect after it
        client = mission.serving.clients.name_of(request.scope, request.receive)
        streams = mission.serving.progress_streams
        streams.check_capacity(client)
        return ProgressStream(upload, after, streams, client)

    return [
        Operation(
            "/upload/rover-commands",
            upload,
            "Upload a command file, and have it checked",
            description="The response begins before the file is complete, or behind a proxy when "
            "it is. `asyncapi.json` "
            "describes its events.",
            method="POST",
            body=Body({"multipart/form-data": ref("Upload")}),
            answers={200: Answer("the progress, up to the verdict", BINARY, [EVENT_STREAM])},
            errors=[NotAnUpload, UploadTooBig, PoolFull, CommandsOff, SourceError],
            required_scope="upload",
        ),
        Operation(
            "/uploads/{upload_id}/events",
            upload_events,
            "The progress of an upload as server-sent events",
            query=[RESUME_POINT],
            answers={
                200: Answer("events up to the verdict", BINARY, [EVENT_STREAM]),
                204: Answer("the client has all events: an `EventSource` does not reconnect"),
            },
            errors=[UnknownUpload],
        ),
    ]
