"""Runs a module of this package in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import CancelScope, EndOfStream, move_on_after, open_process

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import Process

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `sources`; the working directory of the server may be another."""

END_TIMEOUT_S = 2.0
"""Seconds to wait for the end of a process, which was killed or has closed its output."""

MAX_REASON_BYTES = 1000


@asynccontextmanager
async def child(module: str) -> AsyncIterator[Process]:
    """The process, with pipes; it is killed at the end of the block.

    uvloop passes on its own ends of the pipes: the module must close all files from 3 on.

    Args:
        module: is run with `python -m`.

    Raises:
        SourceError: it cannot be started.
    """
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    try:
        process = await open_process(
            [sys.executable, "-P", "-m", module],
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # the Ctrl-C for the server is not for it
        )
    except OSError as exc:
        raise SourceError(f"{module} cannot be started: {exc.strerror or exc}") from exc
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with CancelScope(shield=True), move_on_after(END_TIMEOUT_S):
            await process.aclose()


async def reason_of_end(process: Process) -> str:
    """Why a process ended: the last line of its standard error, or its status; empty for 0."""
    text = b""
    with move_on_after(END_TIMEOUT_S), suppress(EndOfStream):
        while process.stderr is not None and len(text) < MAX_REASON_BYTES:
            text += await process.stderr.receive()
    with move_on_after(END_TIMEOUT_S):
        await process.wait()
    lines = text.decode(errors="replace").strip().splitlines()
    if process.returncode == 0 or not lines:
        return f"it ended with the status {process.returncode}" if process.returncode else ""
    return lines[-1]
