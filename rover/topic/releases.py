"""Releases: what subscribers can read of a topic, and how new events reach them.

A subscriber that has read everything waits in one of two ways:

- Its task awaits `wait`. A release wakes the task, which then reads.
- Its **sink** is attached. A release writes to the sink, without a task: one batch, framed once,
  for all attached subscribers. If a sink takes nothing, its subscriber is detached and reads by
  itself, until it has caught up.
"""

from __future__ import annotations

from asyncio import CancelledError, Future, get_running_loop
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rover.events import HEARTBEAT, Gap, GapReason, Heartbeat

if TYPE_CHECKING:
    from rover.events import Epochs
    from rover.topic.batch import Batch
    from rover.topic.retained import Retained
    from rover.topic.subscriber import Subscriber

Item = TypeVar("Item")
Frame = TypeVar("Frame")

MAX_SHARED_BATCHES = 32
"""Maximum number of batches kept for the next subscriber at the same position.

It is enough for all subscribers that keep up. Memory stays bounded while others catch up, each from
a different position.
"""


class Sink(Protocol):
    """Takes what a subscriber receives, such as the connection of a client."""

    def write(self, news: Batch[Any, Any] | Heartbeat) -> bool:
        """Take the news at once, without waiting.

        Returns:
            Whether it was taken. If not, the topic detaches the sink.
        """
        ...

    def resume(self) -> None:
        """Read the subscriber from now on: the topic has detached the sink. Never waits."""
        ...


class Releases(Generic[Item, Frame]):
    """The released events of a topic, and the subscribers that wait for more.

    Args:
        events: the retained events.
        epochs: of the topic.
        batch_bytes: approximate bytes of a batch.

    Attributes:
        released: subscribers can read events up to this offset.
        delivered_bytes: bytes of released frames, times the subscribers that waited for them.
    """

    def __init__(self, events: Retained[Item, Frame], epochs: Epochs, batch_bytes: int) -> None:
        self.released = 0
        self.delivered_bytes = 0
        self._events = events
        self._epochs = epochs
        self._batch_bytes = batch_bytes
        self._batches: dict[int, Batch[Item, Frame] | None] = {}  # by position; released only
        self._waiting: dict[Future[None], None] = {}  # one per waiting task
        self._attached: dict[Subscriber[Item, Frame], None] = {}
        self._waking: list[Future[None]] = []  # waiting tasks that the release has not reached
        self._writing: list[Subscriber[Item, Frame]] = []  # the same for attached subscribers
        self._start = 0  # the position of attached subscribers before the release
        self._end = 0  # their position after it
        self._news: Batch[Item, Frame] | Heartbeat | None = None  # between these; `None`: a gap
        self._is_last = False

    @property
    def attached(self) -> int:
        """The number of attached subscribers."""
        return len(self._attached)

    def begin(self, last: int, *, is_last: bool) -> None:
        """Release events, and begin to deliver them. An earlier release must be delivered.

        Args:
            last: offset of the last event to release. If it is released already, waiting
                subscribers receive a heartbeat.
            is_last: whether no release follows, so that all subscribers detach.
        """
        self._start = self.released
        if last > self.released:
            self.delivered_bytes += self._events.bytes_between(self.released, last) * (
                len(self._waiting) + len(self._attached)
            )
            self.released = last
            self._batches.clear()
        self._waking = list(self._waiting)
        self._waiting.clear()
        self._writing = list(self._attached)
        self._is_last = is_last
        if self._writing:
            news, self._end = self.read(self._start)
            self._news = None if isinstance(news, Gap) else news or HEARTBEAT

    def deliver(self, at_most: int) -> bool:
        """Deliver the release to the next subscribers; returns whether some are left."""
        writing, self._writing = self._writing[:at_most], self._writing[at_most:]
        self._write(writing)
        at_most -= len(writing)
        waking, self._waking = self._waking[:at_most], self._waking[at_most:]
        for future in waking:
            if not future.done():
                future.set_result(None)
        return bool(self._writing or self._waking)

    def _write(self, subscribers: list[Subscriber[Item, Frame]]) -> None:
        start, end, news = self._start, self._end, self._news
        if self._is_last and isinstance(news, Heartbeat):
            news = None
        stays = end == self.released and not self._is_last
        for subscriber in subscribers:
            sink = subscriber.sink
            if sink is None or subscriber.offset != start:  # detached since the release began
                continue
            if news is not None and sink.write(news):
                subscriber.offset = end
                if stays:
                    continue
            self.detach(subscriber)
            sink.resume()

    async def wait(self) -> None:
        """Return at the next release. A subscriber that has read everything calls it."""
        # one future per subscriber: a shared event costs twice as much to wake
        released: Future[None] = get_running_loop().create_future()
        self._waiting[released] = None
        try:
            await released
        except CancelledError:
            self._waiting.pop(released, None)
            raise

    def attach(self, subscriber: Subscriber[Item, Frame]) -> None:
        """Write later releases to the sink of a subscriber that has read everything."""
        self._attached[subscriber] = None

    def detach(self, subscriber: Subscriber[Item, Frame]) -> None:
        """Write no more to the sink of an attached subscriber."""
        del self._attached[subscriber]
        subscriber.sink = None

    def read(self, position: int) -> tuple[Batch[Item, Frame] | Gap | None, int]:
        """What follows `position`, and the position after it.

        Returns:
            A batch; or a gap, if the next event has expired or is unreadable; or `None` if there
            are no events.
        """
        if position >= self.released:
            return None, position
        expired = self._events.expired
        if position < expired:
            resumed = self._epochs.id(self._events.oldest)
            gap = Gap(self._epochs.id(position), resumed, expired - position, GapReason.SLOW)
            return gap, expired
        lost, newest, following = self._events.unreadable_after(position)
        if lost:
            resumed = self._epochs.id(following)
            return Gap(self._epochs.id(position), resumed, lost, GapReason.EXPIRED), newest
        if position in self._batches:
            batch = self._batches[position]
        else:
            if len(self._batches) >= MAX_SHARED_BATCHES:
                self._batches.clear()
            batch = self._events.batch(position, self.released, self._batch_bytes)
            self._batches[position] = batch
        return batch, self.released if batch is None else batch.offsets[-1]
