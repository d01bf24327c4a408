"""Command files over HTTP: the upload, and its progress.

The response to an upload begins at the first byte of the file, long before its last. A refusal
before that byte is a status; a failure after it is an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from rover.api import Answer, Body, Operation
from rover.api.operation import JSON
from rover.api.schema import BINARY, ref
from rover.asgi.local import is_proxied
from rover.asgi.multipart import MAX_OVERHEAD_BYTES, FileField, boundary_of
from rover.asgi.prefer import Preferences
from rover.asgi.query import RESUME_POINT, Text
from rover.asgi.upload_stream import ProgressStream, UploadStream, stops_at_response
from rover.asgi.upload_verdict import UploadVerdict
from rover.commands.intake import ID_PATTERN
from rover.errors import (
    BadUploadId,
    CommandsOff,
    NotAnUpload,
    PoolFull,
    UnknownUpload,
    UploadEncoded,
    UploadExists,
    UploadTooBig,
    WrongFileName,
)
from rover.identity import EVERYONE, IDENTITY
from rover.wire import EVENT_STREAM
from sources.base import SourceError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.commands import Commands
    from rover.serving import Serving


PREFER = (
    "`wait`: one JSON report when the check has ended; `wait=30`: that, or 202 after 30 s; "
    "`respond-async`: 202 when the file has arrived"
)

UPLOAD_ID = Text(
    name="id",
    summary="id of the upload, chosen by the client: 1 to 64 letters, digits, `-` or `_`. A client "
    "that chooses it can ask for the outcome whenever its connection breaks",
    pattern=f"^{ID_PATTERN}$",
)


class HasCommands(Protocol):
    """The parts of a mission that these routes use."""

    commands: Commands
    serving: Serving


def routes(mission: HasCommands) -> list[BaseRoute]:
    """`POST /upload/rover-commands` and `GET /uploads/{upload_id}/events`."""

    async def upload(request: Request) -> Response | UploadVerdict:
        check_encoding(request)
        boundary = boundary_of(request.headers.get("content-type"))
        length = request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None
        client = mission.serving.clients.name_of(request.scope, request.receive)
        mission.commands.intake.check_capacity(client)
        if (upload_id := UPLOAD_ID.of(request)) is not None:
            mission.commands.intake.check_id(upload_id)
        max_bytes = mission.commands.intake.accepts.max_bytes
        if (content_length or 0) > max_bytes + MAX_OVERHEAD_BYTES:
            raise UploadTooBig(max_bytes)
        identity = request.scope.get(IDENTITY, EVERYONE)
        body = mission.serving.bodies.read(request.receive, identity)
        file = await FileField.open(boundary, body)
        if len(file.ahead) > max_bytes:
            raise UploadTooBig(max_bytes)
        begun = mission.commands.intake.begin(
            file.filename or "",
            file.size_hint(content_length),
            client,
            identity.name,
            upload_id or "",
        )
        preferences = Preferences.of(request)
        if preferences.wait_s is not None:
            return UploadVerdict(
                mission.commands,
                begun,
                file,
                body,
                mission.serving.large_responses,
                preferences,
                f"../uploads/{begun.id}",
            )
        streams = mission.serving.progress_streams
        is_late = is_proxied(request.scope) or stops_at_response(request.scope)
        return UploadStream(mission.commands, begun, body, file, streams, is_late=is_late)

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
            description="The response begins before the file is complete; behind a proxy and "
            "for aiohttp, when it is. `asyncapi.json` describes its events.",
            method="POST",
            query=[UPLOAD_ID],
            headers={"Prefer": PREFER},
            body=Body({"multipart/form-data": ref("Upload")}),
            answers={
                200: Answer(
                    "the progress, up to the verdict; with `Prefer: wait` an `UploadReport` as "
                    "JSON",
                    BINARY,
                    [EVENT_STREAM, JSON],
                ),
                202: Answer(
                    "the file has arrived, and its check goes on",
                    ref("UploadReport"),
                    headers={"Location": "of the report"},
                ),
            },
            errors=[
                NotAnUpload,
                BadUploadId,
                UploadExists,
                UploadTooBig,
                UploadEncoded,
                WrongFileName,
                PoolFull,
                CommandsOff,
                SourceError,
            ],
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


def check_encoding(request: Request) -> None:
    """Check that the body of a request is the file as it is.

    Raises:
        UploadEncoded: it has a content encoding.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise UploadEncoded(encoding)
