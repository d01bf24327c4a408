"""The load generator (`fan.c`) as a function: compile it once, run it, read what it saw."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.processes import BenchError, child
from bench.servers import stderr_tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Cores
    from bench.servers import RunningServer

SOURCE = Path(__file__).with_name("fan.c")

GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the readers of one run saw, in its window of time unless said otherwise.

    Attributes:
        connected: readers that followed when the warm-up began.
        connect_s: how long they took to connect.
        window_s: length of the window.
        events: deliveries.
        p50_ms: from the moment an event was due until a reader had it.
        p99_ms: likewise.
        max_ms: likewise.
        lost: numbers that a reader never got, between two that it got, in the whole run.
        doubled: events that a reader got again, in the whole run.
        missing: readers that lost any.
        silent: readers that got none in the window.
        closed: readers that the server hung up on, in the whole run.
        churned: readers that went, for others to come.
        silence_ms: the longest time without an event that any early reader had.
        joined_s: how long the late readers took to connect; 0 when they did not.
        late: readers that came in the window.
        cpu_s: CPU time of the server.
        load_cpu_s: CPU time of the load generator.
        rss_before_kb: the server's memory with one reader.
        rss_begin_kb: its memory when the window began.
        rss_end_kb: its memory when the window ended.
    """

    connected: int
    connect_s: float
    window_s: float
    events: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    lost: int
    doubled: int
    missing: int
    silent: int
    closed: int
    churned: int
    silence_ms: float
    joined_s: float
    late: int
    cpu_s: float
    load_cpu_s: float
    rss_before_kb: float
    rss_begin_kb: float
    rss_end_kb: float


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the readers do; rates and counts of 0 are none.

    Attributes:
        readers: how many follow.
        window_s: how long is measured.
        warmup_s: how long it runs before that.
        connect_s: who has not connected by then never does.
        early: so many connect before the window, the others in it.
        stalled: more connections that never read.
        churn_hz: readers that go, and others that come, a second.
        say_hz: what the first member of a room says a second; makes it a WebSocket room.
    """

    readers: int
    window_s: float
    warmup_s: float = 1.0
    connect_s: float = 20.0
    early: int = 0
    stalled: int = 0
    churn_hz: float = 0
    say_hz: float = 0

    @property
    def limit_s(self) -> float:
        """Longer than this it cannot take."""
        return 2 * self.connect_s + self.warmup_s + self.window_s + GRACE_S

    def options(self) -> list[str]:
        """As the command line of the load generator."""
        given = [f"--{f.name.replace('_', '-')}={getattr(self, f.name):g}" for f in fields(self)]
        return [*given, "--websocket"] if self.say_hz else given


class LoadRun:
    """The load generator at work."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    def wait(self, timeout_s: float) -> Measurement | None:
        """What the readers saw, if they are through by then; it may be asked again.

        Raises:
            BenchError: the server refused them, or ended.
        """
        try:
            told, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None
        if self._process.returncode:
            raise BenchError(stderr_tail(self._errors))
        return Measurement(**json.loads(told))


class LoadGenerator:
    """The load generator, compiled.

    Args:
        folder: where the program goes.
        cores: says where it runs.

    Raises:
        BenchError: there is no compiler, or it does not compile.
    """

    def __init__(self, folder: Path, cores: Cores) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise BenchError(
                "the load generator is a C program: install a C compiler (Debian: gcc)"
            )
        self._program = folder / "fan"
        self._folder = folder
        self._cores = cores
        built = subprocess.run(
            [compiler, "-O2", "-Wall", "-Wextra", "-o", self._program, SOURCE],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise BenchError(f"{compiler} cannot compile {SOURCE.name}: {built.stderr.strip()}")

    @contextmanager
    def start(self, server: RunningServer, path: str, options: LoadOptions) -> Iterator[LoadRun]:
        """The readers, on their options at `path` of the server for as long as the block."""
        pids = ",".join(map(str, server.pids))
        place = [f"--port={server.port}", f"--path={path}", f"--pids={pids}"]
        command = [str(self._program), *place, *options.options()]
        with (
            tempfile.TemporaryFile() as errors,
            child(command, core=self._cores.load, folder=self._folder, errors=errors) as process,
        ):
            yield LoadRun(process, errors)

    def run(self, server: RunningServer, path: str, options: LoadOptions) -> Measurement:
        """Let the readers take their options at `path` of the server.

        Raises:
            BenchError: the server refuses them, or ends.
        """
        with self.start(server, path, options) as run:
            measured = run.wait(options.limit_s)
        if measured is None:
            raise BenchError(f"the load generator hung for {options.limit_s:.0f} s")
        return measured
