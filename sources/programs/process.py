"""A program in a process group of its own, with limits of time and memory."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import sys
from contextlib import aclosing, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from anyio import CancelScope, move_on_after

from sources.base import SourceError
from sources.programs.reports import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

LAUNCH = Path(__file__).with_name("launch.py")

MAX_WAITING = 100
"""Maximum number of lines that wait to be read. The program waits meanwhile."""

AFTER_END_S = 0.5
"""Seconds after the end of a program in which the programs that it started may write."""

SILENT_WAITS = 10
"""Number of waits in that time: in each, the event loop reads what is in the pipes."""

END_TIMEOUT_S = 0.5
"""Maximum seconds to wait for the end of a program that was killed."""

CANNOT_BEGIN = b"0"
"""The last byte on the socket of `launch.py` if the program cannot be run."""

KILLED_POLL_S = 0.005
"""Seconds between two looks whether a killed program has ended."""

CHECK_NICENESS = 10
"""How much less CPU time a check gets than the server, whose streams it must not delay."""

PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
"""Variables of the environment that a program receives. Settings may hold secrets."""


class Line(NamedTuple):
    """A line that a program has written.

    Attributes:
        text: without its line end.
        is_error: whether it is from standard error.
    """

    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a program may use.

    Attributes:
        timeout_s: seconds until it is killed.
        memory_bytes: maximum size of its address space.
        niceness: how much less CPU time it gets than the server, from 0 to 19.
    """

    timeout_s: float
    memory_bytes: int
    niceness: int = 0


