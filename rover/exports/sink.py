"""A file in memory for writers of binary formats, whose bytes are sent as they come."""

from __future__ import annotations


class Sink:
    """A file that is only written, and whose bytes are taken as they come."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes."""
        self._pieces.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """The number of bytes that were written."""
        return self._size

    def flush(self) -> None:
        """Do nothing: nothing is buffered elsewhere."""

    def close(self) -> None:
        """Do nothing: `taken` returns the rest."""

    def taken(self) -> bytes:
        """The bytes that were written since the last call."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
