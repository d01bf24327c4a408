"""The intake and the check of command files, against their goals.

- The speed of the intake to that of a handler that drains, hashes and writes the same bytes, the
  memory that an upload needs, and the time until the first event.
- The p99 of telemetry while `fprime:` checks 1,000,000 lines, to that without a check.
- How evenly 8 checks at once share the cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from statistics import quantiles
from time import monotonic, time
from typing import TYPE_CHECKING

import httpx

from bench import sequences
from bench.commands_serve import RATE_HZ
from bench.machine import choose_cores
from bench.processes import child
from bench.servers import started_port
from bench.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.machine import Cores

SIZE = 256 * 2**20
"""Bytes of the file of which the intake is measured."""

BLOCK = bytes(2**20)
ROUNDS = 5
IDLE_S = 10.0
CHECKS = 8
LINES = 1_000_000

BOUNDARY = "-" * 24 + "r0v3rB3nchM4rkB0undary"
BEGIN = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bench.seq"\r\n\r\n'
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return 1 if a goal is not reached."""
    cores = choose_cores()
    parts = argv or ("intake", "telemetry", "checks")
    found: list[Target] = []
    with tempfile.TemporaryDirectory(prefix="rover-bench-") as name:
        folder = Path(name)
        if "intake" in parts:
            found += intake(folder, cores)
        dictionary = folder / "dictionary.json"
        dictionary.write_text(json.dumps(sequences.dictionary()))
        if "telemetry" in parts:
            found += [telemetry(folder, f"fprime:{dictionary}")]
        if "checks" in parts:
            found += [checks(folder, f"fprime:{dictionary}")]
    for target in found:
        print(target)
    return 0 if all(target.met for target in found) else 1


@contextmanager
def serving(what: str, folder: Path, core: int | None = None) -> Iterator[tuple[int, int]]:
    """A running server: its port and its process id."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        errors = stack.enter_context(tempfile.TemporaryFile())
        command = [sys.executable, "-m", "bench.commands_serve", what, str(home)]
        process = stack.enter_context(child(command, core=core, folder=home, errors=errors))
        yield started_port(process, errors), process.pid


def intake(folder: Path, cores: Cores) -> list[Target]:
    """The ratio of the shortest times, the growth of memory, and the time until the first event."""
    times: dict[str, list[float]] = {"drain": [], "rover": []}
    cpu: dict[str, list[float]] = {"drain": [], "rover": []}
    with (
        serving("drain", folder, cores.server) as (drain_port, drain_pid),
        serving("hang", folder, cores.server) as (port, pid),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        client.put("/uploads/first", content=b"DRIVE 10\n")  # the only check: it never ends
        first_ms = _first_event_ms(port)
        before = _peak_kib(pid)
        for number in range(ROUNDS):
            for what, at, process, path, file in (
                ("drain", drain_port, drain_pid, "/", "/"),
                (
                    "rover",
                    port,
                    pid,
                    f"/upload/rover-commands?id=bench-{number}",
                    f"/uploads/bench-{number}",
                ),
            ):
                used = _cpu_s(process)
                times[what].append(_send_s(at, path))
                cpu[what].append(_cpu_s(process) - used)
                client.delete(f"http://127.0.0.1:{at}{file}")  # the next one reuses its pages
        growth = _peak_kib(pid) - before
    for what, seconds in times.items():
        speed = SIZE / min(seconds) / 2**20
        print(f"{what}: {speed:,.0f} MiB/s, {min(cpu[what]):.2f} s of CPU")
    return [
        Target(
            "time of the intake to that of draining",
            min(times["rover"]) / min(times["drain"]),
            1 / 0.95,
        ),
        Target("growth in MiB while 256 MiB arrive", growth / 1024, 32),
        Target("ms until the first event, before the second chunk", first_ms, 100),
    ]


def _request(path: str, size: int, *headers: str) -> bytes:
    length = len(BEGIN) + size + len(END)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {length}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "\r\n"]).encode() + BEGIN


def _send_s(port: int, path: str) -> float:
    """Seconds until the server has received a file and responded."""
    began = monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_request(path, SIZE, "Prefer: respond-async"))
        for _ in range(SIZE // len(BLOCK)):
            connection.sendall(BLOCK)
        connection.sendall(END)
        status = connection.recv(2**16).split(b" ", 2)[1]
    if status not in (b"200", b"202"):
        raise RuntimeError(f"{path}: the server responded with status {status.decode()}")
    return monotonic() - began


def _first_event_ms(port: int) -> float:
    """Milliseconds from the first 64 KiB of a file until its first event arrives."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        began = monotonic()
        connection.sendall(_request("/upload/rover-commands", SIZE) + BLOCK[: 2**16])
        received = b""
        while b"data: " not in received:
            received += connection.recv(2**16)
        return (monotonic() - began) * 1e3


def _cpu_s(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_kib(pid: int) -> int:
    """The highest resident memory of a process so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def telemetry(folder: Path, commands: str) -> Target:
    """The growth of the p99 of telemetry while a large sequence is checked."""
    content = "".join(sequences.lines(Random(7), LINES)).encode()
    with serving(commands, folder) as (port, _):
        idle, during, took = asyncio.run(_latencies(port, content))
    print(
        f"telemetry: p99 {_p99(idle):.1f} ms idle, {_p99(during):.1f} ms while {LINES:,} lines "
        f"are checked in {took:.1f} s ({len(during):,} samples of {took * RATE_HZ:,.0f})"
    )
    return Target("ms by which the p99 of telemetry grows", _p99(during) - _p99(idle), 10)


async def _latencies(port: int, content: bytes) -> tuple[list[float], list[float], float]:
    idle, during = list[float](), list[float]()
    into = idle

    async def read(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/stream/rover-telemetry") as response:
            async for line in response.aiter_lines():
                if line.startswith('data: {"t"'):
                    t = datetime.fromisoformat(json.loads(line[6:])["t"]).timestamp()
                    into.append((time() - t) * 1e3)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
        reading = asyncio.create_task(read(client))
        await asyncio.sleep(IDLE_S)
        into = during
        took = await _check(client, content)
        reading.cancel()
    return idle, during, took


async def _check(client: httpx.AsyncClient, content: bytes) -> float:
    """Seconds until a file has been sent and accepted."""
    began = monotonic()
    response = await client.post(
        "/upload/rover-commands",
        files={"file": ("bench.seq", content)},
        headers={"Prefer": "wait"},
    )
    if response.json()["status"] != "COMPLETE":
        raise RuntimeError(f"the sequence was not accepted: {response.text[:200]}")
    return monotonic() - began


def checks(folder: Path, commands: str) -> Target:
    """The longest of several equal checks at once to the shortest."""
    content = "".join(sequences.lines(Random(7), sequences.LINES)).encode()

    async def at_once(port: int) -> list[float]:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            await _check(client, content)
            return await asyncio.gather(*(_check(client, content) for _ in range(CHECKS)))

    with serving(commands, folder) as (port, _):
        times = asyncio.run(at_once(port))
    print(f"{CHECKS} checks at once: {min(times):.1f} to {max(times):.1f} s")
    return Target("longest check to the shortest", max(times) / min(times), 1.5)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]