class Process:
    """Runs a program once. It has no open files or sockets of this process.

    Args:
        name: of the program, for errors.
        arguments: the program and its arguments.
        limits: what it may use.
        folder: its working folder.
        environment: further variables.

    Attributes:
        status: its exit status; negative if a signal ended it; `None` before its end.
        may_have_run: whether any code of the program may have run, known after its end.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        limits: ProcessLimits,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.status: int | None = None
        self.may_have_run = False
        self._name = name
        self._arguments = arguments
        self._limits = limits
        self._folder = folder
        self._environment = environment or {}

    async def lines(self, stdin: bytes = b"") -> AsyncGenerator[Line]:
        """Run the program, and yield what it writes. It is killed when the iteration ends.

        Args:
            stdin: what it reads from its standard input.

        Raises:
            SourceError: it ran for longer than it may, or cannot be started.
        """
        limits = self._limits
        launch = [sys.executable, "-I", "-S", str(LAUNCH), str(limits.memory_bytes)]
        held, passed = socket.socketpair()  # the kernel closes `held` when this process ends
        starts = asyncio.create_task(
            asyncio.create_subprocess_exec(
                *launch,
                str(ceil(limits.timeout_s) + 1),
                str(limits.niceness),
                str(passed.fileno()),
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._folder,
                env={**_environment(self._folder), **self._environment},
                start_new_session=True,
                pass_fds=(passed.fileno(),),
            )
        )
        starts.add_done_callback(lambda _: passed.close())
        tasks: list[asyncio.Task[None]] = []
        try:
            # cancelled half-way, asyncio would wait until the program's children close the pipes
            process = await asyncio.shield(starts)
            deadline = asyncio.get_running_loop().time() + limits.timeout_s
            tasks.append(asyncio.create_task(_write(process, stdin)))
            async with aclosing(_lines(process, tasks, deadline)) as lines:
                async for line in lines:
                    yield line
            async with asyncio.timeout_at(deadline):
                await _ended(process, KILLED_POLL_S)
            self.status = process.returncode
        except TimeoutError as exc:
            raise SourceError(
                f"{self._name} ran for more than {limits.timeout_s:g} s, its limit (timeout_s); it "
                "was killed"
            ) from exc
        except OSError as exc:
            raise SourceError(f"{self._name} cannot be started: {exc.strerror}") from exc
        finally:
            with CancelScope(shield=True), move_on_after(END_TIMEOUT_S):
                await _end(starts, tasks)
            self.may_have_run = not starts.done() or _has_begun(held)
            held.close()
            starts.add_done_callback(_close_pipes)


async def _lines(
    process: asyncio.subprocess.Process, tasks: list[asyncio.Task[None]], deadline: float
) -> AsyncGenerator[Line]:
    """Yield the lines of a program until its pipes end.

    A process that has left its group, such as a daemon, may hold them open. So they also end when
    nothing comes for `AFTER_END_S` after the end of the program and of its group.

    Args:
        process: the program.
        tasks: receives the tasks that read; the caller cancels them.
        deadline: of the event loop.

    Raises:
        TimeoutError: the deadline has passed.
    """
    queue: asyncio.Queue[Line | None] = asyncio.Queue(MAX_WAITING)
    readers = [
        asyncio.create_task(_read(stream, queue, is_error=is_error))
        for stream, is_error in ((process.stdout, False), (process.stderr, True))
        if stream is not None
    ]
    ends = asyncio.create_task(_kill_after_end(process))
    tasks += *readers, ends

    def wake(_: object) -> None:
        with suppress(asyncio.QueueFull):
            queue.put_nowait(None)

    for task in (*readers, ends):
        task.add_done_callback(wake)
    now, silent = asyncio.get_running_loop().time, 0
    while silent < SILENT_WAITS and not (queue.empty() and all(one.done() for one in readers)):
        wait_s = AFTER_END_S / SILENT_WAITS if ends.done() else math.inf
        try:
            async with asyncio.timeout_at(min(now() + wait_s, deadline)):
                line = await queue.get()
        except TimeoutError:
            silent += 1
        else:
            silent = 0
            if line is not None:
                yield line
        if now() >= deadline:  # `get` does not wait while the program writes
            raise TimeoutError


async def _end(
    starts: asyncio.Task[asyncio.subprocess.Process], tasks: Sequence[asyncio.Task[None]]
) -> None:
    """Kill a program, and wait for its end and that of the tasks that use its pipes."""
    await asyncio.wait([starts])
    if (process := _started(starts)) is not None:
        _kill(process.pid)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _ended(process, KILLED_POLL_S)


def _started(
    starts: asyncio.Task[asyncio.subprocess.Process],
) -> asyncio.subprocess.Process | None:
    """The program; `None` if it could not be started."""
    return None if starts.cancelled() or starts.exception() else starts.result()


def _has_begun(held: socket.socket) -> bool:
    """Whether the launcher has run the program, or has tried to and was killed."""
    held.setblocking(False)
    with suppress(BlockingIOError):
        return held.recv(2)[-1:] not in (b"", CANNOT_BEGIN)
    return False


def _close_pipes(starts: asyncio.Task[asyncio.subprocess.Process]) -> None:
    if (process := _started(starts)) is not None:
        # a pipe with unread data stays open, and asyncio has no public method to close it
        process._transport.close()  # type: ignore[attr-defined]


async def _write(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 # for mypy
    with suppress(OSError):  # the program does not read it
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read(
    stream: asyncio.StreamReader, queue: asyncio.Queue[Line | None], *, is_error: bool
) -> None:
    """Put the lines of a stream into the queue."""
    rest = b""
    while data := await stream.read(MAX_LINE_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            await queue.put(Line(_text(line), is_error))
        rest = rest[: MAX_LINE_BYTES + 1]
    if rest:
        await queue.put(Line(_text(rest), is_error))


def _text(line: bytes) -> str:
    return line[:MAX_LINE_BYTES].decode(errors="replace").rstrip("\r")


async def _kill_after_end(process: asyncio.subprocess.Process) -> None:
    """Kill what a program has started and left behind: it would keep the pipes open."""
    await _ended(process, AFTER_END_S / 2)
    await asyncio.sleep(AFTER_END_S)
    _kill(process.pid)


async def _ended(process: asyncio.subprocess.Process, poll_s: float) -> None:
    """Return when a program has ended.

    `Process.wait` of asyncio returns only when its pipes are closed, so this polls.
    """
    while process.returncode is None:  # noqa: ASYNC110
        await asyncio.sleep(poll_s)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _environment(folder: Path) -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
