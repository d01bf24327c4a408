"""A topic: the newest events of an ordered log, with any number of subscribers.

    publish ─▶ memory and log ─▶ commit ─▶ release ─▶ subscribers

Telemetry, each comms channel, the progress of an upload and the growth of an image are topics. A
topic guarantees:

- All subscribers receive the same events in the same order. Ids are `epoch-offset`. Offsets
  increase, and each topic has its own epochs.
- An id stands for one event forever. With a store, subscribers receive an event only after its
  commit, so a restarted server goes on with the same ids.
- Each event is encoded once, when it is published, for any number of subscribers.
- A subscriber is a position, not a queue. A slow subscriber needs no more memory than a fast one.
- No event is lost silently. If a subscriber asks for expired events, or is so slow that events
  expire before it reads them, it receives a `Gap`, and then all retained events.
- Retained and live events join without a gap or a duplicate: both come from one log.

A topic is not thread-safe: publish and read on one event loop.
"""

from __future__ import annotations

import logging
import sys
from asyncio import CancelledError, Future, get_running_loop
from bisect import bisect_left, bisect_right
from collections import deque
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from anyio.lowlevel import checkpoint

from rover.events import HEARTBEAT, Epochs, EventId, Gap, GapReason, Heartbeat, new_epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rover.logs.base import Record, Stream
    from rover.logs.store import Store

logger = logging.getLogger("rover.log")

__all__ = [
    "HEARTBEAT",
    "Batch",
    "EventId",
    "Gap",
    "GapReason",
    "Heartbeat",
    "Subscriber",
    "Topic",
]

Item = TypeVar("Item")
Frame = TypeVar("Frame")


class Batch(Generic[Item, Frame]):
    """Consecutive events, shared by all subscribers at the same position.

    Attributes:
        frames: the encoded events, oldest first; never empty.
        offsets: of the same events.
        items: the same events before they were encoded.
    """

    def __init__(
        self, frames: Sequence[Frame], offsets: Sequence[int], items: Sequence[Item]
    ) -> None:
        self.frames = frames
        self.offsets = offsets
        self.items = items

    @cached_property
    def body(self) -> bytes:
        """All frames joined, for topics of bytes. They are joined once for all subscribers."""
        if len(self.frames) == 1:
            return self.frames[0]  # type: ignore[return-value] # the caller's topic is of bytes
        return b"".join(self.frames)  # type: ignore[arg-type] # the caller's topic is of bytes


MAX_SHARED_BATCHES = 32
"""Maximum number of batches kept for the next subscriber at the same position.

It is enough for all subscribers that keep up. Memory stays bounded while others catch up, each from
a different position.
"""


