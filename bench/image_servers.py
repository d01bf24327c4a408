"""The servers of `bench.images`, each on a core of its own."""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from bench.processes import BenchError, child, children

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.machine import Cores

START_TIMEOUT_S = 120.0

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Server(NamedTuple):
    """A server that runs.

    Attributes:
        url: of its root.
        pid: of its process.
        start_s: seconds from its start until it answered.
    """

    url: str
    pid: int
    start_s: float

    @property
    def cpu_s(self) -> float:
        """CPU seconds of its process and of the children of that."""
        total = 0.0
        for pid in (self.pid, *children(self.pid)):
            with suppress(FileNotFoundError):
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += (int(stat[11]) + int(stat[12])) / TICKS_PER_S
        return total


class Bench:
    """Runs servers on a core.

    Args:
        folder: for their files.
        cores: of the servers and of the load.
        seconds: of each measurement.
    """

    def __init__(self, folder: Path, cores: Cores, seconds: float) -> None:
        self.folder = folder
        self._cores = cores
        self.seconds = seconds

    @contextmanager
    def rover(self, camera: str, **settings: str) -> Iterator[Server]:
        """This server with a camera and nothing else, unless the settings say it."""
        sources = {"ROVER_TELEMETRY": "none:", "ROVER_COMMANDS": "none:", "ROVER_CAMERA": camera}
        data = self.folder / f"data-{time.monotonic_ns()}"
        environment = {**sources, "ROVER_DATA_DIR": str(data), **settings}
        with self._serving(["rover", "--port"], environment) as server:
            yield server

    @contextmanager
    def plain(self, file: Path) -> Iterator[Server]:
        """A plain uvicorn app that sends a file."""
        arguments = ["uvicorn", "bench.peers.plain_file:app", "--no-access-log", "--port"]
        with self._serving(arguments, {"BENCH_FILE": str(file)}) as server:
            yield server

    @contextmanager
    def _serving(self, arguments: Sequence[str], environment: dict[str, str]) -> Iterator[Server]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        command = [sys.executable, "-m", *arguments, str(port)]
        began = time.monotonic()
        with (
            (self.folder / "errors").open("wb") as errors,
            child(
                command,
                core=self._cores.server,
                folder=self.folder,
                errors=errors,
                output=errors,
                environment=environment,
            ) as process,
        ):
            url = f"http://127.0.0.1:{port}"
            path = "/" if "uvicorn" in arguments else "/images?limit=1"
            while True:
                with suppress(httpx.TransportError, OSError):
                    if path == "/":
                        socket.create_connection(("127.0.0.1", port)).close()
                    else:
                        httpx.get(url + path)
                    break
                if process.poll() is not None or time.monotonic() > began + START_TIMEOUT_S:
                    raise BenchError((self.folder / "errors").read_text()[-2000:])
                time.sleep(0.02)
            yield Server(url, process.pid, time.monotonic() - began)
