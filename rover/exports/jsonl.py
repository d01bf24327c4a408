"""JSON lines: one sample per line, as on the stream, without values that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rover.exports.columns import exact_iso, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rover.archive.table import Table
    from rover.exports.columns import Column


class JsonLinesWriter:
    """Writes JSON lines in UTF-8.

    Args:
        columns: the columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def write(self, table: Table) -> bytes:
        """See `Writer.write`."""
        lines = (json_text(row) + "\n" for row in samples(table, self._columns))
        return "".join(lines).encode("utf-8", "surrogatepass")

    def end(self) -> bytes:
        """See `Writer.end`."""
        return b""


def samples(table: Table, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """The rows as samples: the time `t`, `late` if the row was late, and its values."""
    values = [column.values(table) for column in columns]
    late = table.late.tolist()
    for row, t in enumerate(table.t.tolist()):
        sample: dict[str, Any] = {"t": exact_iso(t)}
        if late[row]:
            sample["late"] = True
        for column, found in zip(columns, values, strict=True):
            if found[row] is None:
                continue
            if column.part:
                sample.setdefault(column.parameter, {})[column.part] = found[row]
            else:
                sample[column.parameter] = found[row]
        yield sample
