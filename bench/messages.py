"""What storing and acknowledging messages costs: CPU per message of each thread, and the delay.

The same channel runs without a log, with one in memory and with one in a file. Members send without
WebSockets: the frames go straight to the protocol, as `MemberStream.reply` does it. Printed are the
median rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import uvloop
from anyio import create_task_group

from bench.recording import cpu_s
from rover.comms import Comms
from rover.comms.protocol import CommsV1, Said, ack
from rover.flush import Flusher
from rover.logs import MemoryLog, SqliteLog
from rover.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.comms.member import Member
    from rover.logs import Log

WARM_UP_S = 1.0

TEXT = "x" * 100

AT_MOST_US = 60.0
"""Goal for the CPU per message that the log in a file adds."""

SPEAKERS = 50
"""Number of members that send: a member waits for the acknowledgement of each message."""


class Run:
    """Members that send at a fixed rate together.

    Args:
        comms: has the channel.
        rate_hz: messages per second.
    """

    def __init__(self, comms: Comms, rate_hz: float) -> None:
        self.delays_s: list[float] = []
        self._comms = comms
        self._period_s = SPEAKERS / rate_hz

    async def speak(self, number: int) -> None:
        with self._comms.join("bench", f"speaker-{number}") as member:
            due = time.perf_counter() + self._period_s * number / SPEAKERS
            for count in range(10**9):
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await self._send(member, f"{number}-{count}")
                self.delays_s.append(time.perf_counter() - due)
                due += self._period_s

    async def _send(self, member: Member, ref: str) -> None:
        said = CommsV1().receive(json.dumps({"type": "say", "text": TEXT, "ref": ref}), member)
        assert isinstance(said, Said), said
        ack(said, await self._comms.final_id(member.channel, said.offset, synced=True))


class Cost(NamedTuple):
    """What one log costs.

    Attributes:
        used_us: CPU per message of each thread.
        delays_s: from the time at which each message was due to its acknowledgement, sorted.
    """

    used_us: dict[str, float]
    delays_s: list[float]

    @property
    def total_us(self) -> float:
        """CPU per message of all threads."""
        return sum(self.used_us.values())

    def __str__(self) -> str:
        lines = [
            f"    {thread:<22}{us:8.1f} µs of CPU per message"
            for thread, us in self.used_us.items()
            if us > 0.1
        ]
        p50_s, p99_s = (self.delays_s[int(len(self.delays_s) * part)] for part in (0.5, 0.99))
        lines.append(f"    acknowledged after: p50 {p50_s * 1e3:.2f} ms, p99 {p99_s * 1e3:.2f} ms")
        return "\n".join(lines)


async def measure(log: Log | None, rate_hz: float, seconds: float) -> Cost:
    """What a log costs; `None` is no log."""
    if log is not None:
        await log.open()
    flusher = Flusher(15, log=log)
    settings = Settings(message_rate=1e6, max_members=10_000)
    comms = Comms(settings, notify=flusher.mark, log=log)
    run = Run(comms, rate_hz)
    async with create_task_group() as tasks:
        for start in ([log.run] if log is not None else []) + [flusher.run, comms.run]:
            tasks.start_soon(start)
        for number in range(SPEAKERS):
            tasks.start_soon(run.speak, number)
        await asyncio.sleep(WARM_UP_S)
        before = cpu_s()
        run.delays_s.clear()
        await asyncio.sleep(seconds)
        used_s = {name: s - before.get(name, 0.0) for name, s in cpu_s().items()}
        delays_s = sorted(run.delays_s)
        tasks.cancel_scope.cancel()
    if log is not None:
        await log.close()
    return Cost({name: s / len(delays_s) * 1e6 for name, s in used_s.items()}, delays_s)


def main(argv: Sequence[str]) -> int:
    """Measure each log."""
    parser = argparse.ArgumentParser(prog="python -m bench messages", description=__doc__)
    parser.add_argument("--rate", type=float, default=500, help="messages a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each log (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of all logs (%(default)s)")
    args = parser.parse_args(argv)
    costs: dict[str, list[Cost]] = {}
    for _ in range(args.rounds):  # all of them in each, so that a busy moment costs them the same
        with tempfile.TemporaryDirectory() as folder:
            logs: list[Log | None] = [None, MemoryLog(), SqliteLog(Path(folder))]
            for log in logs:
                name = "no log" if log is None else log.name.partition(":")[0]
                cost = uvloop.run(measure(log, args.rate, args.seconds))
                costs.setdefault(name, []).append(cost)
    for name, found in costs.items():
        middle = sorted(found, key=attrgetter("total_us"))[len(found) // 2]
        rate_hz = len(middle.delays_s) / args.seconds
        print(f"{name}: {rate_hz:,.0f} messages/s acknowledged\n{middle}")
    without, stored = costs["no log"], costs["sqlite"]
    added_us = median(
        kept.total_us - one.total_us for one, kept in zip(without, stored, strict=True)
    )
    verdict = "met" if added_us <= AT_MOST_US else "missed"
    name = "µs of CPU per message that the file adds"
    print(f"{verdict}: {name}: {added_us:.1f} (at most {AT_MOST_US:g})")
    return int(added_us > AT_MOST_US)
