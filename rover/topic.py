"""An ordered log of events with ids, bounded, that many readers follow, each at its own position.

Everything that streams is one of these: telemetry, a comms channel, the progress of an upload, the
growth of a picture. Its promises:

- One order for everyone. Ids are `epoch-offset`; offsets count up; the epoch is this log's.
- An event is encoded once, when it is published, whoever reads it and how many.
- A reader is a position, not a queue: a slow one costs nothing but its position.
- Nothing is lost silently. A reader that asks for, or falls behind, what is no longer retained gets
  a `Gap` that says what is missing, and then everything that is retained.
- History joins live without a hole and without a double: there is only one log.

Not thread-safe: publish and read on one event loop.
"""

from __future__ import annotations

import secrets
import sys
from asyncio import CancelledError, Future, get_running_loop
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, Self, TypeVar

from anyio.lowlevel import checkpoint

from rover.errors import MalformedEventId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Frame = TypeVar("Frame")


class EventId(NamedTuple):
    """Names one event, across restarts: offsets start anew with each epoch."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str, *, name: str = "after") -> Self:
        """The id that `text` spells.

        Args:
            text: as a client sent it.
            name: where the client put it, for the error.

        Raises:
            MalformedEventId: it is not of the form `epoch-offset`.
        """
        epoch, dash, offset = text.rpartition("-")
        digits = offset.isascii() and offset.isdigit() and len(offset) <= 18
        if not (dash and digits and epoch.isascii() and epoch.isalnum() and len(epoch) <= 64):
            raise MalformedEventId(name, text)
        return cls(epoch, int(offset))


class GapReason(StrEnum):
    """Why events are missing."""

    EXPIRED = "expired"  # the reader came back too late
    EPOCH = "epoch"  # its id is of another log: the server was restarted
    SLOW = "slow"  # it reads slower than events come


@dataclass(frozen=True, slots=True)
class Gap:
    """Says that events are missing at this place of the stream.

    Attributes:
        after: the last event before the hole, as the reader knows it.
        resumed: the first event after the hole.
        lost: how many offsets lie in the hole; `None` when that cannot be known.
        reason: why.
    """

    after: EventId
    resumed: EventId
    lost: int | None
    reason: GapReason


class Batch(Generic[Item, Frame]):
    """A run of events. Subscribers at the same position share one, and so its joined bytes.

    Attributes:
        frames: of the events, oldest first; never empty.
        offsets: of the same events.
        items: of the same events, as they were published.
    """

    def __init__(
        self, frames: Sequence[Frame], offsets: Sequence[int], items: Sequence[Item]
    ) -> None:
        self.frames = frames
        self.offsets = offsets
        self.items = items

    @cached_property
    def body(self) -> bytes:
        """All frames as one run of bytes, joined once for everyone; for topics of bytes only."""
        if len(self.frames) == 1:
            return self.frames[0]  # type: ignore[return-value] # the caller's topic is of bytes
        return b"".join(self.frames)  # type: ignore[arg-type] # the caller's topic is of bytes


class Beat:
    """A sign of life when nothing happened, for readers who must prove that they are there."""


BEAT = Beat()

SHARED_BATCHES = 32
"""So many are remembered for the next reader: enough for all who keep up, and bounded for a crowd
that catches up, each from somewhere else."""


class Topic(Generic[Item, Frame]):
    """The log in memory: the newest events, up to a count and a number of bytes.

    Args:
        encode: makes an item the frame that readers get; called once an event, at `publish`.
        size: what a frame counts against `max_bytes`.
        max_events: how many events are retained, at least 1.
        max_bytes: how many bytes of frames are retained; the newest event always is.
        batch_bytes: about how many bytes a reader gets at once when it catches up.
        notify: called after each `publish`; whoever it tells calls `release` in good time. Without
            it, events are released as they are published.
        epoch: letters and digits; made up when not given.
    """

    def __init__(
        self,
        encode: Callable[[EventId, Item], Frame],
        *,
        size: Callable[[Frame], int],
        max_events: int,
        max_bytes: int,
        batch_bytes: int = 256 * 1024,
        notify: Callable[[Topic[Item, Frame]], None] | None = None,
        epoch: str | None = None,
    ) -> None:
        self.epoch = epoch or secrets.token_hex(4)
        self.subscribers = 0
        self.closed = False
        self._encode = encode
        self._size = size
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._notify = notify
        self._frames: list[Frame] = []
        self._offsets: list[int] = []  # of the same events
        self._items: list[Item] = []  # of the same events
        self._times: list[float] = []  # of the same events, never decreasing
        self._head = 0  # where the oldest retained event is in these lists
        self._bytes = 0
        self._floor = 0  # offset of the newest event that was dropped
        self._floor_time = -inf
        self._reached = 0  # offsets up to this one are of this log
        self._last = 0  # offset of the newest event
        self._released = 0  # readers see events up to this offset
        self._batches: dict[int, Batch[Item, Frame]] = {}  # by position, of the released events
        self._waiting: dict[Future[None], None] = {}  # one for each reader that has everything
        self._due: list[Future[None]] = []  # of those, who are being woken

    @property
    def last_id(self) -> EventId:
        """Of the newest event; offset 0 before the first."""
        return EventId(self.epoch, self._last)

    def __len__(self) -> int:
        """How many events are retained."""
        return len(self._frames) - self._head

    def publish(self, item: Item, *, offset: int | None = None, at: float = -inf) -> EventId:
        """Append an event, and drop the oldest beyond the bounds. Never waits for a reader.

        Args:
            item: what happened.
            offset: higher than any before it; the next one by default. A topic that is made from
                another one passes that one's, so that a reader can resume in either.
            at: when it happened, for readers who ask by time; with the event before it by default.
                Where that was later, the clock was set back: what was before counts as no later.

        Raises:
            RuntimeError: the topic was closed.
        """
        if self.closed:
            raise RuntimeError("published to a closed topic")
        event_id = EventId(self.epoch, self._last + 1 if offset is None else offset)
        frame = self._encode(event_id, item)  # if it raises, nothing has happened
        self._last = event_id.offset
        self._frames.append(frame)
        self._offsets.append(self._last)
        self._items.append(item)
        if at == -inf:
            at = self._times[-1] if self._times else self._floor_time
        self._set_back(at)
        self._times.append(at)
        self._bytes += self._size(frame)
        while len(self) > 1 and (len(self) > self._max_events or self._bytes > self._max_bytes):
            self._drop_oldest()
        if self._notify is None:
            self.release()
        else:
            self._notify(self)
        return event_id

    def _set_back(self, at: float) -> None:
        """Have no event be later than `at`."""
        self._floor_time = min(at, self._floor_time)
        index = len(self._times)
        while index > self._head and self._times[index - 1] > at:
            index -= 1
            self._times[index] = at

    def _drop_oldest(self) -> None:
        self._bytes -= self._size(self._frames[self._head])
        self._floor = self._offsets[self._head]
        self._floor_time = self._times[self._head]
        self._head += 1
        if self._head * 8 > len(self._frames):  # seldom, and never far over the bounds
            for column in (self._frames, self._offsets, self._items, self._times):
                del column[: self._head]
            self._head = 0

    def release(self, at_most: int = sys.maxsize) -> bool:
        """Let readers see everything published so far, and wake those who wait for it.

        When there is nothing new, each waiting reader gets a `BEAT`.

        Args:
            at_most: wake so many now. The others are woken by calling again; what is published
                meanwhile is released only after them.

        Returns:
            Whether there are others.
        """
        if not self._due:  # or what is published between two turns would be released without end
            if self._released != self._last:
                self._released = self._last
                self._batches.clear()
            self._due, self._waiting = list(self._waiting), {}
        now, self._due = self._due[:at_most], self._due[at_most:]
        for future in now:
            if not future.done():
                future.set_result(None)
        return bool(self._due)

    def skip(self, offset: int, at: float = -inf) -> None:
        """Note that events up to `offset` will never be published here: readers are told a gap.

        Args:
            offset: of the newest event that is missing.
            at: when that happened.
        """
        while len(self):
            self._drop_oldest()
        self._last = self._floor = max(offset, self._last)
        self._floor_time = max(at, self._floor_time)

    def reach(self, offset: int) -> None:
        """Note that events up to `offset` have happened, shown here or not.

        For a topic that is made from another one: a reader may know such an id from there.
        """
        self._reached = max(offset, self._reached)

    @property
    def floor_time(self) -> float:
        """When the newest event that was dropped happened; minus infinity before that."""
        return self._floor_time

    def close(self) -> None:
        """End the topic: readers get what is left, and then their iteration ends."""
        self.closed = True
        self.release()
        self.release()  # those who waited while the others were woken

    def retained(self) -> Sequence[Frame]:
        """The frames of every retained event, oldest first."""
        return self._frames[self._head :]

    def subscribe(
        self, after: EventId | None = None, *, last: int = 0, since: float | None = None
    ) -> Subscriber[Item, Frame]:
        """A reader's position; use it as a context manager and iterate it.

        Args:
            after: continue behind this event. If it is not of this log or no longer followed by
                what is retained, a `Gap` comes first.
            last: without `after`: begin with up to this many of the newest events.
            since: without `after`: begin with the first event at this time or later. If what is
                retained begins later, a `Gap` comes first.

        Without any of them, the reader gets what comes from now on.
        """
        if after is None and since is not None:
            index = bisect_left(self._times, since, lo=self._head)
            cut = index == self._head and self._floor > 0 and since <= self._floor_time
            first = EventId(self.epoch, 0)
            gap = Gap(first, self._oldest, None, GapReason.EXPIRED) if cut else None
            return Subscriber(self, self._position_before(len(self._times) - index), gap)
        if after is None:
            return Subscriber(self, self._position_before(last), None)
        if after.epoch != self.epoch or after.offset > max(self._last, self._reached):
            gap = Gap(after, self._oldest, None, GapReason.EPOCH)
        elif after.offset < self._floor:
            gap = Gap(after, self._oldest, self._floor - after.offset, GapReason.EXPIRED)
        else:
            return Subscriber(self, after.offset, None)
        return Subscriber(self, self._floor, gap)

    @property
    def _oldest(self) -> EventId:
        """Of the oldest event retained, or of the one to come."""
        return EventId(self.epoch, self._offsets[self._head] if len(self) else self._last + 1)

    def _position_before(self, count: int) -> int:
        """The position from which the newest `count` events follow."""
        if count >= len(self):
            return self._floor
        return self._offsets[len(self._offsets) - count - 1]

    def _after(self, position: int) -> Batch[Item, Frame] | Gap | None:
        """What a reader at `position` gets next; `None` when it has everything."""
        if position >= self._released:
            return None
        if position < self._floor:
            lost = self._floor - position
            return Gap(EventId(self.epoch, position), self._oldest, lost, GapReason.SLOW)
        batch = self._batches.get(position)
        if batch is None:
            if len(self._batches) >= SHARED_BATCHES:
                self._batches.clear()
            batch = self._batches[position] = self._batch(position)
        return batch

    def _batch(self, position: int) -> Batch[Item, Frame]:
        start = bisect_right(self._offsets, position, lo=self._head)
        end = bisect_right(self._offsets, self._released, lo=start)
        total = 0
        for index in range(start, end):
            total += self._size(self._frames[index])
            if total >= self._batch_bytes:
                end = index + 1
                break
        run = slice(start, end)
        return Batch(self._frames[run], self._offsets[run], self._items[run])


class Subscriber(Generic[Item, Frame]):
    """One reader's way through a topic: an async iterator of `Batch`, `Gap` and `Beat`.

    It ends when the topic is closed and everything was read. Cancelling a read loses nothing: the
    position moves only when news is handed out.
    """

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
        """The last event that was handed out, or that the reader started behind."""
        return EventId(self._topic.epoch, self._position)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch[Item, Frame] | Gap | Beat:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return gap
        topic = self._topic
        if self._position < topic._released:
            await checkpoint()  # a reader that catches up takes turns with everyone else
        elif topic.closed:
            raise StopAsyncIteration
        else:
            # a future of its own for each reader: an event for all costs twice as much to wake
            released = get_running_loop().create_future()
            topic._waiting[released] = None
            try:
                await released
            except CancelledError:
                topic._waiting.pop(released, None)
                raise
        news = topic._after(self._position)
        if news is None:
            if topic.closed:
                raise StopAsyncIteration
            return BEAT
        self._position = topic._floor if isinstance(news, Gap) else news.offsets[-1]
        return news
