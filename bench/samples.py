"""Samples of 250 bytes that every server sends. Each carries its sequence number and its due time.

The due time comes from the schedule, not from the moment the server made the sample. The latency
therefore includes the time by which a busy server is behind its schedule.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from anyio import sleep, sleep_forever
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DATA_BYTES = 250


def sample(seq: int, due_ns: int, *, reserved_bytes: int = 0) -> dict[str, int | str]:
    """One sample, of `DATA_BYTES` as compact JSON.

    Args:
        seq: sequence number, rising by one.
        due_ns: its due time, as of `monotonic_ns()`.
        reserved_bytes: bytes that the server itself adds to the sample.
    """
    known = len(f'{{"mono_ns":{due_ns},"seq":{seq},"pad":""}}')
    return {"mono_ns": due_ns, "seq": seq, "pad": "x" * (DATA_BYTES - reserved_bytes - known)}


async def schedule(rate_hz: float) -> AsyncIterator[tuple[int, int]]:
    """Yield the number and the due time of each sample when it is due; late ones immediately.

    With a rate of 0 it waits forever.
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
