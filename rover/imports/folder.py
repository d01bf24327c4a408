"""Imports samples into a data folder that no server uses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any, Self

from rover.archive.store import Store
from rover.errors import FolderInUse, LogDamaged
from rover.imports.dictionary import ImportedDictionary
from rover.logs.database import Database
from rover.logs.folder import DataFolder
from rover.logs.rows import INSERT_ITEM, item_row
from rover.schema import FILE_NAME
from rover.telemetry.by_parameter import points_of
from rover.telemetry.events import dictionary_json
from rover.telemetry.recorder import SNAPSHOT
from rover.telemetry.records import DICTIONARY, saved_dictionary
from rover.telemetry.series import MAX_PARAMETERS, parameters_of
from rover.telemetry.tail import Tail
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rover.imports.base import Imported
    from sources.base import Value


class FolderImport:
    """Adds samples to the archive of a data folder. Use it as a context manager.

    Each value goes to its place in time. A value that is imported twice is there twice.

    Args:
        path: of the data folder; created if it does not exist.

    Attributes:
        declare: called with the columns of a file, in their order.

    Raises:
        SettingError: the folder is not writable.
        FolderInUse: a server uses it.
    """

    def __init__(self, path: Path) -> None:
        self._folder = DataFolder(path)
        if not self._folder.acquire():
            raise FolderInUse(path)
        self._path = path / FILE_NAME
        self._newest: dict[str, tuple[float, Value]] = {}
        try:
            Database(self._path).close()  # creates the tables
            self._db = sqlite3.connect(self._path, isolation_level=None)
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._store = Store(self._db)
            self._dictionary = ImportedDictionary(saved_dictionary(self._items(DICTIONARY)))
        except sqlite3.Error as exc:
            self._folder.release()
            raise LogDamaged(f"{self._path}: {exc}") from exc
        except BaseException:
            self._folder.release()
            raise
        self.declare = self._dictionary.declare

    def _items(self, key: str) -> dict[str, str]:
        """The saved item of that key, if there is one."""
        query = "SELECT key, value FROM items WHERE key = ?"
        return dict(self._db.execute(query, (key,)).fetchall())

    def add(self, batch: Sequence[Imported]) -> None:
        """Store samples; those before it are stored already.

        Raises:
            LogDamaged: the database cannot be written, or would have too many parameters.
        """
        tail = Tail()
        for one in batch:
            tail.add(one.sample, late=one.late, offset=0, size=0)
        names = dict.fromkeys(name for one in batch for name in one.sample.values)
        if len(parameters_of([*names, *self._store.names])) > MAX_PARAMETERS:
            raise LogDamaged(f"there are more than {MAX_PARAMETERS:,} parameters, the limit")
        try:
            self._store.add(points_of(tail.rows(), names, lambda _: 0), time())
        except sqlite3.Error as exc:
            raise LogDamaged(f"{self._path} cannot be written: {exc}") from exc
        for one in batch:
            self._dictionary.learn(one.sample.values)
            for name, value in one.sample.values.items():
                if not one.late and one.sample.t >= self._newest.get(name, (one.sample.t,))[0]:
                    self._newest[name] = one.sample.t, value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with suppress(sqlite3.Error):  # `add` reports it
                self._save_newest()
                dictionary = dictionary_json(self._dictionary.parameters)
                self._db.execute(INSERT_ITEM, item_row(DICTIONARY, dictionary))
        finally:
            self._db.close()
            self._folder.release()

    def _save_newest(self) -> None:
        """Save the newest values, unless the folder has newer ones."""
        saved: dict[str, Any] = {"offset": 0, "values": {}, "marks": []}
        if text := self._items(SNAPSHOT).get(SNAPSHOT):
            saved = json.loads(text)
        now = time()
        for name, (t, value) in self._newest.items():
            known = saved["values"].get(name)
            if known is None or known["t"] <= t:
                fields = {"t": t, "value": _json_value(value), "newest": t}
                saved["values"][name] = {**fields, "received_at": now, "period_s": None}
        self._db.execute(INSERT_ITEM, item_row(SNAPSHOT, dumps(saved)))


def _json_value(value: Value) -> Any:
    if isinstance(value, dict):
        return {part: None if one != one else one for part, one in value.items()}
    return value
