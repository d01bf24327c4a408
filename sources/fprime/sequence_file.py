"""Writes the file that F Prime's command sequencer runs.

Source: F Prime, `Svc/CmdSequencer`; fprime-gds 4.4, `common/encoders/seq_writer.py`.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Self

from sources.base import SourceError

if TYPE_CHECKING:
    from types import TracebackType

BLOCK_BYTES = 2**20

MAX_IN_MEMORY_BYTES = 16 * 2**20
"""Maximum size of a sequence that is a `bytes`; a larger one is a file."""


class SequenceFile:
    """A temporary file with the records of a sequence, deleted when the block ends.

    Args:
        time_base: the time base and the time context, encoded.

    Raises:
        SourceError: from any method, the disk is full, for example.
    """

    def __init__(self, time_base: bytes) -> None:
        self._time_base = time_base
        self._records = 0
        header = bytes(8 + len(self._time_base))
        try:
            self._file = NamedTemporaryFile(prefix="rover-fprime-", buffering=BLOCK_BYTES)  # noqa: SIM115
            self._file.write(header)
        except OSError as exc:
            raise _unwritable(exc) from exc

    def __enter__(self) -> Self:
        """The file, without records."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the file."""
        self._file.close()

    def add(self, records: list[bytes]) -> None:
        """Append encoded records."""
        try:
            self._file.write(b"".join(records))
        except OSError as exc:
            raise _unwritable(exc) from exc
        self._records += len(records)

    def finish(self) -> bytes | Path:
        """The complete sequence, or a file with it, which is deleted when the block ends."""
        try:
            size = self._file.tell() - 8 - len(self._time_base)
            self._file.seek(0)
            self._file.write(struct.pack(">II", size + 4, self._records) + self._time_base)
            self._file.seek(0)
            checksum = 0
            while block := self._file.read(BLOCK_BYTES):
                checksum = zlib.crc32(block, checksum)
            self._file.write(struct.pack(">I", checksum))
            self._file.flush()
            path = Path(self._file.name)
            return path.read_bytes() if self._file.tell() <= MAX_IN_MEMORY_BYTES else path
        except (OSError, struct.error) as exc:
            raise _unwritable(exc) from exc


_SIZE = struct.Struct(">I").pack


def record(time: bytes, command: bytes) -> bytes:
    """The record of a command: its time, and its size before it."""
    return time + _SIZE(len(command)) + command


def _unwritable(exc: Exception) -> SourceError:
    reason = exc.strerror if isinstance(exc, OSError) else exc
    return SourceError(f"the compiled sequence cannot be written: {reason}")
