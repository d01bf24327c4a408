"""The contract of a log: it keeps the events of all topics of one mission.

A log holds *streams* of records, one for each topic, and *values*, which are named texts. What is
appended is kept from the next `commit` that returns `True`: then it survives the end of the
process, however it ends. After a `sync` that returns `True`, it also survives a power cut.

A log that cannot write never raises and never blocks: `outage` says since when nothing is recorded,
and `commit` returns `False` at once. It writes what it still holds when it can write again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

from rover.events import MAX_EPOCHS
from rover.wire import iso

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack


class Record(NamedTuple):
    """One event of a stream.

    Attributes:
        offset: higher than that of the record before it.
        at: POSIX seconds at which the server published it.
        kind: what it is, such as `sample`.
        data: JSON.
        t: the event's own time in POSIX seconds; `None` if it has none.
    """

    offset: int
    at: float
    kind: str
    data: str
    t: float | None = None


@dataclass(slots=True)
class Stream:
    """What a log knows about one stream.

    Attributes:
        key: its name, such as `telemetry`.
        epochs: each epoch and its first offset, in order; never empty.
        last: the offset of the newest record; the offset before the first one if there is none.
        newest_at: POSIX seconds of the newest record, or up to which the last run recorded.
    """

    key: str
    epochs: list[tuple[str, int]]
    last: int = 0
    newest_at: float = -inf


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nothing is recorded.

    Attributes:
        since: POSIX seconds.
        reason: why, for people.
    """

    since: float
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The outage as clients see it."""
        return {"since": iso(self.since), "reason": self.reason}


class Range(TypedDict, total=False):
    """Records of a stream; by default all of them, the oldest first.

    Attributes:
        after: the offset before the first.
        until: the last offset; `None` for no bound.
        kinds: of the records; `None` for all.
        newest: whether to begin with the newest.
    """

    after: int
    until: int | None
    kinds: Collection[str] | None
    newest: bool


class Selection(Range, total=False):
    """Some records of a range, which begin at its first or, with `newest`, at its last.

    Attributes:
        limit: maximum number of records; `None` for no limit.
        max_bytes: maximum bytes of their data; at least one record is returned.
        damaged: whether to return damaged records too, with empty data.
    """

    limit: int | None
    max_bytes: int | None
    damaged: bool


class Log(Protocol):
    """Keeps records and values. Use it on one event loop."""

    @property
    def name(self) -> str:
        """What the log is, for people: `sqlite:rover-data/mission.db`."""
        ...

    @property
    def file(self) -> Path | None:
        """The SQLite file of the log, for tables of other parts; `None` if there is none."""
        ...

    @property
    def recorded(self) -> sqlite3.Connection | None:
        """A connection to the file of a recorded mission, which is only read; else `None`."""
        ...

    @property
    def ended_at(self) -> float | None:
        """The end of a recorded mission in POSIX seconds; `None` if it goes on, or is unknown."""
        ...

    @property
    def alive_at(self) -> float:
        """POSIX seconds up to which the last run recorded everything; 0 if it is unknown."""
        ...

    @property
    def outage(self) -> Outage | None:
        """Since when and why nothing is recorded; `None` while the log records."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Whether it records, and what it lost, as `/readyz` shows it."""
        ...

    async def open(self) -> None:
        """Open the log, and read what it holds about its streams.

        Streams whose newest records may be lost, for example after a power cut, have a new epoch.

        Raises:
            SettingError: it cannot be opened, and only a person can change that.
        """
        ...

    async def close(self) -> None:
        """Write what is pending and close the log; returns after 1 s at most."""
        ...

    async def run(self) -> None:
        """Maintain the log, and end outages, until cancelled."""
        ...

    async def report_damage(self, error: Exception) -> None:
        """Replace the file: a part that has tables in it cannot write them, because it is damaged.

        Args:
            error: of that part.
        """
        ...

    def streams(self, prefix: str = "") -> Sequence[Stream]:
        """The streams whose key has a prefix, in the order in which they began."""
        ...

    def stream(self, key: str) -> Stream | None:
        """The stream of that key; `None` if there is none."""
        ...

    def begin(self, key: str, epoch: str, first: int = 1) -> None:
        """Begin a stream, or a new epoch of it.

        Args:
            key: of the stream.
            epoch: letters and digits.
            first: the first offset of the epoch, higher than all released offsets.
        """
        ...

    def keeps_epoch(self, key: str) -> bool:
        """Whether the newest epoch of a stream is stored or being stored.

        If the process ends now, the next one may go on with this epoch. So events that are not
        committed need a new one before anybody sees them.
        """
        ...

    def append(self, key: str, record: Record) -> None:
        """Append a record to a stream that has begun. It is kept from the next commit."""
        ...

    def trim(self, key: str, before: int, kinds: Collection[str] | None = None) -> None:
        """Delete the records before an offset, soon. The newest record of a stream always stays.

        Args:
            key: of the stream.
            before: the first offset that stays.
            kinds: delete only records of these kinds; `None` for all.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete a stream and its records."""
        ...

    def put(self, key: str, value: str | None) -> None:
        """Set a value; `None` deletes it. It is kept from the next commit."""
        ...

    def values(self, prefix: str = "") -> Mapping[str, str]:
        """The values whose key has a prefix, by key."""
        ...

    async def read(self, key: str, **selection: Unpack[Selection]) -> list[Record]:
        """Committed records of a stream, in the order of their offsets.

        Damaged records are left out, unless they are selected, and noted in `as_json`.

        Raises:
            LogDamaged: the records cannot be read.
        """
        ...

    async def commit(self) -> bool:
        """Return when everything appended before this call is committed, or an outage began.

        Returns:
            Whether it is committed.
        """
        ...

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        """The same as `commit`, and it then survives a power cut. Calls share the work.

        Args:
            begins: called once the work begins, or there is none. Everything appended up to then is
                covered, also after the call.
        """
        ...


@dataclass(slots=True)
class Index:
    """The streams and values of a log, in memory.

    Attributes:
        streams: by key.
        values: by key.
    """

    streams: dict[str, Stream] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def begin(self, key: str, epoch: str, first: int) -> Stream:
        """Begin a stream, or a new epoch of it, which replaces epochs of the same offsets."""
        stream = self.streams.get(key)
        if stream is None:
            stream = self.streams[key] = Stream(key, [], first - 1)
        kept = [one for one in stream.epochs if one[1] < first]
        stream.epochs[:] = [*kept, (epoch, first)][-MAX_EPOCHS:]
        return stream

    def put(self, key: str, value: str | None) -> None:
        """Set a value; `None` deletes it."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def with_prefix(self, prefix: str) -> Sequence[Stream]:
        """The streams whose key has a prefix."""
        return [stream for key, stream in self.streams.items() if key.startswith(prefix)]

    def values_with_prefix(self, prefix: str) -> Mapping[str, str]:
        """The values whose key has a prefix."""
        return {key: value for key, value in self.values.items() if key.startswith(prefix)}


def up_to(records: Iterable[Record], max_bytes: int | None) -> list[Record]:
    """The first records, up to a size of their data; at least one."""
    if max_bytes is None:
        return list(records)
    found: list[Record] = []
    for record in records:
        max_bytes -= len(record.data)
        if found and max_bytes < 0:
            break
        found.append(record)
    return found
