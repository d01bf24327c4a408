"""Command files over HTTP: a form uploads one, and its response reports the check as it goes.

The response begins with the file's first byte, long before its last. Until then, a refusal has a
status of its own. From then on everything is an event, failures included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rover.asgi.body import Body
from rover.asgi.event_stream import EventStream
from rover.asgi.multipart import MAX_OVERHEAD_BYTES, FileField, boundary_of
from rover.asgi.query import resume_point
from rover.errors import UploadTooBig
from rover.topic import EventId
from rover.wire import HEARTBEAT

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive

    from rover.commands import Commands
    from rover.commands.upload import Upload
    from rover.serving import Serving


class Mission(Protocol):
    """The parts of a mission that these routes use."""

    @property
    def commands(self) -> Commands:
        """The command files."""
        ...

    @property
    def serving(self) -> Serving:
        """The connections and the settings."""
        ...


def routes(mission: Mission) -> list[BaseRoute]:
    """`POST /upload/rover-commands` and `GET /uploads/{upload_id}/events`."""

    async def upload(request: Request) -> Response:
        settings = mission.serving.settings
        boundary = boundary_of(request.headers.get("content-type"))
        length = request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None
        if (content_length or 0) > settings.max_upload_bytes + MAX_OVERHEAD_BYTES:
            raise UploadTooBig(settings.max_upload_bytes)
        mission.commands.check_capacity()
        body = Body(request.receive, settings.upload_timeout_s)
        file = await FileField.open(boundary, body)
        if len(file.ahead) > settings.max_upload_bytes:
            raise UploadTooBig(settings.max_upload_bytes)
        return UploadStream(mission, body, file, content_length)

    async def events(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        after = resume_point(request)
        if upload.topic.closed and after == upload.topic.last_id:
            return Response(status_code=204)  # an EventSource does not reconnect after it
        return ProgressStream(upload, after, mission.serving)

    return [
        Route("/upload/rover-commands", upload, methods=["POST"]),
        Route("/uploads/{upload_id}/events", events),
    ]


class ProgressStream(EventStream):
    """The events of an upload, after `after` or from its beginning. It ends with the last one."""

    __slots__ = ()

    def __init__(self, upload: Upload, after: EventId | None, serving: Serving) -> None:
        subscriber = upload.topic.subscribe(after or EventId(upload.topic.epoch, 0))
        super().__init__(subscriber, HEARTBEAT, serving.progress_streams)

    def _last_event(self) -> bytes:
        return b""  # the verdict was the last event


class UploadStream(ProgressStream):
    """The events of an upload that its client is still sending in the same request."""

    __slots__ = ("_body", "_commands", "_file", "_upload")

    def __init__(
        self, mission: Mission, body: Body, file: FileField, content_length: int | None
    ) -> None:
        self._commands = mission.commands
        self._body = body
        self._file = file
        self._upload = self._commands.begin(file.filename or "", file.size_hint(content_length))
        super().__init__(self._upload, None, mission.serving)

    async def _listen(self, receive: Receive) -> None:
        await self._commands.receive(self._upload, self._file)
        if not self._body.interrupted:
            await super()._listen(receive)

    def _note_end(self, receive: Receive) -> None:
        self._streams.connections.end(receive, unread=self._body.is_unread)