class Topic(Generic[Item, Frame]):
    """The newest events, up to a number of events and of bytes.

    Args:
        encode: converts an item to the frame that subscribers receive; called once per event.
        size: returns the bytes of a frame, to count against `max_bytes`.
        max_events: maximum number of retained events, at least 1.
        max_bytes: maximum bytes of retained frames; the newest event is always retained.
        batch_bytes: approximate bytes of a batch while a subscriber catches up.
        notify: called after each `publish`; it must arrange a call of `release`. Without it,
            `publish` releases each event at once.
        epoch: letters and digits; random by default.
        epochs: those of the topic that this one is derived from, instead of `epoch`.
        store: keeps the events. It requires `notify`, and a flusher that commits the log.
        is_transient: whether an event counts apart from the others, and may be deleted before
            older ones without a gap.
        max_transient: maximum number of transient events; further ones replace the oldest.

    Attributes:
        epochs: the epochs of its event ids.
        store: keeps the events; `None` if the topic keeps them itself.
        subscribers: the number of open subscribers.
        closed: whether `close` was called.
        delivered_bytes: bytes of released frames, times the subscribers that waited for them.
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
        epochs: Epochs | None = None,
        store: Store[Item] | None = None,
        is_transient: Callable[[Item], bool] | None = None,
        max_transient: int = 0,
    ) -> None:
        if store is not None and notify is None:
            raise TypeError("a topic with a store needs a flusher")
        self.epochs = epochs or Epochs(epoch)
        self.store = store
        self.subscribers = 0
        self.closed = False
        self.delivered_bytes = 0
        self._encode = encode
        self._size = size
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._notify = notify
        self._is_transient = is_transient
        self._max_transient = max_transient
        self._transient: deque[int] = deque()  # offsets of retained transient events
        self._transient_bytes = 0
        self._frames: list[Frame] = []
        self._offsets: list[int] = []  # of the same events
        self._items: list[Item] = []  # of the same events
        self._times: list[float] = []  # of the same events, never decreasing
        self._head = 0  # index of the oldest retained event in these lists
        self._bytes = 0
        self._unreleased_bytes = 0
        self._expired = 0  # offset of the newest expired event
        self._expired_time = -inf
        self._accepted = 0  # `subscribe` accepts ids up to this offset
        self._last = 0  # offset of the newest event
        self._released = 0  # subscribers can read events up to this offset
        self._batches: dict[int, Batch[Item, Frame]] = {}  # by position; released events only
        self._waiting: dict[Future[None], None] = {}  # one per waiting subscriber
        self._waking: list[Future[None]] = []  # waiting subscribers of the current release

    @property
    def epoch(self) -> str:
        """The epoch of new events."""
        return self.epochs.current

    @property
    def last_id(self) -> EventId:
        """The id of the newest event; its offset is 0 before the first event."""
        return self.epochs.id(self._last)

    @property
    def released_id(self) -> EventId:
        """The id of the newest event that subscribers can read."""
        return self.epochs.id(self._released)

    def __len__(self) -> int:
        """The number of retained events."""
        return len(self._frames) - self._head

    def publish(self, item: Item, *, offset: int | None = None, at: float = -inf) -> EventId:
        """Append an event, and let the oldest events beyond the limits expire.

        This never waits for a subscriber.

        Args:
            item: the event.
            offset: higher than all before it; the next one by default. A topic derived from
                another passes the offset of the original event, so that clients can resume in
                either topic.
            at: POSIX seconds of the event, for `subscribe(since=…)`; by default, those of the event
                before it. Times never decrease within the topic: if the clock was set back, earlier
                events get this time.

        Raises:
            RuntimeError: the topic is closed.
        """
        if self.closed:
            raise RuntimeError("published to a closed topic")
        event_id = self.epochs.id(self._last + 1 if offset is None else offset)
        frame = self._encode(event_id, item)  # before any change, because it may raise
        if self.store is not None:
            if self.store.stream is None:
                self.store.begin(self.epochs.all)
            self.store.append(event_id.offset, item)
        self._append(event_id.offset, item, frame, at)
        if self._notify is None:
            self.release()
        else:
            self._notify(self)
        return event_id

    def _append(self, offset: int, item: Item, frame: Frame, at: float) -> None:
        self._last = offset
        self._frames.append(frame)
        self._offsets.append(offset)
        self._items.append(item)
        if at == -inf:
            at = self._times[-1] if self._times else self._expired_time
        self._limit_times(at)
        self._times.append(at)
        size = self._size(frame)
        self._unreleased_bytes += size
        if self._is_transient is not None and self._is_transient(item):
            self._transient.append(offset)
            self._transient_bytes += size
            if len(self._transient) > self._max_transient:
                self._delete_transient()
        else:
            self._bytes += size
        while (counted := len(self) - len(self._transient)) > 1 and (
            counted > self._max_events or self._bytes > self._max_bytes
        ):
            self._expire_oldest()

    def _delete_transient(self) -> None:
        """Delete the oldest transient event. Nobody misses it, so there is no gap."""
        offset = self._transient.popleft()
        if self.store is not None:
            self.store.expire_transient(offset + 1)
        index = bisect_left(self._offsets, offset, lo=self._head)
        self._transient_bytes -= self._size(self._frames[index])
        for column in (self._frames, self._offsets, self._items, self._times):
            del column[index]

    def _limit_times(self, at: float) -> None:
        """Set all later times back to `at`."""
        self._expired_time = min(at, self._expired_time)
        index = len(self._times)
        while index > self._head and self._times[index - 1] > at:
            index -= 1
            self._times[index] = at

    def _expire_oldest(self) -> None:
        size = self._size(self._frames[self._head])
        self._expired = self._offsets[self._head]
        if self._transient and self._transient[0] == self._expired:
            self._transient.popleft()
            self._transient_bytes -= size
        else:
            self._bytes -= size
        if self.store is not None:
            self.store.expire(self._expired + 1)
        self._expired_time = self._times[self._head]
        self._head += 1
        if self._head * 8 > len(self._frames):  # rarely, so that an event costs O(1)
            for column in (self._frames, self._offsets, self._items, self._times):
                del column[: self._head]
            self._head = 0

    async def load(self) -> list[Record]:
        """Retain the newest events of the store, and go on with its epoch and offsets.

        Call it once, before the first event.

        Returns:
            The records of the retained events, oldest first; empty without a store.

        Raises:
            LogDamaged: the events cannot be read.
        """
        stream = None if self.store is None else self.store.stream
        if self.store is None or stream is None:
            return []
        self.restore_position(stream)
        limit = self._max_events + self._max_transient
        records = await self.store.newest(limit, self._max_bytes)
        return [record for record, _ in self.restore(records)]

    def restore_position(self, stream: Stream) -> None:
        """Go on with the epoch and the offsets of a stream; its events count as expired."""
        self.epochs.restore(stream.epochs)
        self._last = self._expired = self._released = stream.last

    def restore(self, records: Iterable[Record]) -> list[tuple[Record, Item]]:
        """Retain events of the store; call it once, after `restore_position`.

        If an event is missing or cannot be read, all events before it count as expired. Then a
        client that resumes before it receives a gap.

        Args:
            records: the newest of the stream, oldest first.

        Returns:
            The retained events and their records.
        """
        last = self._last
        found: list[tuple[Record, Item]] = []
        for record in records:
            if found and record.offset != self._last + 1 and self._is_transient is None:
                self.expire_to(record.offset - 1)  # it was not recorded
                found.clear()
            item = self._restore(record)
            if item is None:
                self.expire_to(record.offset)
                found.clear()
            else:
                found.append((record, item))
        if self._last < last:
            self.expire_to(last)
            found.clear()
        self._released = self._last
        self._unreleased_bytes = 0
        return found

    def _restore(self, record: Record) -> Item | None:
        assert self.store is not None  # noqa: S101 # the record is from it
        offset = record.offset
        try:
            item, at = self.store.unpack(record)
            frame = self._encode(self.epochs.id(offset), item)
        except (LookupError, TypeError, ValueError) as exc:
            logger.warning("%s: event %d cannot be read: %r", self.store.key, offset, exc)
            return None
        if not len(self):
            self._expired, self._expired_time = offset - 1, at if offset > 1 else -inf
        self._append(offset, item, frame, at)
        return item

    def renew(self, epoch: str | None = None) -> None:
        """Begin an epoch after the released events. Later events keep their offsets.

        Subscribers go on without a gap. The ids of released events remain valid in this process.

        Args:
            epoch: letters and digits; random by default.
        """
        self.epochs.renew(epoch or new_epoch(), self._released + 1)
        if self.store is not None:
            self.store.begin(self.epochs.all)
        start = bisect_right(self._offsets, self._released, lo=self._head)
        for index in range(start, len(self._offsets)):
            event_id = self.epochs.id(self._offsets[index])
            self._frames[index] = self._encode(event_id, self._items[index])

    def renew_if_stored(self) -> None:
        """Begin an epoch if events are to be released without a commit; call it before `release`.

        If the process then ends, the next one cannot know these events, and must not use their ids.
        """
        if self.store is not None and self._released != self._last and self.store.keeps_epoch:
            self.renew()

    def release(self, at_most: int = sys.maxsize, up_to: int = sys.maxsize) -> bool:
        """Let subscribers read events, and wake those that wait.

        If there are no new events, each waiting subscriber receives a heartbeat.

        Args:
            at_most: maximum number of subscribers to wake in this call. Call again to wake the
                others. Events published between these calls wait for the release after this one.
            up_to: the offset of the last event to release: it is committed. All by default.

        Returns:
            Whether subscribers of this release are left to wake.
        """
        if not self._waking:  # a release has a fixed end, however busy the topic is
            if (released := min(self._last, up_to)) > self._released:
                self._released = released
                self._batches.clear()
                later = bisect_right(self._offsets, released, lo=self._head)
                later_bytes = sum(map(self._size, self._frames[later:]))
                released_bytes = self._unreleased_bytes - later_bytes
                self.delivered_bytes += released_bytes * len(self._waiting)
                self._unreleased_bytes = later_bytes
            self._waking, self._waiting = list(self._waiting), {}
        now, self._waking = self._waking[:at_most], self._waking[at_most:]
        for future in now:
            if not future.done():
                future.set_result(None)
        return bool(self._waking)

    def expire_to(self, offset: int, at: float = -inf) -> None:
        """Expire all retained events, and count those up to `offset` as expired.

        Subscribers receive a gap for them. A topic derived from another one calls this when events
        of the other one expired before it read them.

        Args:
            offset: of the newest missing event.
            at: POSIX seconds of that event.
        """
        while len(self):
            self._expire_oldest()
        self._last = self._expired = max(offset, self._last)
        self._expired_time = max(at, self._expired_time)

    def expire_oldest(self, count: int) -> None:
        """Expire that number of the oldest events."""
        for _ in range(count):
            self._expire_oldest()

    def accept_ids_to(self, offset: int) -> None:
        """Let clients resume after ids up to `offset`, even if no event here has them.

        A topic derived from another one calls this, because clients may have ids from there.
        """
        self._accepted = max(offset, self._accepted)

    @property
    def expired_to(self) -> int:
        """The offset of the newest expired event; 0 if none has expired."""
        return self._expired

    @property
    def expired_time(self) -> float:
        """POSIX seconds of the newest expired event; minus infinity if none has expired."""
        return self._expired_time

    def close(self) -> None:
        """Close the topic: subscribers receive the remaining events, then their iteration ends."""
        self.closed = True
        if self.store is not None and self._notify is not None:
            self._notify(self)  # the flusher releases the last events after their commit
            return
        self.release()
        self.release()  # subscribers that began to wait during an unfinished release

    @property
    def ended(self) -> bool:
        """Whether the topic is closed, and all of its events are released."""
        return self.closed and self._released >= self._last

    def retained(self) -> Sequence[Frame]:
        """The frames of all retained events, oldest first."""
        return self._frames[self._head :]

    def retained_items(self) -> Sequence[Item]:
        """The same events before they were encoded."""
        return self._items[self._head :]

    def subscribe(
        self, after: EventId | None = None, *, last: int = 0, since: float | None = None
    ) -> Subscriber[Item, Frame]:
        """A new subscriber. Use it as a context manager, and iterate over it.

        By default, it receives events from now on.

        Args:
            after: start after this event. If the id is of another epoch, or the next event has
                expired, a `Gap` comes first.
            last: without `after`: start with up to this many of the newest events.
            since: without `after`: start with the first event at this time or later, in POSIX
                seconds. If such events have expired, a `Gap` comes first.
        """
        if after is None and since is not None:
            index = bisect_left(self._times, since, lo=self._head)
            expired = index == self._head and self._expired > 0 and since <= self._expired_time
            first = self.epochs.id(0)
            gap = Gap(first, self._oldest, None, GapReason.EXPIRED) if expired else None
            return Subscriber(self, self._position_before(len(self._times) - index), gap)
        if after is None:
            return Subscriber(self, self._position_before(last), None)
        if after != self.epochs.id(after.offset) or after.offset > max(self._last, self._accepted):
            gap = Gap(after, self._oldest, None, GapReason.EPOCH)
        elif after.offset < self._expired:
            gap = Gap(after, self._oldest, self._expired - after.offset, GapReason.EXPIRED)
        else:
            return Subscriber(self, after.offset, None)
        return Subscriber(self, self._expired, gap)

    @property
    def _oldest(self) -> EventId:
        """The id of the oldest retained event, or else of the next event."""
        return self.epochs.id(self._offsets[self._head] if len(self) else self._last + 1)

    def _position_before(self, count: int) -> int:
        """The position before the newest `count` events."""
        if count >= len(self):
            return self._expired
        return self._offsets[len(self._offsets) - count - 1]

    def _next(self, position: int) -> Batch[Item, Frame] | Gap | None:
        """The batch or gap that follows `position`; `None` if nothing newer is released."""
        if position >= self._released:
            return None
        if position < self._expired:
            lost = self._expired - position
            return Gap(self.epochs.id(position), self._oldest, lost, GapReason.SLOW)
        batch = self._batches.get(position)
        if batch is None:
            if len(self._batches) >= MAX_SHARED_BATCHES:
                self._batches.clear()
            batch = self._batches[position] = self._make_batch(position)
        return batch

    def _make_batch(self, position: int) -> Batch[Item, Frame]:
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
    """A position in a topic: an async iterator of `Batch`, `Gap` and `Heartbeat`.

    The iteration ends after the last event of a closed topic. A cancelled read loses no event: the
    position changes only when a read returns.
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
        """The id of the last event that it received, or that it started after."""
        return self._topic.epochs.id(self._position)

    @property
    def lag(self) -> int:
        """Number of offsets by which it is behind the newest event."""
        return self._topic._last - self._position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch[Item, Frame] | Gap | Heartbeat:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return gap
        topic = self._topic
        if self._position < topic._released:
            await checkpoint()  # let other tasks run while this one catches up
        elif topic.ended:
            raise StopAsyncIteration
        else:
            # one future per subscriber: a shared event costs twice as much to wake
            released = get_running_loop().create_future()
            topic._waiting[released] = None
            try:
                await released
            except CancelledError:
                topic._waiting.pop(released, None)
                raise
        news = topic._next(self._position)
        if news is None:
            if topic.ended:
                raise StopAsyncIteration
            return HEARTBEAT
        self._position = topic._expired if isinstance(news, Gap) else news.offsets[-1]
        return news
