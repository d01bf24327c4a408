"""Command files over HTTP: a form goes up, and its answer tells at once how it goes.

The answer begins with the file's first byte, long before its last. So until then there are honest
refusals with a status, and from then on everything is an event, a failure too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

import uvicorn
from anyio import Event, create_task_group, move_on_after, sleep_forever
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from rover.asgi.event_stream import gap_event
from rover.asgi.multipart import MAX_OVERHEAD_BYTES, FileField, boundary_of
from rover.asgi.query import resume_point
from rover.errors import UploadInterrupted, UploadStalled, UploadTooBig
from rover.topic import Batch, EventId, Gap

_handle_exit = uvicorn.Server.handle_exit
from sse_starlette.sse import EventSourceResponse, SendTimeoutError  # noqa: E402 # see below

# Importing it patches this method of everybody's server. Nothing here needs that: the uplink ends
# its topics when the mission drains, and with them these streams.
uvicorn.Server.handle_exit = _handle_exit  # type: ignore[method-assign]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.commands import Uplink
    from rover.commands.upload import Upload
    from rover.settings import Settings

logger = logging.getLogger("rover.commands")


def routes(uplink: Uplink, settings: Settings, connections: Connections) -> list[BaseRoute]:
    """The routes of one uplink."""

    async def send_up(request: Request) -> Response:
        boundary = boundary_of(request.headers.get("content-type"))
        length = request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None
        if (content_length or 0) > settings.max_upload_bytes + MAX_OVERHEAD_BYTES:
            raise UploadTooBig(settings.max_upload_bytes)
        uplink.check_room()
        body = Body(request.receive, settings.upload_timeout_s)
        file = await FileField.open(boundary, body)
        if len(file.ahead) > settings.max_upload_bytes:
            raise UploadTooBig(settings.max_upload_bytes)
        upload = uplink.begin(file.filename or "", file.size_hint(content_length))
        return UploadStream(uplink, upload, body, file, settings, connections)

    async def follow(request: Request) -> Response:
        upload = uplink.find(request.path_params["upload_id"])
        after = resume_point(request)
        if upload.topic.closed and after == upload.topic.last_id:
            return Response(status_code=204)  # all is told: an EventSource does not come back
        return ProgressStream(upload, after, settings, connections)

    return [
        Route("/upload/rover-commands", send_up, methods=["POST"]),
        Route("/uploads/{upload_id}/events", follow),
    ]


class Body:
    """A request's body as it comes, as an async iterator.

    Args:
        receive: the request's.
        timeout_s: silence of this length ends it.

    Attributes:
        interrupted: the sender went away, and with it the reader of the answer.
    """

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self.received = 0
        self.interrupted = False
        self._receive = receive
        self._timeout_s = timeout_s
        self._more = True

    def __aiter__(self) -> Self:
        return self

    @property
    def is_unread(self) -> bool:
        """Whether there is more to come than was asked for."""
        return self._more

    async def __anext__(self) -> bytes:
        """The next bytes, never empty.

        Raises:
            UploadInterrupted: the sender went away.
            UploadStalled: it sends nothing.
        """
        while self._more:
            message: Message = {"type": "silence"}
            with move_on_after(self._timeout_s):
                message = await self._receive()
            if message["type"] == "silence":
                raise UploadStalled(self.received, self._timeout_s)
            if message["type"] == "http.disconnect":
                self.interrupted = True
                raise UploadInterrupted(self.received)
            self._more = message.get("more_body", False)
            if body := message.get("body", b""):
                self.received += len(body)
                return bytes(body)
        raise StopAsyncIteration


class ProgressStream(EventSourceResponse):
    """Everything that is told of an upload, from `after` on or from its beginning."""

    def __init__(
        self,
        upload: Upload,
        after: EventId | None,
        settings: Settings,
        connections: Connections,
    ) -> None:
        self._connections = connections
        super().__init__(
            _events(upload, after),
            headers={"X-Content-Type-Options": "nosniff"},
            ping=settings.heartbeat_s,
            send_timeout=settings.send_timeout_s,
        )
        del self.headers["Connection"]  # a header of one hop: illegal in HTTP/2 (RFC 9113, 8.2.2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the upload is over, or the reader is gone or takes nothing any more."""
        self._connections.expect_acks(scope, receive)
        try:
            await self._serve(scope, receive, send)
        except* SendTimeoutError:
            logger.info("%s: cut off a reader that took nothing for too long", scope["path"])
            await self._connections.hang_up(scope, receive)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        self._connections.leave(scope)

    @staticmethod
    async def _listen_for_exit_signal() -> None:
        """Nothing: the uplink ends its topics when the mission drains, and with them this stream.

        Else the first of them would leave a task on the loop that polls for the server's end.
        """
        await sleep_forever()


class UploadStream(ProgressStream):
    """The same, while the file is still being received from the one who reads it."""

    def __init__(
        self,
        uplink: Uplink,
        upload: Upload,
        body: Body,
        file: AsyncIterator[bytes],
        settings: Settings,
        connections: Connections,
    ) -> None:
        super().__init__(upload, None, settings, connections)
        self._uplink = uplink
        self._upload = upload
        self._body = body
        self._file = file

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = Event()

        async def after_the_body() -> Message:
            await received.wait()  # `receive` has one reader at a time
            return await receive()

        async def send_if_heard(message: Message) -> None:
            if not self._body.interrupted:  # or `send` may raise (ASGI, Disconnected Client)
                await send(message)

        async def tell() -> None:
            await super(UploadStream, self)._serve(scope, after_the_body, send_if_heard)
            tasks.cancel_scope.cancel()  # whoever is gone does not send the rest

        async with create_task_group() as tasks:
            tasks.start_soon(tell)
            await self._uplink.receive(self._upload, self._file)
            received.set()
        self._connections.leave(scope, unread=self._body.is_unread)


async def _events(upload: Upload, after: EventId | None) -> AsyncIterator[bytes]:
    start = EventId(upload.topic.epoch, 0)
    with upload.topic.subscribe(after or start) as reader:
        async for news in reader:
            if isinstance(news, Batch):
                yield news.body
            elif isinstance(news, Gap):
                yield gap_event(news)
