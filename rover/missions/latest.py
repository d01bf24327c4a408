"""The newest values and the last rows, while values go by in order of time."""

from __future__ import annotations

import json
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.points import values_of
from rover.archive.table import Excerpt, table_of
from rover.exports.columns import columns_of
from rover.exports.jsonl import samples
from rover.logs.base import Record
from rover.telemetry.events import SampleEvent, sample_json
from rover.telemetry.records import pack
from rover.wire import dumps
from sources.base import RESERVED, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rover.archive.points import Points


MAX_ROWS = 1000
"""Maximum number of samples with which clients begin."""


class NewestValues:
    """The newest value of each parameter, as the log keeps them."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[float, Any]] = {}

    def update(self, batch: Mapping[str, Points]) -> None:
        """Note newer values. Late ones count only as long as there is no other."""
        for name, points in batch.items():
            rows = np.flatnonzero(~points.late)
            if len(rows):
                row = int(rows[-1])
            elif name in self._newest:
                continue
            else:
                row = len(points) - 1
            self._newest[name] = float(points.t[row]), _value(points, row)

    def as_json(self, offset: int, before: str | None) -> str:
        """The text for the log, as `Recorder.save` writes it.

        Args:
            offset: of the newest event.
            before: such a text of the same parameters, for their periods.
        """
        periods: dict[str, Any] = {}
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            known = json.loads(before or "{}").get("values", {})
            periods = {name: one["period_s"] for name, one in known.items()}
        values = {
            name: {
                "t": t,
                "value": value,
                "newest": t,
                "received_at": t,
                "period_s": periods.get(name),
            }
            for name, (t, value) in self._newest.items()
        }
        return dumps({"offset": offset, "values": values, "marks": []})


class LastRows:
    """The last rows of all values, as the samples with which clients begin."""

    def __init__(self) -> None:
        self._windows: deque[Mapping[str, Points | None]] = deque()
        self._rows: list[tuple[Sample, bool]] | None = None

    def add(self, window: Mapping[str, Points | None]) -> None:
        """Note the values of the next time range."""
        self._windows.append(window)
        while sum(map(_length, self._windows)) - _length(self._windows[0]) >= MAX_ROWS:
            self._windows.popleft()

    def _samples(self) -> list[tuple[Sample, bool]]:
        if self._rows is None:
            rows: deque[tuple[Sample, bool]] = deque(maxlen=MAX_ROWS)
            for window in self._windows:
                table = table_of(Excerpt(window), sys.maxsize)
                kinds = {
                    name: dict.fromkeys(points.parts, "")
                    for name, points in window.items()
                    if points is not None
                }
                fields = samples(table, columns_of(kinds))
                for t, late, row in zip(table.t.tolist(), table.late.tolist(), fields, strict=True):
                    values = {key: one for key, one in row.items() if key not in RESERVED}
                    rows.append((Sample(t, values), late))
            self._rows = list(rows)
        return self._rows

    def __len__(self) -> int:
        return len(self._samples())

    def records(self, offset: int) -> Iterator[Record]:
        """The rows as records of consecutive offsets.

        Args:
            offset: of the first.
        """
        for number, (sample, late) in enumerate(self._samples(), offset):
            event = SampleEvent(sample_json(sample, late=late), sample, late=late)
            yield Record(number, sample.t, *pack(event))


def _length(window: Mapping[str, Points | None]) -> int:
    return max((len(points) for points in window.values() if points is not None), default=0)


def _value(points: Points, row: int) -> Any:
    """The value of a row as JSON."""
    parts = zip(points.parts, points.columns, strict=True)
    found = {part: values_of(column[row : row + 1])[0] for part, column in parts}
    scalar = found.pop("", None)
    return found if scalar is None and found else scalar
