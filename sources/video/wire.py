"""A frame between the process that decodes it and the server: a head, then a JPEG."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD = struct.Struct(">dHHI")
"""Time in POSIX seconds, width and height in pixels, and bytes of the JPEG that follows."""

MAX_FRAME_BYTES = 64 * 2**20
"""Maximum bytes of a JPEG."""


class Frame(NamedTuple):
    """A frame.

    Attributes:
        t: POSIX seconds of its arrival.
        width: pixels.
        height: pixels.
        data: JPEG.
    """

    t: float
    width: int
    height: int
    data: bytes

    def __bytes__(self) -> bytes:
        """The head and the JPEG."""
        return HEAD.pack(self.t, self.width, self.height, len(self.data)) + self.data
