"""Tables of past values as the pieces of a file.

history.tables() ─▶ align ─▶ a writer ─▶ pieces of the file
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors import FormatMissing
from rover.exports.columns import columns_of
from rover.exports.csv import CsvWriter
from rover.exports.jsonl import JsonLinesWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rover.archive.table import Table
    from rover.exports.align import Aligner
    from rover.exports.columns import Writer

PIECE_BYTES = 2**20
"""Approximate size of the rows that a writer takes at once: several exports may run."""

FORMATS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "mcap": "application/vnd.mcap",
    "parquet": "application/vnd.apache.parquet",
}
"""The media type of each format."""


def writer_of(file_format: str) -> Callable[..., Writer]:
    """The class that writes a format, one of `FORMATS`.

    Raises:
        FormatMissing: its library is not installed.
    """
    try:
        if file_format == "parquet":
            from rover.exports.parquet import ParquetWriter

            return ParquetWriter
        if file_format == "mcap":
            from rover.exports.mcap import McapWriter

            return McapWriter
    except ImportError as exc:
        raise FormatMissing(file_format) from exc
    return CsvWriter if file_format == "csv" else JsonLinesWriter


def export(
    tables: Iterable[Table],
    kinds: Mapping[str, Mapping[str, str]],
    make: Callable[..., Writer],
    align: Aligner | None = None,
    units: Mapping[str, str] | None = None,
) -> Iterator[bytes]:
    """The pieces of a file, which are not empty.

    Args:
        tables: in order of time.
        kinds: of the parameters, as `History.kinds` returns them.
        make: the class of the writer.
        align: fills in values; `None` to leave the rows as they are.
        units: by parameter. Parquet and MCAP have them as metadata.
    """
    columns = columns_of(kinds, units or {})
    writer = make(columns)
    for table in tables:
        for rows in [table] if align is None else align.tables(table):
            for part in rows.parts(PIECE_BYTES):
                if piece := writer.write(part):
                    yield piece
    if last := writer.end():
        yield last
