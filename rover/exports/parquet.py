"""Apache Parquet: typed columns, compressed with Zstandard, in row groups of the same size.

A column whose values have several types that no Parquet type holds exactly has JSON texts; its
metadata says so (`rover: json`). The metadata `unit` of a column is the unit of its parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rover.exports.columns import is_mixed, json_text, nanoseconds
from rover.exports.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.archive.table import Table
    from rover.exports.columns import Column

GROUP_ROWS = 16_384
"""Number of rows of a row group. Equal values give equal files, however they are stored."""

MAX_GROUP_BYTES = 32 * 2**20
"""Size of the waiting rows from which they are a row group, however few they are."""

JSON = {b"rover": b"json"}
"""Metadata of a column with JSON texts."""

PARAMETER, PART = b"rover.parameter", b"rover.part"
"""Metadata of a column with a component of a vector: the names of the vector and the component."""


UNIT = b"unit"
"""Metadata of a column with the unit of its parameter."""


class ParquetWriter:
    """Writes Parquet.

    Args:
        columns: the columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        fields = [pa.field("t", pa.timestamp("ns", "UTC"), nullable=False)]
        fields += [_field(column) for column in columns]
        fields.append(pa.field("late", pa.bool_(), nullable=False))
        self._schema = pa.schema(fields)
        self._waiting: list[pa.Table] = []
        self._sink = Sink()
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, "w"), self._schema, compression="zstd"
        )

    def write(self, table: Table) -> bytes:
        """See `Writer.write`."""
        arrays = [pa.array(map(nanoseconds, table.t.tolist()), pa.int64())]
        for column, field in zip(self._columns, list(self._schema)[1:-1], strict=True):
            values: list[Any] = column.values(table)
            if is_mixed(column.kinds):
                values = [None if value is None else json_text(value) for value in values]
            arrays.append(pa.array(values, field.type))
        arrays.append(pa.array(table.late))
        arrays[0] = arrays[0].cast(pa.timestamp("ns", "UTC"))
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        if (
            sum(one.num_rows for one in self._waiting) >= GROUP_ROWS
            or sum(one.nbytes for one in self._waiting) >= MAX_GROUP_BYTES
        ):
            self._write_groups()
        return self._sink.taken()

    def _write_groups(self) -> None:
        """Write the complete row groups that wait, or all rows if they are too large to wait."""
        rows = pa.concat_tables(self._waiting).combine_chunks()
        complete = rows.num_rows - rows.num_rows % GROUP_ROWS
        if rows.nbytes >= MAX_GROUP_BYTES:
            complete = rows.num_rows
        for start in range(0, complete, GROUP_ROWS):
            self._writer.write_table(rows[start : min(start + GROUP_ROWS, complete)])
        self._waiting = [rows[complete:]]

    def end(self) -> bytes:
        """See `Writer.end`."""
        if sum(one.num_rows for one in self._waiting):
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._writer.close()
        return self._sink.taken()


def _field(column: Column) -> pa.Field:
    metadata = dict(JSON) if is_mixed(column.kinds) else {}
    if column.unit:
        metadata[UNIT] = column.unit.encode()
    if column.part:
        metadata |= {PARAMETER: column.parameter.encode(), PART: column.part.encode()}
    return pa.field(column.name, _type(column), metadata=metadata)


def _type(column: Column) -> pa.DataType:
    if is_mixed(column.kinds):
        return pa.string()
    if "f" in column.kinds or (column.part and not column.kinds):
        return pa.float64()
    if "i" in column.kinds or "I" in column.kinds:
        return pa.int64()
    return pa.bool_() if "b" in column.kinds else pa.string()
