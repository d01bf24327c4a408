"""The stream of one topic in a log."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rover.logs.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rover.logs.base import Log, Stream

Item = TypeVar("Item")


class Packed(NamedTuple):
    """An event as a record stores it.

    Attributes:
        kind: what it is.
        data: JSON.
        t: the event's own time in POSIX seconds; `None` if it has none.
    """

    kind: str
    data: str
    t: float | None = None


class Store(Generic[Item]):
    """Keeps the events of one topic.

    Args:
        log: keeps them.
        key: of the stream.
        pack: the event as a record stores it.
        unpack: the event from its record, and the time to publish it at; see `Topic.publish`. It
            may raise `LookupError`, `TypeError` or `ValueError`.
        durable: whether events must survive a power cut before anybody sees them.
        bounded: whether the log deletes events that expire in the topic.
        transient_kinds: kinds of the topic's transient events, which the log deletes with it.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        log: Log,
        key: str,
        *,
        pack: Callable[[Item], Packed],
        unpack: Callable[[Record], tuple[Item, float]],
        durable: bool = False,
        bounded: bool = False,
        transient_kinds: Collection[str] = (),
        clock: Callable[[], float] = time,
    ) -> None:
        self.key = key
        self.unpack = unpack
        self.durable = durable
        self._log = log
        self._pack = pack
        self._bounded = bounded
        self._transient_kinds = transient_kinds
        self._clock = clock

    @property
    def stream(self) -> Stream | None:
        """What the log knows about the stream; `None` before the first event."""
        return self._log.stream(self.key)

    @property
    def keeps_epoch(self) -> bool:
        """See `Log.keeps_epoch`."""
        return self._log.keeps_epoch(self.key)

    def begin(self, epochs: Sequence[tuple[str, int]]) -> None:
        """Begin the stream, or its newest epoch."""
        self._log.begin(self.key, *epochs[-1])

    def append(self, offset: int, item: Item) -> None:
        """Append an event of a stream that has begun."""
        self._log.append(self.key, Record(offset, self._clock(), *self._pack(item)))

    def expire(self, before: int) -> None:
        """Delete the events before an offset, if the log keeps no more than the topic."""
        if self._bounded:
            self._log.trim(self.key, before)

    def expire_transient(self, before: int) -> None:
        """Delete the transient events before an offset."""
        if self._transient_kinds:
            self._log.trim(self.key, before, self._transient_kinds)

    async def newest(self, limit: int, max_bytes: int) -> list[Record]:
        """The newest records, oldest first, with empty data if they are damaged.

        Raises:
            LogDamaged: they cannot be read.
        """
        return await self._log.read(
            self.key, limit=limit, max_bytes=max_bytes, newest=True, damaged=True
        )
