"""A server that can be killed and started again within a few milliseconds.

This process imports everything once and listens. For each line on its standard input it forks a
child that serves on the same socket, and writes the child's process id; it writes it again when the
child has ended. While no child serves, clients wait in the socket's queue.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from anyio import sleep

from rover.asgi.servers.uvicorn_protocols import (
    BoundedHTTPProtocol,
    BoundedWebSocketProtocol,
)
from rover.mission import create_app
from rover.settings import Settings
from sources.base import (
    Answer,
    Finding,
    Outgoing,
    Parameter,
    Progress,
    Sample,
    Step,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PERIOD_S = 0.004


class Counter:
    """Samples that are never the same: each process begins with its own random-looking number."""

    parameters = (Parameter("count"), Parameter("process"), Parameter("hot"))
    period_s = 1.0

    async def samples(self) -> AsyncIterator[Sample]:
        count = 0
        while True:
            count += 1
            yield Sample(time.time(), {"count": count, "process": os.getpid(), "hot": count % 50})
            await sleep(PERIOD_S)


class Checker:
    """A check with a few steps of progress, some findings, and a verdict.

    It writes a line into a file for each check that begins.
    """

    steps = (Step("one", "One"), Step("two", "Two"))

    def __init__(self, begun: Path) -> None:
        self._begun = begun

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        with self._begun.open("a") as file:
            file.write(f"{path.name}\n")
        for n in range(6):
            yield Progress("one" if n < 3 else "two", n / 6, f"line {n} in {os.getpid()}")
            await sleep(0.02)
        product = path.read_bytes()[::-1]  # noqa: ASYNC240 # a small file
        yield Verdict(accepted=True, errors=0, warnings=0, detail="good", artifact=product)


class Radio:
    """Writes each sequence that it sends into a file, which survives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()

    async def send(self, outgoing: Outgoing) -> None:
        digest = sha256(outgoing.path.read_bytes()).hexdigest()  # a small file
        await sleep(0.01)
        with self._path.open("a") as file:  # a few bytes
            file.write(f"{outgoing.id}.{outgoing.attempt} {digest}\n")
        await sleep(0.01)
        await self._answers.put(Answer(outgoing.id, outgoing.attempt, accepted=True))

    async def answers(self) -> AsyncIterator[Answer]:
        while True:
            yield await self._answers.get()


def serve(listening: socket.socket, folder: Path, *, sends: bool) -> None:
    settings = Settings(data_dir=folder, log="sqlite:", client_share=1.0, max_uploads=50)
    app = create_app(
        settings,
        telemetry=Counter(),
        camera="none:",
        commands=Checker(folder / "begun"),
        uplink=Radio(folder / "sent") if sends else "none:",
    )
    config = uvicorn.Config(
        app,
        log_level="critical",
        lifespan="on",
        http=BoundedHTTPProtocol,
        ws=BoundedWebSocketProtocol,
    )
    asyncio.run(uvicorn.Server(config).serve([listening]))


def report_ended(*_: object) -> None:
    """Write the id of each child that has ended."""
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            print("ended", child, flush=True)


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGCHLD, report_ended)
    print("port", listening.getsockname()[1], flush=True)
    for _ in sys.stdin:
        if (child := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(listening, folder, sends="sends" in sys.argv)
            os._exit(0)
        print("started", child, flush=True)


if __name__ == "__main__":
    main()
