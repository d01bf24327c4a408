"""Reads CSV and JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rover.errors import ImportFailed
from rover.imports.base import imported, time_of
from sources.base import SourceError
from sources.replay.recording import ReadOptions, Recording
from sources.values.flatten import Flattener, TooLarge
from sources.values.messagetime import TIME_PLACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rover.imports.base import Declare, Imported

BATCH_ROWS = 1024

MAX_LINE_BYTES = 16 * 2**20
"""Maximum bytes of a line of JSON."""


def read_json_lines(path: Path) -> Iterator[Imported]:
    """The objects of the lines. Those that exports write are read exactly.

    Raises:
        ImportFailed: a line is not a sample.
        OSError: the file cannot be read.
    """
    flattener = Flattener()
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
            place = f"line {number:,}"
            position += len(line)
            if len(line) > MAX_LINE_BYTES:
                raise ImportFailed(path, place, f"it has more than {MAX_LINE_BYTES:,} bytes")
            if not line.strip():
                continue
            try:
                fields = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError) as exc:
                raise ImportFailed(path, place, f"it is not JSON: {exc}") from exc
            if not isinstance(fields, dict):
                raise ImportFailed(path, place, "it is not a JSON object")
            key = next((one for one in ("t", *TIME_PLACES) if one in fields), None)
            t = None if key is None else time_of(fields.pop(key))
            late = fields.get("late") is True
            fields.pop("late", None)
            try:
                values = values_of(flattener, fields)
            except TooLarge as exc:
                raise ImportFailed(path, place, str(exc)) from exc
            yield imported(path, place, t, values, late=late, position=position)


def values_of(flattener: Flattener, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of an object, flattened unless they are as a sample has them.

    Raises:
        TooLarge: there are too many.
    """
    is_flat = all(
        not isinstance(value, list)
        and (
            not isinstance(value, dict)
            or all(isinstance(one, int | float | None) for one in value.values())
        )
        for value in fields.values()
    )
    return fields if is_flat else flattener.members(fields)


def read_csv(path: Path, time: str | None, declare: Declare) -> Iterator[Imported]:
    """The rows of a CSV, or of JSON lines with a time in a chosen column, in order of time.

    Args:
        path: of the file.
        time: the column with the time; `None` to detect it.
        declare: called with the columns.

    Raises:
        ImportFailed: the file is not a table, or has no column with the time.
    """
    try:
        recording = Recording(path, ReadOptions(time=time))
    except SourceError as exc:
        raise ImportFailed(path, "", str(exc)) from exc
    if recording.clock is None:
        raise ImportFailed(path, "", "no column has the time; name one with --time")
    declare({one.name: one.unit for one in recording.parameters})
    size = path.stat().st_size
    for start in range(0, len(recording), BATCH_ROWS):
        try:
            rows = recording.read(start, start + BATCH_ROWS)
        except SourceError as exc:
            raise ImportFailed(path, f"row {start:,}", str(exc)) from exc
        for number, values in enumerate(rows, start):
            t = float(recording.times_s[number])
            place, position = f"row {number + 1:,}", size * (number + 1) // len(recording)
            yield imported(path, place, t, values, position=position)
