"""Readers come and go for many minutes: memory, tasks and file descriptors stay what they were."""

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

LOOKS = 60

SETTLE = 0.25
"""Of the time: the allocator and the bounded logs have filled by then."""

SLACK = 1.03
SLACK_KB = 2048
SLACK_COUNT = 20
"""Connections that are on their way in or out at the moment of a look."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """What the server held at one moment.

    Attributes:
        minute: since the first look.
        rss_kb: resident memory.
        files: open file descriptors.
        tasks: on its event loop.
    """

    minute: float
    rss_kb: int
    files: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Soak:
    """The plan of a soak.

    Attributes:
        generator: makes the readers.
        cores: says who runs where.
        minutes: how long.
        readers: at any time.
        rate_hz: events a second for each.
        churn_hz: readers that go, and others that come, a second.
        log: takes a line that tells how it goes.
    """

    generator: LoadGenerator
    cores: Cores
    minutes: float
    readers: int
    rate_hz: float
    churn_hz: float
    log: Callable[[str], None]

    def run(self) -> bool:
        """Soak, print what came out, and tell whether everything stayed flat.

        Raises:
            BenchError: the server ended, or refused readers.
        """
        peer = STREAMS[OURS]
        options = LoadOptions(self.readers, self.minutes * 60, churn_hz=self.churn_hz)
        looks: list[ResourceUse] = []
        pause_s = max(self.minutes * 60 / LOOKS, 1)
        with (
            peer.serve(Workload(self.rate_hz, small_history=True), self.cores) as server,
            self.generator.start(server, peer.path, options) as run,
        ):
            start = monotonic()
            while (measured := run.wait(pause_s)) is None:
                look = _look(server, (monotonic() - start) / 60)
                looks.append(look)
                self.log(
                    f"minute {look.minute:.1f}: {look.rss_kb / 1024:.1f} MiB, {look.files} files, "
                    f"{look.tasks} tasks"
                )
        print(
            f"{self.minutes:g} minutes, {self.readers:,} readers at {self.rate_hz:g} Hz, "
            f"{measured.churned:,} went and came; {measured.events:,} deliveries, "
            f"p99 {measured.p99_ms:.0f} ms; {measured.missing} missed events, "
            f"{measured.closed} were closed by the server\n"
        )
        return _report(looks) and not (measured.missing or measured.closed)


def _look(server: RunningServer, minute: float) -> ResourceUse:
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
        raise BenchError(f"the server does not answer any more: {exc}") from exc
    finally:
        connection.close()


def _report(looks: Sequence[ResourceUse]) -> bool:
    """Print the beginning beside the end, and tell whether they are the same."""
    settled = looks[int(len(looks) * SETTLE) :]
    third = len(settled) // 3
    if not third:
        print("too short to tell whether it is flat: give it more --minutes")
        return False
    begin, end = settled[:third], settled[-third:]
    flat = True
    print("| | settled | at the end | |\n| --- | --: | --: | --- |")
    for name, slack in (("rss_kb", SLACK_KB), ("files", SLACK_COUNT), ("tasks", SLACK_COUNT)):
        before = median(getattr(look, name) for look in begin)
        after = median(getattr(look, name) for look in end)
        stayed = after <= before * SLACK + slack
        flat = flat and stayed
        print(f"| {name} | {before:,.0f} | {after:,.0f} | {'flat' if stayed else '**grew**'} |")
    return flat
