"""A subscriber: a position in a topic."""

from __future__ import annotations

from asyncio import CancelledError, get_running_loop
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from anyio.lowlevel import checkpoint

from rover.events import HEARTBEAT, EventId, Gap, Heartbeat

if TYPE_CHECKING:
    from rover.topic.batch import Batch
    from rover.topic.topic import Topic

Item = TypeVar("Item")
Frame = TypeVar("Frame")


class Subscriber(Generic[Item, Frame]):
    """An async iterator of `Batch`, `Gap` and `Heartbeat`.

    The iteration ends after the last event of a closed topic. A cancelled read loses no event: the
    position changes only when a read returns.
    """

    __slots__ = ("_gap", "_position", "_topic")

    def __init__(self, topic: Topic[Item, Frame], position: int, gap: Gap | None) -> None:
        self._topic = topic
        self._position = position
        self._gap = gap

    def __enter__(self) -> Self:
        self._topic.subscribers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._topic.subscribers -= 1

    @property
    def position(self) -> EventId:
        """The id of the last event that it received, or that it started after."""
        return self._topic.epochs.id(self._position)

    @property
    def lag(self) -> int:
        """Number of offsets by which it is behind the newest event."""
        return self._topic.last_id.offset - self._position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch[Item, Frame] | Gap | Heartbeat:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return gap
        topic = self._topic
        if topic.has_after(self._position):
            await checkpoint()  # let other tasks run while this one catches up
        elif topic.ended:
            raise StopAsyncIteration
        else:
            # one future per subscriber: a shared event costs twice as much to wake
            released = get_running_loop().create_future()
            topic.waiting[released] = None
            try:
                await released
            except CancelledError:
                topic.waiting.pop(released, None)
                raise
        news, self._position = topic.read(self._position)
        if news is None:
            if topic.ended:
                raise StopAsyncIteration
            return HEARTBEAT
        return news
