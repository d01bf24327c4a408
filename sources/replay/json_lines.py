"""Rows of JSON lines: one object per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sources.replay.row import Fault, Row
from sources.values.names import free_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.replay.lines import Lines
    from sources.values.cells import Cell


def json_rows(lines: Lines) -> Iterator[Row | Fault]:
    """Yield the object of each line as a row, or its fault; blank lines are skipped."""
    while True:
        line, offset = lines.line + 1, lines.offset
        text = next(lines, None)
        if text is None:
            return
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            cells: dict[str, Cell] = {}
            if isinstance(record, dict):
                _flatten("", record, cells)
                yield Row(line, offset, cells)
            else:
                yield Fault(line, f"expected an object, found {type(record).__name__}")
        except ValueError as error:
            yield Fault(line, f"not JSON: {error}")
        except RecursionError:
            yield Fault(line, "nested too deep")


def _flatten(name: str, value: Any, cells: dict[str, Cell]) -> None:
    """Name nested values `outer.inner`, and items of lists `outer.0`, `outer.1`, …."""
    if isinstance(value, list):
        value = {str(index): member for index, member in enumerate(value)}
    if isinstance(value, dict):
        for key, member in value.items():
            _flatten(f"{name}.{key}" if name else key, member, cells)
    else:
        if isinstance(value, str):  # a lone surrogate is legal in JSON, but not in UTF-8
            value = value.encode(errors="replace").decode()
        cells[free_name(name, cells)] = value
