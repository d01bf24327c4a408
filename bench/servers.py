"""Servers that run for one measurement."""

from __future__ import annotations

import importlib.util
import json
import select
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from bench.processes import BenchError, child

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.machine import Cores

START_TIMEOUT_S = 20.0
"""Seconds that a server may take to listen."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a server serves.

    Attributes:
        rate_hz: samples per second from its source.
        send_buffer_bytes: kernel send buffer of each connection; `None` for the kernel's default.
        small_history: keep few events, so that memory reaches its maximum early.
    """

    rate_hz: float
    send_buffer_bytes: int | None = None
    small_history: bool = False


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that listens.

    Attributes:
        port: its port on 127.0.0.1.
        pids: the ids of all its processes.
    """

    port: int
    pids: tuple[int, ...]


class Frames(NamedTuple):
    """What a protocol on WebSockets adds to the frames of members.

    Attributes:
        hello: the first frame of each member; empty for none.
        before: text before each message.
        after: text after each message.
    """

    hello: str = ""
    before: str = ""
    after: str = ""


PLAIN_FRAMES = Frames()


@dataclass(frozen=True, slots=True)
class Peer:
    """A server implementation under comparison.

    Attributes:
        title: its name in the table.
        path: path of its event stream or channel.
        serve: context manager that runs it.
        unavailable_reason: returns what must be installed to run it, or `None`.
        frames: of the members of its channel.
        has_channels: whether paths that end with `-0`, `-1` and so on are channels of their own.
    """

    title: str
    path: str
    serve: Callable[[Workload, Cores], AbstractContextManager[RunningServer]]
    unavailable_reason: Callable[[], str | None]
    frames: Frames = PLAIN_FRAMES
    has_channels: bool = False


def python_peer(title: str, path: str, module: str, *needs: str) -> Peer:
    """A peer that serves `bench.peers.MODULE.create_app`; `needs` are the packages it imports."""

    def command(workload: Workload) -> list[str]:
        arguments = ["bench.serve", module, f"--rate-hz={workload.rate_hz}"]
        if workload.send_buffer_bytes is not None:
            arguments.append(f"--send-buffer-bytes={workload.send_buffer_bytes}")
        if workload.small_history:
            arguments.append("--small-history")
        return arguments

    def unavailable_reason() -> str | None:
        missing = [name for name in needs if importlib.util.find_spec(name) is None]
        return f"needs the package {', '.join(missing)}" if missing else None

    return Peer(title, path, _serve_with(command), unavailable_reason)


def program_peer(title: str, path: str, module: str) -> Peer:
    """A peer that is a program of its own; it prints its port as `bench.serve` does."""
    return Peer(title, path, _serve_with(lambda _: [module]), lambda: None)


def _serve_with(
    command: Callable[[Workload], list[str]],
) -> Callable[[Workload, Cores], AbstractContextManager[RunningServer]]:
    """`Peer.serve` for a Python module with arguments."""

    @contextmanager
    def serve(workload: Workload, cores: Cores) -> Iterator[RunningServer]:
        arguments = [sys.executable, "-m", *command(workload)]
        with (
            tempfile.TemporaryDirectory(prefix="rover-bench-") as folder,
            tempfile.TemporaryFile() as errors,
            child(arguments, core=cores.server, folder=Path(folder), errors=errors) as process,
        ):
            yield RunningServer(started_port(process, errors), (process.pid,))

    return serve


def started_port(process: subprocess.Popen[bytes], errors: IO[bytes]) -> int:
    """Wait for the first line of the server, which holds its port."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        raise BenchError(f"the server did not start: {stderr_tail(errors)}")
    port = json.loads(line)["port"]
    assert isinstance(port, int)
    return port


def stderr_tail(errors: IO[bytes]) -> str:
    """The last lines that a process wrote to its standard error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-3:]) or "no error output"
