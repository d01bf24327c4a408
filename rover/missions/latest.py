"""The newest values and the last rows, as the file of a recorded mission has them."""

from __future__ import annotations

import json
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

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
    from rover.telemetry.arrivals import Newest


MAX_ROWS = 1000
"""Maximum number of samples with which clients begin."""


def saved_values(newest: Mapping[str, Newest], offset: int, before: str | None) -> str:
    """The text for the log, as `Recorder.save` writes it.

    Args:
        newest: value of each parameter.
        offset: of the newest event.
        before: such a text of the same parameters, for their periods.
    """
    periods: dict[str, Any] = {}
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        known = json.loads(before or "{}").get("values", {})
        periods = {name: one["period_s"] for name, one in known.items()}
    values = {
        name: {
            "t": one.t,
            "value": one.value,
            "newest": one.t,
            "received_at": one.shown_at,
            "period_s": periods.get(name),
        }
        for name, one in newest.items()
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
