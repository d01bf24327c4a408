"""Apps under real servers, each a process of its own: how they are started, watched and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "embedding"

START_S = 30.0
"""A machine that is busy otherwise takes its time."""

END_S = 2.0 + float(os.environ.get("TEST_SLACK_S", "4"))
"""From the signal to the process's end: what is promised, and a slack for such a machine. `make
drain` allows none."""


OWN_LIMIT_S = {"hypercorn": 2.0, "granian": 2.0}
"""Seconds after which these servers end connections of clients that read no data, as their options
below say: the mission cannot abort them there."""


@dataclass(frozen=True)
class Host:
    """An app that a mission is in."""

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
"""How to start an app at a port, by the server's name; after `python`."""

RELOADED = "watched/reloaded.py"
"""Imported, in the only folder that is watched: a change of it has each of them reload."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_up(url: str, is_running: Callable[[], bool]) -> bool:
    """Return when it answers, or when it ended or the time is up; whether it answered."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and is_running():
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            time.sleep(0.02)
    return False


class Serving:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, prefix: str, log: Path) -> None:
        self.process = process
        self.port = port
        self.prefix = prefix
        self.url = f"http://127.0.0.1:{port}{prefix}"
        self._log = log

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text()

    def wait_until_up(self, path: str) -> None:
        """Return when it answers."""
        url = f"http://127.0.0.1:{self.port}{path}"
        if not wait_until_up(url, lambda: self.process.poll() is None):
            raise AssertionError(f"did not start:\n{self.log}")

    def end(self, sig: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Signal it; gives its exit status and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(sig)
        status = self.process.wait(20)
        return status, time.monotonic() - began


@contextmanager
def serving(
    host: Host,
    server: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    *,
    up: str | None = None,
    port: int | None = None,
) -> Iterator[Serving]:
    """A server process, answering; whatever is left of it is killed in the end.

    Args:
        host: the app.
        server: a name in `SERVERS`.
        folder: for its data and its log.
        environ: settings for it.
        up: the path that answers when it is up.
        port: a free one by default.
    """
    port = port or free_port()
    app, reloads = host.app, server.endswith("--reload")
    if reloads:
        (folder / RELOADED).parent.mkdir()
        (folder / RELOADED).write_text(f"from {app.split(':')[0]} import app as app\n")
        app = f"{Path(RELOADED).stem}:app"
    command = SERVERS[server].format(app=app, port=port)
    log = folder / f"{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            cwd=(folder / RELOADED).parent if reloads else ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES, ROOT))),
                "PYTHONUNBUFFERED": "1",
                "ROVER_DATA_DIR": f"{folder}/data",
                **(environ or {}),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its workers are in its group, and end with it
        )
    try:
        running = Serving(process, port, host.prefix, log)
        running.wait_until_up(up or f"{host.prefix}/healthz")
        yield running
    finally:
        with suppress(ProcessLookupError):  # it ended by itself, with everything that it started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
