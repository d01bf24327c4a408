"""Apache Parquet: typed columns, compressed with Zstandard. Each table is a row group.

A column whose values have several types that no Parquet type holds exactly has JSON texts; its
metadata says so (`rover: json`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rover.exports.columns import is_mixed, json_text
from rover.exports.sink import Sink, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.archive.table import Table
    from rover.exports.columns import Column

JSON = {b"rover": b"json"}
"""Metadata of a column with JSON texts."""


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
        self._sink = Sink()
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, "w"), self._schema, compression="zstd"
        )

    def write(self, table: Table) -> bytes:
        """See `Writer.write`."""
        arrays = [pa.array(map(nanoseconds, table.t.tolist()), pa.int64())]
        for column, field in zip(self._columns, list(self._schema)[1:-1], strict=True):
            values: list[Any] = column.values(table)
            if field.metadata == JSON:
                values = [None if value is None else json_text(value) for value in values]
            arrays.append(pa.array(values, field.type))
        arrays.append(pa.array(table.late))
        arrays[0] = arrays[0].cast(pa.timestamp("ns", "UTC"))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        return self._sink.taken()

    def end(self) -> bytes:
        """See `Writer.end`."""
        self._writer.close()
        return self._sink.taken()


def _field(column: Column) -> pa.Field:
    if is_mixed(column.kinds):
        return pa.field(column.name, pa.string(), metadata=JSON)
    if "f" in column.kinds:
        return pa.field(column.name, pa.float64())
    if "i" in column.kinds or "I" in column.kinds:
        return pa.field(column.name, pa.int64())
    return pa.field(column.name, pa.bool_() if "b" in column.kinds else pa.string())
