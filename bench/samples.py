"""What every server sends: samples of 250 bytes that say when they were due and which they are.

The time in a sample is when it was *due*, not when the server got round to making it: a server that
is too busy to keep its schedule cannot hide that.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from anyio import sleep, sleep_forever
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA_BYTES = 250


def sample(seq: int, due_ns: int, *, besides: int = 0) -> dict[str, int | str]:
    """One sample, of `DATA_BYTES` as compact JSON.

    Args:
        seq: counts up by one.
        due_ns: `monotonic_ns()` at which it was due.
        besides: bytes of what the server adds of its own.
    """
    known = len(f'{{"mono_ns":{due_ns},"seq":{seq},"pad":""}}')
    return {"mono_ns": due_ns, "seq": seq, "pad": "x" * (DATA_BYTES - besides - known)}


async def schedule(rate_hz: float) -> AsyncIterator[tuple[int, int]]:
    """Number and due time of each sample, when it is due; those that are late come at once.

    With a rate of 0, none ever comes.
    """
    if rate_hz == 0:
        await sleep_forever()
    start_ns = monotonic_ns()
    seq = 0
    while True:
        due_ns = start_ns + int(seq / rate_hz * 1e9)
        ahead_s = (due_ns - monotonic_ns()) / 1e9
        if ahead_s > 0:
            await sleep(ahead_s)
        else:
            await checkpoint()
        yield seq, due_ns
        seq += 1
