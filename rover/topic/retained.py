"""The events that a topic has in memory, and which of them expire."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from rover.events import GapReason
from rover.topic.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.logs.store import Store

Item = TypeVar("Item")
Frame = TypeVar("Frame")


class Retained(Generic[Item, Frame]):
    """The newest events, up to a number of events and of bytes.

    Args:
        size: returns the bytes of a frame, to count against `max_bytes`.
        max_events: maximum number of events, at least 1.
        max_bytes: maximum bytes of frames; the newest event is always retained.
        is_transient: whether an event counts apart from the others, and may be deleted before
            older ones without a gap.
        max_transient: maximum number of transient events; further ones replace the oldest.
        store: is informed of expired events.

    Attributes:
        max_events: the same.
        max_bytes: the same.
        max_transient: the same.
        last: offset of the newest event, retained or not; 0 before the first.
        expired: offset of the newest expired event; 0 if none has expired.
        expired_reason: why subscribers cannot read that event.
        expired_time: POSIX seconds of that event; minus infinity if none has expired.
    """

    def __init__(
        self,
        size: Callable[[Frame], int],
        max_events: int,
        max_bytes: int,
        is_transient: Callable[[Item], bool] | None,
        max_transient: int,
        store: Store[Item] | None,
    ) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.max_transient = max_transient
        self.last = 0
        self.expired = 0
        self.expired_reason = GapReason.EXPIRED
        self.expired_time = -inf
        self._size = size
        self._is_transient = is_transient
        self._store = store
        self._transient: deque[int] = deque()  # offsets of retained transient events
        self._frames: list[Frame] = []
        self._offsets: list[int] = []  # of the same events
        self._items: list[Item] = []  # of the same events
        self._unreadable: list[int] = []  # offsets of events of the store that are damaged
        self._times: list[float] = []  # of the same events, never decreasing
        self._head = 0  # index of the oldest retained event in these lists
        self._bytes = 0  # of events that are not transient

    def __len__(self) -> int:
        return len(self._frames) - self._head

    @property
    def frames(self) -> Sequence[Frame]:
        """The frames of all events, oldest first."""
        return self._frames[self._head :]

    @property
    def items(self) -> Sequence[Item]:
        """The retained events before they were encoded, oldest first."""
        return self._items[self._head :]

    @property
    def oldest(self) -> int:
        """The offset of the oldest event, or else of the next event."""
        return self._offsets[self._head] if len(self) else self.last + 1

    @property
    def skips_offsets(self) -> bool:
        """Whether events between two others may have been deleted."""
        return self._is_transient is not None

    def append(self, offset: int, item: Item, frame: Frame, at: float) -> None:
        """Append an event, and let the oldest events beyond the limits expire.

        Args:
            offset: higher than all before it.
            item: the event.
            frame: the encoded event.
            at: POSIX seconds; minus infinity for those of the event before it.
        """
        self.last = offset
        self._frames.append(frame)
        self._offsets.append(offset)
        self._items.append(item)
        if at == -inf:
            at = self._times[-1] if self._times else self.expired_time
        self._limit_times(at)
        self._times.append(at)
        if self._is_transient is not None and self._is_transient(item):
            self._transient.append(offset)
            if len(self._transient) > self.max_transient:
                self._delete_transient()
        else:
            self._bytes += self._size(frame)
        while (counted := len(self) - len(self._transient)) > 1 and (
            counted > self.max_events or self._bytes > self.max_bytes
        ):
            self.expire_oldest()

    def add_unreadable(self, offset: int) -> None:
        """Note an event that cannot be read. Subscribers receive a gap for it."""
        self.last = offset
        self._unreadable.append(offset)

    def unreadable_after(self, position: int) -> tuple[int, int, int]:
        """The unreadable events between a position and the first retained event after it.

        Returns:
            Their number, the offset of the newest, and the offset of the event after them.
        """
        if not self._unreadable:
            return 0, position, position
        index = self._index_after(position)
        following = self._offsets[index] if index < len(self._offsets) else self.last + 1
        first = bisect_right(self._unreadable, position)
        end = bisect_left(self._unreadable, following)
        return end - first, self._unreadable[end - 1] if end > first else position, following

    def expire_oldest(self) -> None:
        """Expire the oldest event."""
        self.expired, self.expired_reason = self._offsets[self._head], GapReason.EXPIRED
        if self._transient and self._transient[0] == self.expired:
            self._transient.popleft()
        else:
            self._bytes -= self._size(self._frames[self._head])
        if self._store is not None:
            self._store.expire(self.expired + 1)
        self.expired_time = self._times[self._head]
        self._head += 1
        if self._head * 8 > len(self._frames):  # rarely, so that an event costs O(1)
            for column in (self._frames, self._offsets, self._items, self._times):
                del column[: self._head]
            self._head = 0

    def expire_to(
        self, offset: int, at: float = -inf, reason: GapReason = GapReason.EXPIRED
    ) -> None:
        """Expire all events, and count those up to `offset` as expired, for a reason."""
        while len(self):
            self.expire_oldest()
        self.last = self.expired = max(offset, self.last)
        self.expired_reason = reason
        self.expired_time = max(at, self.expired_time)

    def encode_after(self, position: int, encode: Callable[[int, Item], Frame]) -> None:
        """Replace the frames of all events after `position`; `encode` receives their offsets."""
        for index in range(self._index_after(position), len(self._offsets)):
            self._frames[index] = encode(self._offsets[index], self._items[index])

    def position_before(self, count: int) -> int:
        """The position before the newest `count` events."""
        if count >= len(self):
            return self.expired
        return self._offsets[len(self._offsets) - count - 1]

    def count_since(self, since: float) -> int:
        """The number of events at this time or later, in POSIX seconds."""
        return len(self._times) - bisect_left(self._times, since, lo=self._head)

    def bytes_between(self, position: int, last: int) -> int:
        """The bytes of the frames after `position`, up to the event with offset `last`."""
        start = self._index_after(position)
        return sum(map(self._size, self._frames[start : self._index_after(last)]))

    def batch(self, position: int, last: int, max_bytes: int) -> Batch[Item, Frame] | None:
        """The events after `position`, up to offset `last`, and up to about `max_bytes`.

        Returns:
            `None` if no such event is retained.
        """
        start = self._index_after(position)
        if self._unreadable:  # a batch ends before the next one
            index = bisect_right(self._unreadable, position)
            last = min([last, *self._unreadable[index : index + 1]])
        end = self._index_after(last)
        total = 0
        for index in range(start, end):
            total += self._size(self._frames[index])
            if total >= max_bytes:
                end = index + 1
                break
        if start >= end:
            return None
        run = slice(start, end)
        return Batch(self._frames[run], self._offsets[run], self._items[run])

    def _index_after(self, position: int) -> int:
        return bisect_right(self._offsets, position, lo=self._head)

    def _delete_transient(self) -> None:
        """Delete the oldest transient event. Nobody misses it, so there is no gap."""
        offset = self._transient.popleft()
        if self._store is not None:
            self._store.expire_transient(offset + 1)
        index = bisect_left(self._offsets, offset, lo=self._head)
        for column in (self._frames, self._offsets, self._items, self._times):
            del column[index]

    def _limit_times(self, at: float) -> None:
        """Set all later times back to `at`."""
        self.expired_time = min(at, self.expired_time)
        index = len(self._times)
        while index > self._head and self._times[index - 1] > at:
            index -= 1
            self._times[index] = at
