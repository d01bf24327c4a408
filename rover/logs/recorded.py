"""The log of a recorded mission: it is read, and nothing is written."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import sleep_forever, to_thread

from rover.damage import damage_of
from rover.logs.base import Index, Outage, Record, Stream
from rover.logs.contents import contents_of
from rover.logs.reading import note_truncation, read

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Unpack

    from rover.logs.base import Selection


class RecordedLog:
    """Reads records. What is appended is not kept: it exists only in topics.

    Args:
        path: of the file, which must not change.
        db: a connection to it with a read transaction, which `close` closes.
        manifest: what the file has, as JSON.
        ended_at: the end of the mission in POSIX seconds, if it is known.
    """

    alive_at = 0.0
    outage: Outage | None = None

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        manifest: Mapping[str, Any] | None = None,
        ended_at: float | None = None,
    ) -> None:
        self.ended_at = ended_at
        self.file: Path | None = path
        self.recorded: sqlite3.Connection | None = db
        self._path, self._db = path, db
        self._manifest = manifest
        self._damage = damage_of(path)
        self._index = Index()
        self._ids: dict[str, int] = {}

    @property
    def name(self) -> str:
        """See `Log.name`."""
        return f"recorded:{self._path}"

    def as_json(self) -> dict[str, Any]:
        """See `Log.as_json`."""
        return {
            "log": self.name,
            "recording": False,
            "outage": None,
            "lost": 0,
            "set_aside": None,
            "damaged": self._damage.as_json(),
            "recorded": self._manifest,
        }

    async def open(self) -> None:
        """See `Log.open`."""
        await to_thread.run_sync(note_truncation, self._path, self._damage)
        contents = await to_thread.run_sync(contents_of, self._db, self._damage)
        self._index, self._ids = contents.index, contents.ids

    async def close(self) -> None:
        """See `Log.close`."""
        self._db.close()

    async def run(self) -> None:
        """There is nothing to maintain."""
        await sleep_forever()

    async def report_damage(self, error: Exception) -> None:
        """Do nothing: the file does not change."""

    def streams(self, prefix: str = "") -> Sequence[Stream]:
        """See `Log.streams`."""
        return self._index.with_prefix(prefix)

    def stream(self, key: str) -> Stream | None:
        """See `Log.stream`."""
        return self._index.streams.get(key)

    def begin(self, key: str, epoch: str, first: int = 1) -> None:
        """See `Log.begin`."""
        self._index.begin(key, epoch, first)

    def keeps_epoch(self, key: str) -> bool:
        """Whether the stream has begun: another process never goes on with it."""
        return key in self._index.streams

    def append(self, key: str, record: Record) -> None:
        """Do not keep the record."""
        self._index.streams[key].last = record.offset

    def trim(self, key: str, before: int, kinds: Collection[str] | None = None) -> None:
        """Delete nothing."""

    def delete(self, key: str) -> None:
        """Delete nothing."""

    def put(self, key: str, value: str | None) -> None:
        """Set a value until the log closes; see `Log.put`."""
        self._index.put(key, value)

    def values(self, prefix: str = "") -> Mapping[str, str]:
        """See `Log.values`."""
        return self._index.values_with_prefix(prefix)

    async def read(self, key: str, **selection: Unpack[Selection]) -> list[Record]:
        """See `Log.read`."""
        if key not in self._ids:
            return []
        if selection.get("until") is None:  # else each offset after lost pages counts as an event
            selection["until"] = self._index.streams[key].last if key in self._index.streams else 0
        call = partial(read, self._path, key, self._ids[key], "ro&immutable=1", **selection)
        return await to_thread.run_sync(call)

    async def commit(self) -> bool:
        """Return at once: clients may read events that are not kept."""
        return True

    async def sync(self, begins: Callable[[], object] = lambda: None) -> bool:
        """Return at once."""
        begins()
        return True
