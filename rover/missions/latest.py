"""The newest value of each parameter, while values go by in order of time."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.points import SCALAR
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.archive.points import Points


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

    def as_json(self, before: str | None) -> str:
        """The text for the log, as `Recorder.save` writes it.

        Args:
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
        return dumps({"offset": 0, "values": values, "marks": []})


def _value(points: Points, row: int) -> Any:
    """The value of a row as JSON."""
    if points.parts == SCALAR:
        return _plain(points.columns[0][row])
    parts = zip(points.parts, points.columns, strict=True)
    found = {part: _plain(column[row]) for part, column in parts}
    return {part: None if value != value else value for part, value in found.items()}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
