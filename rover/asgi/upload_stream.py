"""The progress of an upload as an event stream, even while its file still arrives.

`UploadStream` is the response to the request that sends the file.
"""

from __future__ import annotations

from asyncio import get_running_loop
from typing import TYPE_CHECKING

from anyio import Event

from rover.asgi.connections import wait_for_disconnect
from rover.asgi.event_stream import CLOSE_TIMEOUT_S, EventStream
from rover.commands.upload_state import Status
from rover.wire import HEARTBEAT

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from rover.asgi.body import Body
    from rover.asgi.event_stream import EventStreams
    from rover.asgi.multipart import FileField
    from rover.commands import Commands
    from rover.commands.upload import Upload
    from rover.errors import AccessEnded
    from rover.events import EventId


def stops_at_response(scope: Scope) -> bool:
    """Whether the client sends no more of a file once the response has begun, as aiohttp does."""
    return any(name == b"user-agent" and b"aiohttp/" in value for name, value in scope["headers"])


class ProgressStream(EventStream):
    """The events of an upload.

    It ends after the upload's last event.

    Args:
        upload: the upload.
        after: the last event that the client has received; `None` to send all events.
        streams: the open streams of this kind.
        client: who receives it, for the share of the limit.
    """

    __slots__ = ()

    def __init__(
        self,
        upload: Upload,
        after: EventId | None,
        streams: EventStreams,
        client: str | None = None,
    ) -> None:
        subscriber = upload.topic.subscribe(after or upload.topic.epochs.id(0))
        super().__init__(subscriber, HEARTBEAT, streams, client=client)

    def _last_event(self) -> bytes:
        if self.close_reason is not None:
            return super()._last_event()
        return b""  # the upload's last event has been sent


class UploadStream(ProgressStream):
    """The events of a new upload, while the same request sends its file.

    Through a proxy, the response begins when the file has been received. nginx forwards nothing
    more of a request once its response has begun: a file that does not fit into the buffers of the
    connection would stall. So does one that aiohttp sends.

    Args:
        commands: receives the file.
        upload: has begun.
        body: the body of the request.
        file: the file in it.
        streams: the open streams of this kind.
        is_late: whether the response begins when the file has been received.
    """

    __slots__ = ("_begins", "_body", "_commands", "_file", "_upload")

    counts = False  # uploads have a limit of their own

    def __init__(
        self,
        commands: Commands,
        upload: Upload,
        body: Body,
        file: FileField,
        streams: EventStreams,
        *,
        is_late: bool = False,
    ) -> None:
        self._begins = Event()
        if not is_late:
            self._begins.set()
        self._commands = commands
        self._body = body
        self._file = file
        self._upload = upload
        super().__init__(upload, None, streams, upload.client)

    async def _listen(self, receive: Receive) -> Message:
        await self._commands.receive(self._upload, self._file)
        self._begins.set()
        if not self._body.interrupted:
            await wait_for_disconnect(receive)
        return {"type": "http.disconnect"}

    async def _begin(self, scope: Scope) -> bool:
        await self._begins.wait()
        return await super()._begin(scope)

    def close(self, reason: AccessEnded) -> None:
        """End the stream. While the file arrives, the upload fails, and its last event says why.

        The connection is not closed: a client that sends the whole file before it reads would get
        an error instead of the event. The server discards the rest for `UNREAD_TIMEOUT_S`.
        """
        if self._upload.status is Status.UPLOADING:
            get_running_loop().call_later(CLOSE_TIMEOUT_S, self.abort)
        else:
            super().close(reason)

    def _note_end(self, receive: Receive) -> None:
        self._streams.connections.end(receive, unread=self._body.is_unread)
