"""Finding records by the time at which the server published them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rover.logs.base import Log


async def offset_before(log: Log, key: str, t: float, kind: str) -> int:
    """The offset of the last record of a kind that was published before a time; 0 without one.

    Args:
        log: has the records.
        key: of the stream.
        t: POSIX seconds.
        kind: of the record.

    Raises:
        LogDamaged: the records cannot be read.
    """
    stream = log.stream(key)
    low, high = 0, 0 if stream is None else stream.last
    while low < high:  # the first record after `middle` decides
        middle = (low + high) // 2
        found = await log.read(key, after=middle, kinds=(kind,), limit=1)
        if found and found[0].at < t:
            low = found[0].offset
        else:
            high = middle
    return low
