"""Sends the news of a subscriber to one client, with a task or without.

While a client keeps up, the topic writes to its connection. Otherwise a **writer**, a task of its
own, reads the subscriber and awaits each `send`, until the client has caught up.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, Self

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from rover.asgi.outputs import Output
    from rover.topic import Gap, News, Sink


class Events(Protocol):
    """Where the news comes from: a `Subscriber`, or a replay."""

    @property
    def lag(self) -> int:
        """Number of offsets behind the newest event."""
        ...

    def attach(self, sink: Sink) -> bool:
        """See `Subscriber.attach`."""
        ...

    def detach(self) -> None:
        """See `Subscriber.detach`."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def __aiter__(self) -> AsyncIterator[News | Gap]: ...


class Follower(ABC):
    """One client that follows a subscriber, and the sink of that subscriber.

    It is a context manager for the task of the client's request.

    Args:
        events: the subscriber.
        framing: makes the bytes of a batch or a heartbeat for `output`.

    Attributes:
        events: the same.
        framing: the same.
        output: the connection; `None` if the server does not show it, or before the response.
        writer: the task that sends; `None` while the topic writes to `output`.
    """

    __slots__ = ("_cancelling", "_request", "events", "framing", "output", "writer")

    def __init__(self, events: Events, framing: Callable[[News], Any]) -> None:
        self.events = events
        self.framing = framing
        self.output: Output | None = None
        self.writer: asyncio.Task[bool] | None = None
        self._cancelling = 0
        self._request: asyncio.Task[Any] | None = None  # in the block

    @abstractmethod
    async def send_news(self, news: News | Gap) -> None:
        """Send what the subscriber received. It may wait for the client."""

    async def follow(self) -> bool:
        """Send the news until the topic writes to the connection instead.

        Returns:
            Whether it does. If not, the events have ended, or the connection has.
        """
        if self.attach():
            return True
        async for news in self.events:
            await self.send_news(news)
            if self.attach():
                return True
        return False

    def write(self, framed: Any) -> bool:
        """See `Sink.write`."""
        assert self.output is not None  # noqa: S101 # else the sink is not attached
        return self.output.write(framed)

    def attach(self) -> bool:
        """Have the topic write to the connection, if the client keeps up; the writer then ends."""
        if self.output is None or not self.output.is_writable or not self.events.attach(self):
            return False
        self.writer = None
        return True

    def resume(self) -> None:
        """See `Sink.resume`."""
        self.start(self.follow())

    def start(self, write: Coroutine[Any, Any, bool]) -> None:
        """Run a writer that returns as `follow` does.

        It has a task of its own: waking a task steps through all frames that await in it, and
        middleware adds a dozen frames to a request's task. A task group would be a third of a
        client's memory.
        """
        self.writer = asyncio.create_task(write)
        self.writer.add_done_callback(self._end_after)

    def __enter__(self) -> Self:
        """Begin a block in the request's task, which waits for data of the client.

        `end` ends the block. That takes a fraction of the memory of a `CancelScope`.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 # it runs in one
        self._request, self._cancelling = task, task.cancelling()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        ended, self._request = self._request is None, None
        if not ended or kind is None or not issubclass(kind, asyncio.CancelledError):
            return False
        task = asyncio.current_task()
        return task is not None and task.uncancel() <= self._cancelling  # else others cancel it

    def end(self) -> None:
        """End the block: there is nothing more to send, or it cannot be sent."""
        if self._request is not None:
            self._request.cancel()
            self._request = None

    async def stop(self) -> asyncio.Task[bool] | None:
        """Cancel the writer, if there is one, and return it when it has ended."""
        if (writer := self.writer) is not None:
            writer.cancel()
            with CancelScope(shield=True):
                await asyncio.wait([writer])
        return writer

    def _end_after(self, writer: asyncio.Task[bool]) -> None:
        if writer.cancelled() or writer.exception() is not None or not writer.result():
            self.end()
