"""Child processes that are bound to one core and end with this process."""

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
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]

TERMINATE_TIMEOUT_S = 8.0
"""Seconds after SIGTERM at which a process is killed."""

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """A server or the load generator failed; the text includes its own message."""


@contextmanager
def child(
    command: Sequence[str | Path],
    *,
    core: int | None,
    folder: Path,
    errors: IO[bytes],
    output: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while inside the block.

    Args:
        command: the program and its arguments; Python programs can import this repository.
        core: the only core it may use; `None` for any.
        folder: its working directory.
        errors: receives its standard error.
        output: receives its standard output; a pipe by default.
        environment: variables in addition to those of this process.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if output is None else output,
        stderr=errors,
        start_new_session=True,  # Ctrl-C reaches only this process, which then stops the child
        preexec_fn=partial(_prepare_child, core, os.getpid()),
    )
    try:
        yield process
    finally:
        _stop(process)


def _prepare_child(core: int | None, parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # also if this process is killed
    if os.getppid() != parent:
        os._exit(1)
    if core is not None:
        os.sched_setaffinity(0, {core})


def _stop(process: subprocess.Popen[bytes]) -> None:
    pids = [process.pid, *children(process.pid)]
    process.terminate()
    try:
        process.wait(TERMINATE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def children(pid: int) -> list[int]:
    """The ids of the running children of `pid`."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def exit_on_signals() -> None:
    """Exit by exception on SIGTERM and SIGHUP, as on Ctrl-C, so that every `child` is stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
