"""A server that runs for one measurement."""

from __future__ import annotations

import importlib.util
import json
import select
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.processes import BenchError, child

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.machine import Cores

START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What a server is to serve.

    Attributes:
        rate_hz: samples a second from its source.
        send_buffer_bytes: of the kernel, for each connection; `None` leaves it to the kernel.
        small_history: retain little, so that memory is full early.
    """

    rate_hz: float
    send_buffer_bytes: int | None = None
    small_history: bool = False


@dataclass(frozen=True, slots=True)
class RunningServer:
    """One that runs.

    Attributes:
        port: on the loopback.
        pids: of all its processes.
    """

    port: int
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to fan out, and how to run it.

    Attributes:
        title: for the table.
        path: of its event stream, or of its room.
        serve: runs it for as long as a block.
        unavailable_reason: what this machine lacks to run it; `None` when nothing is lacking.
    """

    title: str
    path: str
    serve: Callable[[Workload, Cores], AbstractContextManager[RunningServer]]
    unavailable_reason: Callable[[], str | None]


def python_peer(title: str, path: str, module: str, *needs: str) -> Peer:
    """A peer that is an ASGI app: `bench.peers.MODULE.create_app`, which imports `needs`."""

    @contextmanager
    def serve(workload: Workload, cores: Cores) -> Iterator[RunningServer]:
        command = [sys.executable, "-m", "bench.serve", module, f"--rate-hz={workload.rate_hz}"]
        if workload.send_buffer_bytes is not None:
            command.append(f"--send-buffer-bytes={workload.send_buffer_bytes}")
        if workload.small_history:
            command.append("--small-history")
        with (
            tempfile.TemporaryDirectory(prefix="rover-bench-") as folder,
            tempfile.TemporaryFile() as errors,
            child(command, core=cores.server, folder=Path(folder), errors=errors) as process,
        ):
            yield RunningServer(_port(process, errors), (process.pid,))

    def unavailable_reason() -> str | None:
        missing = [name for name in needs if importlib.util.find_spec(name) is None]
        return f"needs the package {', '.join(missing)}" if missing else None

    return Peer(title, path, serve, unavailable_reason)


def _port(process: subprocess.Popen[bytes], errors: IO[bytes]) -> int:
    """Where the server listens, which it tells in its first line when it does."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise BenchError(f"the server did not start: {stderr_tail(errors)}")
    port = json.loads(line)["port"]
    assert isinstance(port, int)
    return port


def stderr_tail(errors: IO[bytes]) -> str:
    """The end of what a process wrote to its standard error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-3:]) or "it said nothing"
