"""Runs a siege: the server as the README starts it, the attacks, and well-behaved clients."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from bench.processes import ROOT, BenchError, child
from bench.siege.clients import Experience, read, talk, upload
from bench.siege.connection import TOKEN

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from bench.machine import Cores

FILE = ROOT / "docs" / "samples" / "pass-first-drive.rcs"

START_TIMEOUT_S = 30.0

CALM_S = 3.0
"""Seconds before and after the attacks in which only the well-behaved clients are connected."""

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a siege.

    Attributes:
        names: of the attacks.
        experience: of the well-behaved clients.
        rss_before: resident bytes of the server before the attacks.
        rss_peak: the most resident bytes during and after them.
        log_bytes: what the server wrote to its log during the siege.
        tracebacks: number of tracebacks in the log.
        ran_s: CPU time of the server's main thread.
        waited_s: time that this thread waited for its core because other processes used it.
        blocked: lines of the log that say where the event loop was blocked.
        attacks: what the server answered, by attack.
        alive: whether the server still runs.
    """

    names: Sequence[str]
    experience: Experience
    rss_before: int
    rss_peak: int
    log_bytes: int
    tracebacks: int
    ran_s: float
    waited_s: float
    blocked: Sequence[str]
    attacks: dict[str, dict[str, Any]]
    alive: bool

    @property
    def statuses(self) -> Counter[int]:
        """The number of all responses to attacks, by status."""
        total: Counter[int] = Counter()
        for attack in self.attacks.values():
            total.update({int(status): n for status, n in attack["statuses"].items()})
        return total


@dataclass(slots=True)
class Process:
    """The resident memory and the CPU time of a process.

    Attributes:
        pid: of the process.
        peak: the most bytes that were measured.
    """

    pid: int
    peak: int = 0

    def measure(self) -> int:
        """The bytes now; 0 if the process has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        rss = int(status.partition("VmRSS:")[2].split()[0]) * 1024 if "VmRSS:" in status else 0
        self.peak = max(self.peak, rss)
        return rss

    def scheduled(self) -> tuple[float, float]:
        """Seconds that the main thread has run, and waited for a core; zeros if it has ended."""
        try:
            ran_ns, waited_ns, _ = Path(f"/proc/{self.pid}/schedstat").read_text().split()
        except OSError:
            return 0.0, 0.0
        return int(ran_ns) / 1e9, int(waited_ns) / 1e9

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            self.measure()
            await asyncio.sleep(0.25)


def besiege(names: Sequence[str], seconds: float, cores: Cores) -> Outcome:
    """Run the attacks at once.

    Raises:
        BenchError: the server did not start.
    """
    with tempfile.TemporaryDirectory(prefix="rover-siege-") as name:
        folder = Path(name)
        with (folder / "log").open("wb+") as log, _server(folder, log, cores) as (process, port):
            server = Process(process.pid)
            experience, before, attacks = asyncio.run(
                _run(names, seconds, port, server, folder, cores)
            )
            alive = process.poll() is None
            ran_s, waited_s = server.scheduled()
            written = (folder / "log").read_bytes()
    return Outcome(
        names,
        experience,
        before,
        server.peak,
        len(written),
        written.count(b"Traceback (most recent call last)"),
        ran_s,
        waited_s,
        [line for line in written.decode(errors="replace").splitlines() if " is blocked " in line],
        attacks,
        alive,
    )


@contextmanager
def _server(
    folder: Path, log: IO[bytes], cores: Cores
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rover", "--port", str(port)]
    with child(
        command,
        core=cores.server,
        folder=folder,
        errors=log,
        output=log,
        environment={"ROVER_TOKENS": TOKEN},
    ) as process:
        deadline = monotonic() + START_TIMEOUT_S
        while not _is_healthy(port):
            if monotonic() > deadline or process.poll() is not None:
                raise BenchError(f"the server did not start: {(folder / 'log').read_text()[-500:]}")
            sleep(0.1)
        yield process, port


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def _run(
    names: Sequence[str], seconds: float, port: int, server: Process, folder: Path, cores: Cores
) -> tuple[Experience, int, dict[str, dict[str, Any]]]:
    experience = Experience()
    file = FILE.read_bytes()
    clients = [
        asyncio.create_task(one)
        for one in (read(port, experience), talk(port, experience), upload(port, experience, file))
    ]
    await asyncio.sleep(CALM_S)
    before = server.measure()
    watching = asyncio.create_task(server.watch())
    command = [sys.executable, "-m", "bench.siege.attacks", str(port), str(seconds), *names]
    with (folder / "attacks").open("wb+") as errors:
        with child(command, core=cores.load, folder=folder, errors=errors) as attackers:
            output, _ = await asyncio.to_thread(attackers.communicate)
        if attackers.returncode:
            raise BenchError(f"the attacks failed: {(folder / 'attacks').read_text()[-500:]}")
    await asyncio.sleep(CALM_S)
    for task in (*clients, watching):
        task.cancel()
    await asyncio.gather(*clients, watching, return_exceptions=True)
    return experience, before, json.loads(output)
