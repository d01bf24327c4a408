"""A log in memory: it holds the newest records of each stream, and ends with the process."""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from anyio import sleep_forever

from rover.logs.base import Index, Outage, Record, Stream, up_to
from rover.logs.runs import KEY, ended_runs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from rover.logs.base import Selection

MAX_RECORDS = 1_000
"""Maximum number of records of each stream; the oldest are dropped. Topics hold the same events,
so this memory would be spent twice."""


class MemoryLog:
    """Keeps records in memory.

    Args:
        max_records: maximum number of records of each stream.
    """

    name = "memory:"
    file: Path | None = None
    recorded: sqlite3.Connection | None = None
    ended_at: float | None = None
    alive_at = 0.0
    outage: Outage | None = None

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self._max_records = max_records
        self._index = Index()
        self._records: dict[str, list[Record]] = {}

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def run(self) -> None:
        """There is nothing to maintain."""
        await sleep_forever()

    def as_json(self) -> dict[str, Any]:
        """See `Log.as_json`."""
        outage = self.outage and self.outage.as_json()
        return {
            "log": self.name,
            "recording": False,
            "outage": outage,
            "lost": 0,
            "set_aside": None,
            "damaged": None,
        }

    async def report_damage(self, error: Exception) -> None:
        """There is no file."""

    def streams(self, prefix: str = "") -> Sequence[Stream]:
        """See `Log.streams`."""
        return self._index.with_prefix(prefix)

    def stream(self, key: str) -> Stream | None:
        """See `Log.stream`."""
        return self._index.streams.get(key)

    def begin(self, key: str, epoch: str, first: int = 1) -> None:
        """See `Log.begin`."""
        self._index.begin(key, epoch, first)
        self._records.setdefault(key, [])

    def keeps_epoch(self, key: str) -> bool:
        """Whether the stream has begun: memory is never behind."""
        return key in self._records

    def append(self, key: str, record: Record) -> None:
        """See `Log.append`."""
        stream, records = self._index.streams[key], self._records[key]
        if (ended := ended_runs(self._index.values, stream, record)) is not None:
            self.put(KEY + key, ended)
        records.append(record)
        stream.last = record.offset
        if len(records) >= 2 * self._max_records:  # rarely, so that a record costs O(1)
            del records[: -self._max_records]

    def trim(self, key: str, before: int, kinds: Collection[str] | None = None) -> None:
        """See `Log.trim`."""
        records = self._records[key]
        if kinds is None:
            first = bisect_left(records, before, key=attrgetter("offset"))
            del records[: min(first, len(records) - 1)]
            return
        records[:-1] = [
            record for record in records[:-1] if record.offset >= before or record.kind not in kinds
        ]

    def delete(self, key: str) -> None:
        """See `Log.delete`."""
        self._index.streams.pop(key, None)
        self._records.pop(key, None)
        self.put(KEY + key, None)

    def put(self, key: str, value: str | None) -> None:
        """See `Log.put`."""
        self._index.put(key, value)

    def values(self, prefix: str = "") -> Mapping[str, str]:
        """See `Log.values`."""
        return self._index.values_with_prefix(prefix)

    async def read(self, key: str, **selection: Unpack[Selection]) -> list[Record]:
        """See `Log.read`."""
        return _selected(self._records.get(key, [])[-self._max_records :], **selection)

    async def commit(self) -> bool:
        """Return at once: memory needs no commit."""
        return True

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        """Return at once: nothing in memory survives a power cut."""
        begins()
        return True


def _selected(
    records: Sequence[Record],
    after: int = 0,
    until: int | None = None,
    kinds: Collection[str] | None = None,
    newest: bool = False,
    limit: int | None = None,
    max_bytes: int | None = None,
    damaged: bool = False,  # none is
) -> list[Record]:
    found = (
        record
        for record in (reversed(records) if newest else records)
        if after < record.offset
        and (until is None or record.offset <= until)
        and (kinds is None or record.kind in kinds)
    )
    read = up_to(islice(found, limit), max_bytes)
    return read[::-1] if newest else read
