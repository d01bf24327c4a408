"""Lines from chunks of bytes."""

from __future__ import annotations

import re

MAX_LINE_BYTES = 2**16
"""Maximum bytes of one line; longer ones are lost."""

_ENDS = re.compile(rb"[\r\n]+")


class LineSplitter:
    """Cuts a stream of bytes into lines, which end in LF, CR LF or CR.

    Args:
        max_bytes: of one line; it bounds the memory.
        is_partial: whether the stream starts inside a line, which is then skipped.

    Attributes:
        too_long: number of lines that were longer than `max_bytes`.
    """

    def __init__(self, max_bytes: int = MAX_LINE_BYTES, *, is_partial: bool = False) -> None:
        self.too_long = 0
        self._max_bytes = max_bytes
        self._start = bytearray()
        self._skips = is_partial

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that this chunk completes, without their ends and without blank lines."""
        lines = []
        *ended, start = _ENDS.split(data)
        for piece in ended:
            self._extend(piece)
            if self._start.strip() and not self._skips:
                lines.append(bytes(self._start))
            self._start.clear()
            self._skips = False
        self._extend(start)
        return lines

    def end(self) -> bytes:
        """The bytes after the last line end."""
        rest = bytes(self._start).strip()
        self._start.clear()
        return rest

    def _extend(self, piece: bytes) -> None:
        if self._skips:
            return
        self._start += piece
        if len(self._start) > self._max_bytes:
            self.too_long += 1
            self._start.clear()
            self._skips = True
