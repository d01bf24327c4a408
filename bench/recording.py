"""What recording costs: CPU per sample of each thread, and the delay of a sample.

The same mission runs with a log in memory and with one in a file, for some rounds of the archive.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from anyio import create_task_group

from rover.flush import Flusher
from rover.logs import Log, MemoryLog, SqliteLog
from rover.settings import Settings
from rover.telemetry import Telemetry
from rover.telemetry.events import SampleEvent
from rover.topic import Batch
from sources.base import Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

WARM_UP_S = 5.0
"""Seconds before the measurement: the first round of the archive takes longer than the others."""

LOOP = "MainThread"

TARGETS = {"µs of CPU per sample off the loop": 5.0, "ms of p99 that the file adds": 3.0}


class Cost(NamedTuple):
    """What one log costs.

    Attributes:
        off_loop_us: CPU per sample in threads other than that of the event loop.
        p99_ms: delay of a sample.
    """

    off_loop_us: float
    p99_ms: float


class Device:
    """Samples of 14 parameters at a fixed rate."""

    parameters = tuple(Parameter(f"parameter_{n}") for n in range(14))
    period_s = 1.0

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz

    async def samples(self) -> AsyncIterator[Sample]:
        began, count = time.perf_counter(), 0
        while True:
            count += 1
            values = {one.name: 87.25 + count % 7 + n for n, one in enumerate(self.parameters)}
            yield Sample(time.time(), values)
            if (early_s := began + count / self._rate_hz - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)


def cpu_s() -> dict[str, float]:
    """CPU seconds of each thread of this process, by its name."""
    found = {}
    for thread in threading.enumerate():
        stat = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        if stat.exists():
            found[thread.name] = int(stat.read_text().split()[0]) / 1e9
    return found


async def measure(
    log: Log, settings: Settings, rate_hz: float, readers: int, seconds: float
) -> Cost:
    await log.open()
    flusher = Flusher(15, log=log)
    telemetry = Telemetry(Device(rate_hz), settings, flusher, log=log)
    delays_s: list[float] = []

    async def read() -> None:
        with telemetry.topic.subscribe() as subscriber:
            async for news in subscriber:
                now = time.time()
                if isinstance(news, Batch):
                    events = (one for one in news.items if isinstance(one, SampleEvent))
                    delays_s.extend(now - one.sample.t for one in events)

    async with create_task_group() as tasks:
        for run in (log.run, flusher.run, telemetry.run, *[read] * readers):
            tasks.start_soon(run)
        await asyncio.sleep(WARM_UP_S)
        delays_s.clear()
        before, first = cpu_s(), telemetry.topic.last_id.offset
        await asyncio.sleep(seconds)
        count = telemetry.topic.last_id.offset - first
        used = {name: s - before.get(name, 0.0) for name, s in cpu_s().items()}
        tasks.cancel_scope.cancel()
    await log.close()
    delays_s.sort()
    print(f"{log.name.partition(':')[0]}: {count / seconds:,.0f} samples/s, {readers} readers")
    for name, spent_s in used.items():
        if spent_s / count > 1e-7:
            print(f"    {name:<22}{spent_s / count * 1e6:8.1f} µs of CPU per sample")
    p50_s, p99_s = (delays_s[int(len(delays_s) * part)] for part in (0.5, 0.99))
    print(f"    delay: p50 {p50_s * 1e3:.2f} ms, p99 {p99_s * 1e3:.2f} ms")
    off_loop_s = sum(spent_s for name, spent_s in used.items() if name != LOOP)
    return Cost(off_loop_s / count * 1e6, p99_s * 1e3)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench recording", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000, help="samples a second (%(default)s)")
    parser.add_argument("--readers", type=int, default=1, help="subscribers (%(default)s)")
    parser.add_argument("--seconds", type=float, default=16, help="of each log (%(default)s)")
    parser.add_argument("--keep", type=int, help="ROVER_KEEP_BYTES of the log in a file")
    args = parser.parse_args(argv)
    settings = Settings() if args.keep is None else Settings(keep_bytes=args.keep)
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for log in (MemoryLog(), SqliteLog(Path(folder))):
            run = measure(log, settings, args.rate, args.readers, args.seconds)
            costs.append(asyncio.run(run))
            if log.file is not None:
                print(f"    {log.file.name}: {log.file.stat().st_size:,} bytes")
    memory, file = costs
    found = file.off_loop_us, file.p99_ms - memory.p99_ms
    for (name, at_most), value in zip(TARGETS.items(), found, strict=True):
        verdict = "met" if value <= at_most else "missed"
        print(f"{verdict}: {name}: {value:.1f} (at most {at_most:g})")
    return int(any(value > most for value, most in zip(found, TARGETS.values(), strict=True)))
