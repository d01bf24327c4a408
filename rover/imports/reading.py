"""Chooses the reader of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors import ImportFailed, ReaderMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rover.imports.base import Declare, Imported

MCAP_MAGIC = b"\x89MCAP0\r\n"

PARQUET_MAGIC = b"PAR1"

ROSBAG_MAGIC = b"#ROSBAG V2.0"

HEAD_BYTES = 2**20
"""Bytes of the first line that decide the format."""

SQLITE_MAGIC = b"SQLite format 3\0"


def read_samples(path: Path, time: str | None, declare: Declare) -> Iterator[Imported]:
    """The samples of a file, in its order. Its first bytes decide the format.

    Args:
        path: of the file, or of the folder of a rosbag 2.
        time: the column with the time, of a CSV, JSON lines or Parquet; `None` to detect it.
        declare: called with the columns of the file.

    Raises:
        ImportFailed: the file cannot be read, or a sample of it; the error has its place.
        ReaderMissing: the library for the format is not installed.
    """
    try:
        yield from _chosen(path, time, declare)
    except ImportError as exc:
        raise ReaderMissing(path, exc.name or "") from exc
    except OSError as exc:
        raise ImportFailed(path, "", exc.strerror or str(exc)) from exc


def _chosen(path: Path, time: str | None, declare: Declare) -> Iterator[Imported]:
    if path.is_dir():
        from rover.imports.rosbag import read_rosbag

        return read_rosbag(path)
    with path.open("rb") as file:
        head = file.readline(HEAD_BYTES)
    if head.startswith(MCAP_MAGIC):
        from rover.imports.mcap import read_mcap

        return read_mcap(path, declare)
    if head.startswith((ROSBAG_MAGIC, SQLITE_MAGIC)):
        from rover.imports.rosbag import read_rosbag

        return read_rosbag(path)
    if head.startswith(PARQUET_MAGIC):
        from rover.imports.parquet import read_parquet

        return read_parquet(path, time, declare)
    from rover.imports.exported_csv import is_exported, read_exported_csv
    from rover.imports.text import read_csv, read_json_lines

    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and time in (None, "t"):
        return read_json_lines(path)
    if is_exported(head) and time in (None, "t"):
        return read_exported_csv(path, declare)
    return read_csv(path, time, declare)
