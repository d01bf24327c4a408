"""Copies the telemetry of a mission into a record of it."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

from rover.archive.database import RecordedArchive
from rover.archive.parameters import Parameters
from rover.archive.store import Store
from rover.events import new_epoch
from rover.missions.alarms import alarm_before
from rover.missions.latest import last_records, last_shown, saved_values
from rover.missions.ranges import windows_between
from rover.schema import SAMPLE_KINDS
from rover.telemetry.alarms import KEY as ALARM
from rover.telemetry.past import Past
from rover.telemetry.recorder import SNAPSHOT
from rover.telemetry.records import DELETED, DICTIONARY, STREAM
from rover.telemetry.series import is_value
from rover.telemetry.shown import newest_shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rover.logs.base import Record
    from rover.missions.record_file import RecordFile
    from rover.missions.snapshot import Snapshot


class TelemetryWriter:
    """Copies the values, events and alarms of a time range.

    Args:
        mission: it is read only.
        file: the record.
        begin: POSIX seconds.
        end: POSIX seconds, exclusive.
    """

    def __init__(self, mission: Snapshot, file: RecordFile, begin: float, end: float) -> None:
        self._mission = mission
        self._file = file
        self._begin = begin
        self._end = end
        self._items = mission.contents.index.values
        self._before: dict[str, dict[str, Any]] = {}  # the newest event of each alarm in the range
        self._after: set[str] = set()  # the alarms that changed later

    def write_values(self) -> int:
        """Copy the values that were measured or received in the time range; returns their number.

        A replay of the file shows those that were received outside of it at their own time.
        """
        store, count = Store(self._file.db), 0
        history = self._mission.history()
        store.reserve(history.kinds(self._begin, self._end))
        for window in windows_between(history, self._begin, self._end):
            store.add(window, time())
            count += sum(len(points) for name, points in window.items() if is_value(name))
            self._file.report()
        return count

    def write_events(self) -> int:
        """Copy states, events, alarms and dictionaries, and the alarms as they are at the end.

        The last samples are events too, because clients begin with them. Call it after
        `write_values`; returns the number of events without these samples.
        """
        written = Past(self._mission.parameters, RecordedArchive(self._file.db))
        written.read_names()
        samples = last_shown(written)
        newest = 0

        def records() -> Iterator[Record]:
            nonlocal newest
            for one in self._events():
                newest = one.offset
                yield one
            for one in last_records(samples, newest + 1):
                newest = one.offset
                yield one

        # a new epoch: the ids of these samples were those of other events
        count = self._file.copy_stream(self._mission, STREAM, records(), new_epoch())
        self._write_alarms()
        parameters = Parameters(self._file.db)
        for name, stored in parameters.all().items():
            parameters.update(name, stored._replace(archived=newest))
        values = saved_values(newest_shown(written, inf), newest, self._items.get(SNAPSHOT))
        self._file.put(SNAPSHOT, values)
        self._file.put(DICTIONARY, self._items.get(DICTIONARY))
        self._file.put(DELETED, self._items.get(DELETED))
        return count - len(samples)

    def _events(self) -> Iterator[Record]:
        for one in self._mission.records(STREAM):
            if one.kind in SAMPLE_KINDS:
                continue
            if one.kind == "alarm":
                with suppress(ValueError, LookupError, TypeError):
                    fields = json.loads(one.data)
                    if one.at < self._end:
                        self._before[fields["id"]] = fields
                    else:
                        self._after.add(fields["id"])
            if any(t is not None and self._begin <= t < self._end for t in (one.at, one.t)):
                yield one

    def _write_alarms(self) -> None:
        for key, text in self._items.items():
            if key.startswith(ALARM):
                id_ = key.removeprefix(ALARM)
                event, has_changed = self._before.get(id_), id_ in self._after
                self._file.put(key, alarm_before(text, event, self._end, has_changed=has_changed))
