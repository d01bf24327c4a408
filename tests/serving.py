"""Apps under real servers, each in a process of its own: to start, observe and stop them."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "embedding"

FULL = "TEST_FULL" in os.environ
"""Whether to test with the full crowd and every pair of host and server, as `make drain` does."""

START_S = 30.0
"""Seconds for a server to start on a busy machine."""

SHUTDOWN_S = 2.0
"""Seconds from the signal to the last byte that a client receives, as the README promises."""

EXIT_S = SHUTDOWN_S if FULL else 15.0
"""Seconds from the signal to the exit of the process.

How fast the process exits depends on what else the machine does. So `make drain`, on an otherwise
idle machine, requires `SHUTDOWN_S` of it, too, and `make test` only that it does not hang.
"""


OWN_LIMIT_S = {"hypercorn": 2.0, "granian": 2.0}
"""Seconds after which these servers end connections of clients that read no data, as their options
below say: the mission cannot abort them there."""


@dataclass(frozen=True)
class Host:
    """An app that contains a mission.

    Attributes:
        name: the name in the tests and the docs.
        app: `module:attribute`.
        prefix: the path of the mission in the app.
    """

    name: str
    app: str
    prefix: str = ""


ALONE = Host("alone", "rover.main:app")
STARLETTE = Host("Starlette", "in_starlette:app", "/rover")
FASTAPI = Host("FastAPI", "in_fastapi:app", "/rover")
LITESTAR = Host("Litestar", "in_litestar:app", "/rover")
QUART = Host("Quart", "in_quart:app", "/rover")
DJANGO = Host("Django", "in_django:app", "/rover")

UVICORN = "-m uvicorn {app} --port {port}"
HYPERCORN = "-m hypercorn {app} --bind 127.0.0.1:{port} --graceful-timeout 2"
GRANIAN = (
    "-m granian {app} --interface asgi --port {port} --backpressure 8192 --workers-kill-timeout 2"
)

SERVERS = {
    "python -m rover": "-m rover --port {port}",
    "uvicorn": f"{UVICORN} --loop uvloop",
    "uvicorn, asyncio": f"{UVICORN} --loop asyncio",
    "uvicorn, 2 workers": f"{UVICORN} --workers 2",
    "uvicorn --reload": f"{UVICORN} --reload",
    "python -m rover --reload": "-m rover --port {port} --reload",
    "hypercorn": HYPERCORN,
    "hypercorn, 2 workers": f"{HYPERCORN} --workers 2",
    "hypercorn --reload": f"{HYPERCORN} --reload",
    "granian": GRANIAN,
    "granian --reload": f"{GRANIAN} --reload",
}
"""The arguments of `python` that start an app on a port, by the name of the server."""

RELOADED = "watched/reloaded.py"
"""A module in the only folder that the servers watch: a change of it makes them reload."""


PORTS = range(10_000, 32_768)
"""Ports that Linux gives neither to clients nor to servers that bind port 0: ip(7)."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is not in use, and that no other connection takes before its server starts."""
    while True:
        port = secrets.choice(PORTS)  # Hypothesis seeds `random`, in each process alike
        with socket.socket(type=kind) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until_listening(port: int, is_running: Callable[[], bool] = lambda: True) -> None:
    """Return when a port of the loopback interface accepts connections.

    Raises:
        AssertionError: the process ended, or the time is up.
    """
    deadline = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert is_running()
            assert time.monotonic() < deadline
            time.sleep(0.02)


def wait_until_up(url: str, is_running: Callable[[], bool]) -> bool:
    """Wait until a URL answers; returns False if the process ended or the time is up."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and is_running():
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            time.sleep(0.02)
    return False


@contextmanager
def killed_at_exit(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, and kill it when the block ends: the exit of `Popen` waits without limit."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


class Serving:
    """A running server.

    Attributes:
        process: the server's process; the parent, if it has workers.
        port: the port on the loopback interface.
        prefix: the path of the mission.
        url: the address of the mission, without a slash at the end.
        log_file: the output of the process.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, prefix: str, log_file: Path
    ) -> None:
        self.process = process
        self.port = port
        self.prefix = prefix
        self.url = f"http://127.0.0.1:{port}{prefix}"
        self.log_file = log_file

    @property
    def log(self) -> str:
        """The output of the process so far."""
        return self.log_file.read_text()

    def wait_until_up(self, path: str) -> None:
        """Return when the server answers."""
        url = f"http://127.0.0.1:{self.port}{path}"
        if not wait_until_up(url, lambda: self.process.poll() is None):
            raise AssertionError(f"the server did not start:\n{self.log}")

    def end(self, sig: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Signal the process; returns its exit status and the seconds until it exited."""
        began = time.monotonic()
        self.process.send_signal(sig)
        status = self.process.wait(20)
        return status, time.monotonic() - began


@contextmanager
def serving(
    host: Host,
    server: str,
    folder: Path,
    environ: Mapping[str, str | None] | None = None,
    *,
    up: str | None = None,
    port: int | None = None,
) -> Iterator[Serving]:
    """Run a server process until the block ends; the block begins when the server answers.

    Args:
        host: the app.
        server: a name in `SERVERS`.
        folder: the folder of its data and its log.
        environ: the mission's settings; `None` for one that is not set.
        up: the path that answers when the server is up; by default the mission's `/healthz`.
        port: by default a free one.
    """
    port = port or free_port()
    app, reloads = host.app, server.endswith("--reload")
    if reloads:
        (folder / RELOADED).parent.mkdir()
        (folder / RELOADED).write_text(f"from {app.split(':')[0]} import app as app\n")
        app = f"{Path(RELOADED).stem}:app"
    command = SERVERS[server].format(app=app, port=port)
    log_file = folder / f"{port}.log"
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES, ROOT))),
        "PYTHONUNBUFFERED": "1",
        "ROVER_DATA_DIR": f"{folder}/data",
        "ROVER_CAMERA": "none:",  # the simulated one renders for seconds
        **(environ or {}),
    }
    with log_file.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            cwd=(folder / RELOADED).parent if reloads else ROOT,
            env={name: value for name, value in variables.items() if value is not None},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # to kill the whole process group, workers included
        )
    try:
        running = Serving(process, port, host.prefix, log_file)
        running.wait_until_up(up or f"{host.prefix}/healthz")
        yield running
    finally:
        with suppress(ProcessLookupError):  # the whole group has exited
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
