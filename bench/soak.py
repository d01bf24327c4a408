"""Soak test: readers come and go for minutes; memory, tasks and open files must stay constant."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING

from bench.load_generator import LoadOptions
from bench.peers import OURS, STREAMS
from bench.processes import BenchError
from bench.serve import TASKS_PATH
from bench.servers import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.load_generator import LoadGenerator
    from bench.machine import Cores
    from bench.servers import RunningServer

MAX_READINGS = 60

WARMUP_SHARE = 0.25
"""Share of the readings that is ignored, while the allocator and the bounded logs fill."""

GROWTH_FACTOR = 1.03
GROWTH_KB = 2048
GROWTH_COUNT = 20
"""Connections that may be opening or closing at the moment of a reading."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """The resources that the server used at one moment.

    Attributes:
        minute: minutes since the start.
        rss_kb: resident memory.
        files: number of open file descriptors.
        tasks: number of tasks on its event loop.
    """

    minute: float
    rss_kb: int
    files: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Soak:
    """Runs a soak test.

    Attributes:
        generator: connects the readers.
        cores: the core of each process.
        minutes: duration.
        readers: number of readers at any time.
        rate_hz: events per second for each reader.
        churn_hz: readers per second that are replaced by a new connection.
        log: receives a line about each reading.
    """

    generator: LoadGenerator
    cores: Cores
    minutes: float
    readers: int
    rate_hz: float
    churn_hz: float
    log: Callable[[str], None]

    def run(self) -> bool:
        """Run the test and print its result; return whether it passed.

        Raises:
            BenchError: the server exited, or refused a connection.
        """
        peer = STREAMS[OURS]
        options = LoadOptions(self.readers, self.minutes * 60, churn_hz=self.churn_hz)
        readings: list[ResourceUse] = []
        pause_s = max(self.minutes * 60 / MAX_READINGS, 1)
        with (
            peer.serve(Workload(self.rate_hz, small_history=True), self.cores) as server,
            self.generator.start(server, peer.path, options) as run,
        ):
            start = monotonic()
            while (measured := run.wait(pause_s)) is None:
                reading = _read_use(server, (monotonic() - start) / 60)
                readings.append(reading)
                self.log(
                    f"minute {reading.minute:.1f}: {reading.rss_kb / 1024:.1f} MiB, "
                    f"{reading.files} files, {reading.tasks} tasks"
                )
        print(
            f"{self.minutes:g} minutes, {self.readers:,} readers at {self.rate_hz:g} Hz, "
            f"{measured.churned:,} replaced; {measured.events:,} deliveries, "
            f"p99 {measured.p99_ms:.0f} ms; {measured.missing} lost events, "
            f"{measured.closed} were closed by the server\n"
        )
        return _report(readings) and not (measured.missing or measured.closed)


def _read_use(server: RunningServer, minute: float) -> ResourceUse:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", TASKS_PATH)
        tasks = json.loads(connection.getresponse().read())["tasks"]
        process = Path(f"/proc/{server.pids[0]}")
        status = (process / "status").read_text().partition("VmRSS:")[2]
        return ResourceUse(
            minute, int(status.split()[0]), len(list((process / "fd").iterdir())), tasks
        )
    except OSError as exc:
        raise BenchError(f"the server does not respond: {exc}") from exc
    finally:
        connection.close()


def _report(readings: Sequence[ResourceUse]) -> bool:
    """Print the use after the warm-up and at the end; return whether it stayed constant."""
    settled = readings[int(len(readings) * WARMUP_SHARE) :]
    third = len(settled) // 3
    if not third:
        print("too few readings: use a higher --minutes")
        return False
    begin, end = settled[:third], settled[-third:]
    flat = True
    print("| | after warm-up | at the end | |\n| --- | --: | --: | --- |")
    for name, allowed in (("rss_kb", GROWTH_KB), ("files", GROWTH_COUNT), ("tasks", GROWTH_COUNT)):
        before = median(getattr(reading, name) for reading in begin)
        after = median(getattr(reading, name) for reading in end)
        stayed = after <= before * GROWTH_FACTOR + allowed
        flat = flat and stayed
        print(f"| {name} | {before:,.0f} | {after:,.0f} | {'flat' if stayed else '**grew**'} |")
    return flat
