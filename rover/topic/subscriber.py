"""A subscriber: a position in a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

from anyio.lowlevel import checkpoint

from rover.events import HEARTBEAT, EventId, Gap, Heartbeat

if TYPE_CHECKING:
    from rover.topic.batch import Batch
    from rover.topic.releases import Releases, Sink
    from rover.topic.topic import Topic

Item = TypeVar("Item")
Frame = TypeVar("Frame")


class Subscriber(Generic[Item, Frame]):
    """An async iterator of `Batch`, `Gap` and `Heartbeat`.

    The iteration ends after the last event of a closed topic. A cancelled read loses no event: the
    position changes only when a read returns.

    A subscriber that has read everything may attach a sink instead of reading on. Then the topic
    writes to the sink, and the position changes when the sink takes a batch.

    Attributes:
        offset: of the last event that it received, or that it started after. Only the topic
            changes it.
        sink: where the topic writes; `None` while there is something to read. Only the topic sets
            it.
    """

    __slots__ = ("_gap", "_releases", "_topic", "offset", "sink")

    def __init__(
        self,
        topic: Topic[Item, Frame],
        releases: Releases[Item, Frame],
        offset: int,
        gap: Gap | None = None,
    ) -> None:
        self.offset = offset
        self.sink: Sink | None = None
        self._topic = topic
        self._releases = releases
        self._gap = gap

    def __enter__(self) -> Self:
        self._topic.subscribers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()
        self._topic.subscribers -= 1

    @property
    def position(self) -> EventId:
        """The id of the last event that it received, or that it started after."""
        return self._topic.epochs.id(self.offset)

    @property
    def lag(self) -> int:
        """Number of offsets by which it is behind the newest event."""
        return self._topic.last_id.offset - self.offset

    def attach(self, sink: Sink) -> bool:
        """Have the topic write to a sink, from the next event on.

        The sink is attached until `detach`, or until the topic calls `Sink.resume`: when the sink
        accepted no data, when events expired, or when the topic has closed.

        Returns:
            Whether it is attached. If not, there is something to read.
        """
        if self._gap is not None or self.offset != self._releases.released or self._topic.ended:
            return False
        self._releases.attach(self, sink)
        return True

    def detach(self) -> None:
        """Have the topic write no more to the sink, if there is one."""
        if self.sink is not None:
            self._releases.detach(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch[Item, Frame] | Gap | Heartbeat:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return gap
        if self.offset < self._releases.released:
            await checkpoint()  # let other tasks run while this one catches up
        elif self._topic.ended:
            raise StopAsyncIteration
        else:
            await self._releases.wait(self)
        news, self.offset = self._releases.read(self.offset)
        if news is None:
            if self._topic.ended:
                raise StopAsyncIteration
            return HEARTBEAT
        return news
