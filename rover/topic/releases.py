"""Releases: the events of a topic that subscribers can read, and their delivery.

Each subscriber that has read everything has a **sink**. A release writes the new events to all
sinks: one batch, framed once for all sinks of a kind. A sink that accepts no data is detached,
and its subscriber reads by itself. So does a task that waits: its sink only wakes the task.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from rover.events import HEARTBEAT, Gap, GapReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.events import Epochs
    from rover.topic.batch import Batch, News
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

    @property
    def framing(self) -> Callable[[News], Any]:
        """Makes what is written of a batch or a heartbeat; the same function for a kind of sink.

        It is called once per release for consecutive sinks with the same function.
        """
        ...

    def write(self, framed: Any) -> bool:
        """Take the result of `framing` at once, without waiting.

        Returns:
            Whether it was taken. If not, the topic detaches the sink.
        """
        ...

    def resume(self) -> None:
        """Read the subscriber from now on: the topic has detached the sink. Never waits."""
        ...


class Wakeup:
    """The sink of a subscriber that is read: it wakes the task that waits."""

    __slots__ = ("released",)

    def __init__(self) -> None:
        self.released: Future[None] = get_running_loop().create_future()

    @staticmethod
    def framing(_: News) -> None:
        """Nothing is written. See `Sink`."""

    def write(self, _: None) -> bool:
        """Take nothing: the task reads. See `Sink`."""
        return False

    def resume(self) -> None:
        """Wake the task. See `Sink`."""
        if not self.released.done():  # else cancelled
            self.released.set_result(None)


class Releases(Generic[Item, Frame]):
    """The released events of a topic, and the subscribers that have read them.

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
        self._waiting: dict[Subscriber[Item, Frame], None] = {}
        self._due: list[Subscriber[Item, Frame]] = []  # those that the release has not reached
        self._start = 0  # the position of waiting subscribers before the release
        self._end = 0  # their position after it
        self._news: News | None = None  # between these; `None` if it must be read
        self._is_last = False

    @property
    def attached(self) -> int:
        """The number of subscribers with a sink other than a task."""
        return sum(not isinstance(one.sink, Wakeup) for one in self._waiting)

    def begin(self, last: int, *, is_last: bool) -> None:
        """Release events, and begin to deliver them. An earlier release must be delivered.

        Args:
            last: offset of the last event to release. If it is released already, waiting
                subscribers receive a heartbeat.
            is_last: whether no release follows, so that all subscribers detach.
        """
        self._start = self.released
        if last > self.released:
            size = self._events.bytes_between(self.released, last)
            self.delivered_bytes += size * len(self._waiting)
            self.released = last
            self._batches.clear()
        self._is_last = is_last
        self._due = list(self._waiting)
        if self._due:
            news, self._end = self.read(self._start)
            if isinstance(news, Gap) or (news is None and is_last):
                self._news = None
            else:
                self._news = news or HEARTBEAT

    def deliver(self, at_most: int) -> bool:
        """Deliver the release to the next subscribers; returns whether some are left."""
        due, self._due = self._due[:at_most], self._due[at_most:]
        start, end, news = self._start, self._end, self._news
        stays = end == self.released and not self._is_last
        framing, framed = None, None
        for subscriber in due:
            sink = subscriber.sink
            if sink is None:  # detached since the release began
                continue
            if news is not None and subscriber.offset == start:
                if sink.framing is not framing:
                    framing = sink.framing
                    framed = framing(news)
                if sink.write(framed):
                    subscriber.offset = end
                    if stays:
                        continue
            elif start < self.released <= subscriber.offset and not self._is_last:
                continue  # it has read the release already
            self.detach(subscriber)
            sink.resume()
        return bool(self._due)

    async def wait(self, subscriber: Subscriber[Item, Frame]) -> None:
        """Return at the next release. A subscriber that has read everything calls it."""
        wakeup = Wakeup()  # one each: a shared event costs twice as much to wake
        self.attach(subscriber, wakeup)
        try:
            await wakeup.released
        finally:
            if subscriber.sink is wakeup:
                self.detach(subscriber)

    def attach(self, subscriber: Subscriber[Item, Frame], sink: Sink) -> None:
        """Write later releases to the sink of a subscriber that has read everything."""
        subscriber.sink = sink
        self._waiting[subscriber] = None

    def detach(self, subscriber: Subscriber[Item, Frame]) -> None:
        """Write no more to the sink of a subscriber."""
        del self._waiting[subscriber]
        subscriber.sink = None

    def read(self, position: int) -> tuple[Batch[Item, Frame] | Gap | None, int]:
        """The events after `position`, and the position after them.

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
            return Gap(self._epochs.id(position), resumed, lost, GapReason.UNRECORDED), newest
        if position not in self._batches:
            if len(self._batches) >= MAX_SHARED_BATCHES:
                self._batches.clear()
            self._batches[position] = self._events.batch(position, self.released, self._batch_bytes)
        batch = self._batches[position]
        return batch, self.released if batch is None else batch.offsets[-1]
