"""The number of heaps of this process, which decides how much memory it keeps after a peak.

glibc gives threads heaps of their own, up to eight per core, and freed memory in one of them is of
no use to the others. Requests and files are handled in many threads, so a burst of them leaves much
memory that is not in use.
"""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8
MAX_HEAPS = 2


def limit_heaps() -> None:
    """Limit the number of heaps; call it before threads start. Without glibc, nothing changes.

    Source: mallopt(3), M_ARENA_MAX.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, MAX_HEAPS)
