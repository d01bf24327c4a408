"""Child processes that never outlive us, on the core that is meant for them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[1]

TERMINATE_TIMEOUT_S = 8.0
"""A server that has not ended so long after SIGTERM is killed."""

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """A server or the load generator did not do its part; the text says what it said."""


@contextmanager
def child(
    command: Sequence[str | Path], *, core: int | None, folder: Path, errors: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs for as long as the block.

    Args:
        command: what to run; a Python there finds this repository's packages.
        core: the only one it may use.
        folder: where it runs, and may leave files.
        errors: takes its standard error.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,  # so that Ctrl-C reaches us alone, and we end it in order
        preexec_fn=partial(_settle_in, core, os.getpid()),
    )
    try:
        yield process
    finally:
        _end(process)


def _settle_in(core: int | None, parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # however we end, it ends
    if os.getppid() != parent:
        os._exit(1)
    if core is not None:
        os.sched_setaffinity(0, {core})


def _end(process: subprocess.Popen[bytes]) -> None:
    family = [process.pid, *children(process.pid)]
    process.terminate()
    try:
        process.wait(TERMINATE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that still run."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, so that every `child` is ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
