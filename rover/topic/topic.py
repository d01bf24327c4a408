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
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from rover.events import Epochs, EventId, Gap, GapReason, new_epoch
from rover.topic.releases import Releases
from rover.topic.restoring import restore
from rover.topic.retained import Retained
from rover.topic.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rover.logs.base import Record, Stream
    from rover.logs.store import Store

logger = logging.getLogger("rover.log")

Item = TypeVar("Item")
Frame = TypeVar("Frame")


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
        on_renew: called when an epoch has begun, with the offset before its first.

    Attributes:
        epochs: the epochs of its event ids.
        store: keeps the events; `None` if the topic keeps them itself.
        subscribers: the number of open subscribers.
        closed: whether `close` was called.
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
        on_renew: Callable[[int], object] = lambda _: None,
    ) -> None:
        if store is not None and notify is None:
            raise TypeError("a topic with a store needs a flusher")
        self.epochs = epochs or Epochs(epoch)
        self.store = store
        self.subscribers = 0
        self.closed = False
        self._encode = encode
        self._notify = notify
        self._on_renew = on_renew
        self._events: Retained[Item, Frame] = Retained(
            size, max_events, max_bytes, is_transient, max_transient, store
        )
        self._accepted = 0  # `subscribe` accepts ids up to this offset
        self._settled = 0  # ids up to this offset, and up to that of released events, are final
        self._releases = Releases(self._events, self.epochs, batch_bytes)

    @property
    def epoch(self) -> str:
        """The epoch of new events."""
        return self.epochs.current

    @property
    def delivered_bytes(self) -> int:
        """Bytes of released frames, times the subscribers that waited for them."""
        return self._releases.delivered_bytes

    @property
    def attached(self) -> int:
        """The number of subscribers whose sinks the topic writes to; the others are read."""
        return self._releases.attached

    @property
    def last_id(self) -> EventId:
        """The id of the newest event; its offset is 0 before the first event."""
        return self.epochs.id(self._events.last)

    @property
    def released_id(self) -> EventId:
        """The id of the newest event that subscribers can read."""
        return self.epochs.id(self._releases.released)

    def __len__(self) -> int:
        """The number of retained events."""
        return len(self._events)

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
        event_id = self.epochs.id(self._events.last + 1 if offset is None else offset)
        frame = self._encode(event_id, item)  # before any change, because it may raise
        if self.store is not None:
            if self.store.stream is None:
                self.store.begin(self.epochs.all)
            self.store.append(event_id.offset, item)
        self._events.append(event_id.offset, item, frame, at)
        if self._notify is None:
            self.release()
        else:
            self._notify(self)
        return event_id

    async def load(self) -> list[tuple[Record, Item]]:
        """Retain the newest events of the store, and go on with its epoch and offsets.

        Call it once, before the first event.

        Returns:
            The retained events and their records, oldest first; empty without a store.

        Raises:
            LogDamaged: the events cannot be read.
        """
        stream = None if self.store is None else self.store.stream
        if self.store is None or stream is None:
            return []
        self.restore_position(stream)
        limit = self._events.max_events + self._events.max_transient
        records = await self.store.newest(limit, self._events.max_bytes)
        return self.restore(records)

    def restore_position(self, stream: Stream) -> None:
        """Go on with the epoch and the offsets of a stream; its events count as expired."""
        self.epochs.restore(stream.epochs)
        self._events.last = self._events.expired = self._releases.released = stream.last

    def restore(self, records: Iterable[Record]) -> list[tuple[Record, Item]]:
        """Retain events of the store; call it once, after `restore_position`.

        If an event is missing or cannot be read, all events before it count as expired. Then a
        client that resumes before it receives a gap.

        Args:
            records: the newest of the stream, oldest first.

        Returns:
            The retained events and their records.
        """
        found = restore(self._events, records, self._read)
        self._releases.released = self._events.last
        return found

    def _read(self, record: Record) -> tuple[Item, Frame, float] | None:
        assert self.store is not None  # noqa: S101 # the record is from it
        if not record.data:  # it is damaged, and the log has reported it
            return None
        try:
            item, at = self.store.unpack(record)
            return item, self._encode(self.epochs.id(record.offset), item), at
        except (LookupError, TypeError, ValueError) as exc:
            logger.warning("%s: event %d cannot be read: %r", self.store.key, record.offset, exc)
            return None

    def renew(self, epoch: str | None = None) -> None:
        """Begin an epoch after the released and settled events. Later events keep their offsets.

        Subscribers go on without a gap. The ids of released events remain valid in this process.

        Args:
            epoch: letters and digits; random by default.
        """
        final = self._final
        self.epochs.renew(epoch or new_epoch(), final + 1)
        if self.store is not None:
            self.store.begin(self.epochs.all)
        self._events.encode_after(
            final, lambda offset, item: self._encode(self.epochs.id(offset), item)
        )
        self._on_renew(final)

    @property
    def _final(self) -> int:
        """The offset up to which ids do not change any more."""
        return max(self._releases.released, self._settled)

    def renew_if_stored(self) -> None:
        """Begin an epoch if events are to be released without a commit; call it before `release`.

        If the process then ends, the next one cannot know these events, and must not use their ids.
        """
        if self.store is not None and self._final != self._events.last and self.store.keeps_epoch:
            self.renew()

    def settle(self, offset: int, *, is_committed: bool) -> EventId:
        """The final id of an event, for a client that learns it before the release.

        Args:
            offset: of the event. The ids of those before it are final too.
            is_committed: whether the log has committed the event. If not, it may begin an epoch,
                as with a release.
        """
        if offset > self._final:
            if not is_committed:
                self.renew_if_stored()
            self._settled = offset
        return self.epochs.id(offset)

    def release(self, up_to: int = sys.maxsize) -> None:
        """Let subscribers read events, and deliver them to those that wait.

        If there are no new events, each waiting subscriber receives a heartbeat.

        Args:
            up_to: the offset of the last event to release: it is committed. All by default.
        """
        while self.deliver():  # of an earlier release
            pass
        self.begin_release(up_to)
        while self.deliver():
            pass

    def begin_release(self, up_to: int = sys.maxsize) -> None:
        """Begin a release that `deliver` delivers in parts. Finish an earlier one first.

        Events published between the parts wait for the release after this one.
        """
        last = min(self._events.last, max(up_to, self._releases.released))
        self._releases.begin(last, is_last=self.closed and last == self._events.last)

    def deliver(self, at_most: int = sys.maxsize) -> bool:
        """Deliver the current release to more of the subscribers that wait.

        Args:
            at_most: maximum number of subscribers in this call.

        Returns:
            Whether subscribers are left.
        """
        return self._releases.deliver(at_most)

    def expire_to(self, offset: int, at: float = -inf) -> None:
        """Expire all retained events, and count those up to `offset` as expired.

        Subscribers receive a gap for them. A topic derived from another one calls this when events
        of the other one expired before it read them.

        Args:
            offset: of the newest missing event.
            at: POSIX seconds of that event.
        """
        self._events.expire_to(offset, at)

    def expire_oldest(self, count: int) -> None:
        """Expire that number of the oldest events."""
        for _ in range(count):
            self._events.expire_oldest()

    def accept_ids_to(self, offset: int) -> None:
        """Let clients resume after ids up to `offset`, even if no event here has them.

        A topic derived from another one calls this, because clients may have ids from there.
        """
        self._accepted = max(offset, self._accepted)

    @property
    def expired_to(self) -> int:
        """The offset of the newest expired event; 0 if none has expired."""
        return self._events.expired

    @property
    def expired_time(self) -> float:
        """POSIX seconds of the newest expired event; minus infinity if none has expired."""
        return self._events.expired_time

    def close(self) -> None:
        """Close the topic: subscribers receive the remaining events, then their iteration ends."""
        self.closed = True
        if self.store is not None and self._notify is not None:
            self._notify(self)  # the flusher releases the last events after their commit
            return
        self.release()

    @property
    def ended(self) -> bool:
        """Whether the topic is closed, and all of its events are released."""
        return self.closed and self._releases.released >= self._events.last

    def retained(self) -> Sequence[Frame]:
        """The frames of all retained events, oldest first."""
        return self._events.frames

    def retained_items(self) -> Sequence[Item]:
        """The retained events before they were encoded, oldest first."""
        return self._events.items

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
        events = self._events
        if after is None and since is not None:
            last = events.count_since(since)
            expired = last == len(self) and events.expired > 0 and since <= events.expired_time
            first = self.epochs.id(0)
            gap = Gap(first, self._oldest, None, events.expired_reason) if expired else None
            return Subscriber(self, self._releases, events.position_before(last), gap)
        if after is None:
            return Subscriber(self, self._releases, events.position_before(last))
        newest = max(events.last, self._accepted)
        if after != self.epochs.id(after.offset) or after.offset > newest:
            gap = Gap(after, self._oldest, None, GapReason.EPOCH)
        elif after.offset < events.expired:
            gap = Gap(after, self._oldest, events.expired - after.offset, events.expired_reason)
        else:
            return Subscriber(self, self._releases, after.offset)
        return Subscriber(self, self._releases, events.expired, gap)

    @property
    def _oldest(self) -> EventId:
        """The id of the oldest retained event, or else of the next event."""
        return self.epochs.id(self._events.oldest)
