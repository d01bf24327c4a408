"""Reads Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rover.errors import ImportFailed
from rover.exports.parquet import JSON, PARAMETER, PART, UNIT
from rover.imports.base import imported, time_of
from sources.values.messagetime import TIME_PLACES
from sources.values.vectors import has_vector_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rover.imports.base import Declare, Imported

BATCH_ROWS = 4096


def read_parquet(path: Path, time: str | None, declare: Declare) -> Iterator[Imported]:
    """The rows. Columns that exports write are read exactly.

    Args:
        path: of the file.
        time: the column with the time; `None` to detect it.
        declare: called with the columns.

    Raises:
        ImportFailed: the file is damaged, or has no column with the time.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            clock = _clock(schema) if time is None else time
            if clock not in schema.names:
                raise ImportFailed(path, "", "no column has the time; name one with --time")
            components = _components(schema)
            declare(
                {
                    components.get(field.name, (field.name,))[0]: _unit(field)
                    for field in schema
                    if field.name not in (clock, "late")
                }
            )
            number, size = 0, path.stat().st_size
            for batch in file.iter_batches(BATCH_ROWS):
                columns = {
                    name: _values(schema.field(name), column)
                    for name, column in zip(batch.schema.names, batch.columns, strict=True)
                }
                times = columns.pop(clock)
                late = columns.pop("late", None) if clock == "t" else None
                for row, t in enumerate(times):
                    number += 1
                    position = size * number // file.metadata.num_rows
                    yield imported(
                        path,
                        f"row {number:,}",
                        t if isinstance(t, float) else time_of(t),
                        _row(columns, components, row),
                        late=late is not None and late[row] is True,
                        position=position,
                    )
    except pa.ArrowException as exc:
        raise ImportFailed(path, "", str(exc)) from exc


def _clock(schema: pa.Schema) -> str:
    """The column with the time: `t`, the first with times, or one that is named as a time."""
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    named = [name for name in TIME_PLACES if name in schema.names]
    return next(iter([*(["t"] if "t" in schema.names else []), *times, *named]), "")


def _components(schema: pa.Schema) -> dict[str, tuple[str, str]]:
    """The vector and the component of each column that has one, such as `location.lat`."""
    found: dict[str, tuple[str, str]] = {}
    vectors: dict[str, list[str]] = {}
    for field in schema:
        metadata = field.metadata or {}
        parent, _, part = field.name.rpartition(".")
        if PART in metadata:
            found[field.name] = metadata[PARAMETER].decode(), metadata[PART].decode()
        elif parent and part and pa.types.is_floating(field.type) and parent not in schema.names:
            vectors.setdefault(parent, []).append(part)
    for parent, parts in vectors.items():
        if has_vector_names(parts):
            found |= {f"{parent}.{part}": (parent, part) for part in parts}
    return found


def _unit(field: pa.Field) -> str:
    """The unit of a column; empty without one, or if it cannot be shown."""
    unit: str = (field.metadata or {}).get(UNIT, b"").decode(errors="replace")
    return unit if unit.isprintable() else ""


def _row(
    columns: Mapping[str, list[Any]], components: Mapping[str, tuple[str, str]], row: int
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, column in columns.items():
        if (value := column[row]) is None:
            continue
        if name in components:
            parent, part = components[name]
            values.setdefault(parent, {})[part] = value
        else:
            values[name] = value
    return values


def _values(field: pa.Field, column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(field.type):
        units = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
        counts = column.cast(pa.int64()).to_pylist()
        return [None if one is None else one / units[field.type.unit] for one in counts]
    values: list[Any] = column.to_pylist()
    if field.metadata and JSON.items() <= field.metadata.items():
        return [None if value is None else json.loads(value) for value in values]
    return values
