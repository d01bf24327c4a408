"""An ordered log of events with ids, bounded, that many readers follow, each at its own position.

Everything that streams is one of these: telemetry, a comms channel, the progress of an upload, the
growth of a picture. Its promises:

- One order for everyone. Ids are `epoch-offset`; offsets count up by one; the epoch is this log's.
- An event is encoded once, when it is published, whoever reads it and how many.
- A reader is a position, not a queue: a slow one costs nothing but its position.
- Nothing is lost silently. A reader that asks for, or falls behind, what is no longer retained gets
  a `Gap` that says what is missing, and then everything that is retained.
- History joins live without a hole and without a double: there is only one log.

Not thread-safe: publish and read on one event loop.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from anyio import Event
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
        lost: how many events are missing; `None` when that cannot be known.
        reason: why.
    """

    after: EventId
    resumed: EventId
    lost: int | None
    reason: GapReason


class Batch(Generic[Frame]):
    """A run of events. Readers at the same position share one, and so its joined bytes."""

    def __init__(self, frames: Sequence[Frame], last: EventId) -> None:
        self.frames = frames
        self.last = last

    @cached_property
    def body(self) -> bytes:
        """All frames as one run of bytes, joined once for everyone; for topics of bytes only."""
        if len(self.frames) == 1:
            return self.frames[0]  # type: ignore[return-value] # the caller's topic is of bytes
        return b"".join(self.frames)  # type: ignore[arg-type] # the caller's topic is of bytes


class Beat:
    """A sign of life when nothing happened, for readers who must prove that they are there."""


BEAT = Beat()


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
        self.readers = 0
        self.closed = False
        self._encode = encode
        self._size = size
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._notify = notify
        self._frames: dict[int, Frame] = {}  # by offset; offsets are dense
        self._bytes = 0
        self._first = 1  # offset of the oldest event retained
        self._next = 1  # offset of the event to come
        self._released = 0  # readers see events up to this one
        self._batches: dict[int, Batch[Frame]] = {}  # by position, of the released events
        self._wake = Event()

    @property
    def last_id(self) -> EventId:
        """Of the newest event; offset 0 before the first."""
        return EventId(self.epoch, self._next - 1)

    def __len__(self) -> int:
        """How many events are retained."""
        return self._next - self._first

    def publish(self, item: Item) -> EventId:
        """Append an event, and drop the oldest beyond the bounds. Never waits for a reader.

        Raises:
            RuntimeError: the topic was closed.
        """
        if self.closed:
            raise RuntimeError("published to a closed topic")
        event_id = EventId(self.epoch, self._next)
        frame = self._encode(event_id, item)
        self._frames[self._next] = frame
        self._next += 1
        self._bytes += self._size(frame)
        while len(self) > 1 and (len(self) > self._max_events or self._bytes > self._max_bytes):
            self._bytes -= self._size(self._frames.pop(self._first))
            self._first += 1
        if self._notify is None:
            self.release()
        else:
            self._notify(self)
        return event_id

    def release(self) -> None:
        """Let readers see everything published so far, all waking together.

        When there is nothing new, each waiting reader gets a `BEAT`.
        """
        if self._released != self._next - 1:
            self._released = self._next - 1
            self._batches.clear()
        wake, self._wake = self._wake, Event()
        wake.set()

    def close(self) -> None:
        """End the topic: readers get what is left, and then their iteration ends."""
        self.closed = True
        self.release()

    def retained(self) -> Sequence[Frame]:
        """The frames of every retained event, oldest first."""
        return list(self._frames.values())

    def subscribe(
        self, after: EventId | None = None, *, last: int | None = None
    ) -> Subscription[Frame]:
        """A reader's position; use it as a context manager and iterate it.

        Args:
            after: continue behind this event. If it is not of this log or no longer followed by
                what is retained, a `Gap` comes first.
            last: without `after`: begin with up to this many of the newest events. Without either,
                the reader gets what comes from now on.
        """
        if after is None:
            position = self._next - 1 if last is None else max(self._next - 1 - last, 0)
            return Subscription(self, max(position, self._first - 1), None)
        oldest = EventId(self.epoch, self._first)
        if after.epoch != self.epoch or after.offset >= self._next:
            gap = Gap(after, oldest, None, GapReason.EPOCH)
        elif after.offset < self._first - 1:
            gap = Gap(after, oldest, self._first - 1 - after.offset, GapReason.EXPIRED)
        else:
            return Subscription(self, after.offset, None)
        return Subscription(self, self._first - 1, gap)

    def _after(self, position: int) -> Batch[Frame] | Gap | None:
        """What a reader at `position` gets next; `None` when it has everything."""
        if position >= self._released:
            return None
        if position < self._first - 1:
            return Gap(
                EventId(self.epoch, position),
                EventId(self.epoch, self._first),
                self._first - 1 - position,
                GapReason.SLOW,
            )
        batch = self._batches.get(position)
        if batch is None:
            batch = self._batches[position] = self._batch(position)
        return batch

    def _batch(self, position: int) -> Batch[Frame]:
        frames: list[Frame] = []
        total = 0
        while position < self._released and total < self._batch_bytes:
            position += 1
            frame = self._frames[position]
            frames.append(frame)
            total += self._size(frame)
        return Batch(frames, EventId(self.epoch, position))


class Subscription(Generic[Frame]):
    """One reader's way through a topic: an async iterator of `Batch`, `Gap` and `Beat`.

    It ends when the topic is closed and everything was read. Cancelling a read loses nothing: the
    position moves only when news is handed out.
    """

    def __init__(self, topic: Topic[Any, Frame], position: int, gap: Gap | None) -> None:
        self._topic = topic
        self._position = position
        self._gap = gap

    def __enter__(self) -> Self:
        self._topic.readers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._topic.readers -= 1

    @property
    def position(self) -> EventId:
        """The last event that was handed out, or that the reader started behind."""
        return EventId(self._topic.epoch, self._position)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch[Frame] | Gap | Beat:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return gap
        topic = self._topic
        if self._position < topic._released:
            await checkpoint()  # a reader that catches up takes turns with everyone else
        elif topic.closed:
            raise StopAsyncIteration
        else:
            await topic._wake.wait()
        news = topic._after(self._position)
        if news is None:
            if topic.closed:
                raise StopAsyncIteration
            return BEAT
        self._position = news.resumed.offset - 1 if isinstance(news, Gap) else news.last.offset
        return news
