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
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "embedding"

START_S = 30.0
"""A machine that is busy otherwise takes its time."""


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

SERVERS = {
    "python -m rover": "-m rover --port {port}",
    "uvicorn": f"{UVICORN} --loop uvloop",
    "uvicorn, asyncio": f"{UVICORN} --loop asyncio",
    "uvicorn, 2 workers": f"{UVICORN} --workers 2",
    "uvicorn --reload": f"{UVICORN} --reload --reload-dir {{folder}}",
    # why each of these options: docs/embedding.md
    "hypercorn": "-m hypercorn {app} --bind 127.0.0.1:{port} --workers 0 --graceful-timeout 1",
    "granian": (
        "-m granian {app} --interface asgi --port {port} "
        "--backpressure 8192 --workers-kill-timeout 2"
    ),
}
"""How to start an app at a port, by the server's name; after `python`."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5):
                    return
            except OSError:
                time.sleep(0.02)
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
    command = SERVERS[server].format(app=host.app, port=port, folder=folder)
    log = folder / f"{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": f"{EXAMPLES}",
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
