"""Readers come and go for many minutes: memory, tasks and file descriptors stay what they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import monotonic
from typing import TYPE_CHECKING

from bench.fan import Course
from bench.peers import OURS, STREAMS
from bench.processes import Failed
from bench.serve import TASKS_PATH
from bench.servers import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.fan import Fan
    from bench.machine import Cores
    from bench.servers import Server

LOOKS = 60

SETTLE = 0.25
"""Of the time: the allocator and the bounded logs have filled by then."""

SLACK = 1.03
SLACK_KB = 2048
SLACK_COUNT = 20
"""Connections that are on their way in or out at the moment of a look."""


@dataclass(frozen=True, slots=True)
class Look:
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
        fan: makes the readers.
        cores: says who runs where.
        minutes: how long.
        readers: at any time.
        rate_hz: events a second for each.
        churn_hz: readers that go, and others that come, a second.
        say: takes a line that tells how it goes.
    """

    fan: Fan
    cores: Cores
    minutes: float
    readers: int
    rate_hz: float
    churn_hz: float
    say: Callable[[str], None]

    def run(self) -> bool:
        """Soak, print what came out, and tell whether everything stayed flat.

        Raises:
            Failed: the server ended, or refused readers.
        """
        peer = STREAMS[OURS]
        course = Course(self.readers, self.minutes * 60, churn_hz=self.churn_hz)
        looks: list[Look] = []
        pause_s = max(self.minutes * 60 / LOOKS, 1)
        with (
            peer.serve(Load(self.rate_hz, small_history=True), self.cores) as server,
            self.fan.start(server, peer.path, course) as run,
        ):
            start = monotonic()
            while (seen := run.wait(pause_s)) is None:
                look = _look(server, (monotonic() - start) / 60)
                looks.append(look)
                self.say(
                    f"minute {look.minute:.1f}: {look.rss_kb / 1024:.1f} MiB, {look.files} files, "
                    f"{look.tasks} tasks"
                )
        print(
            f"{self.minutes:g} minutes, {self.readers:,} readers at {self.rate_hz:g} Hz, "
            f"{seen.churned:,} went and came; {seen.events:,} deliveries, p99 {seen.p99_ms:.0f} ms;"
            f" {seen.missing} missed events, {seen.closed} were cut off\n"
        )
        return _report(looks) and not (seen.missing or seen.closed)


def _look(server: Server, minute: float) -> Look:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", TASKS_PATH)
        tasks = json.loads(connection.getresponse().read())["tasks"]
        process = Path(f"/proc/{server.pids[0]}")
        status = (process / "status").read_text().partition("VmRSS:")[2]
        return Look(minute, int(status.split()[0]), len(list((process / "fd").iterdir())), tasks)
    except OSError as exc:
        raise Failed(f"the server does not answer any more: {exc}") from exc
    finally:
        connection.close()


def _report(looks: Sequence[Look]) -> bool:
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
