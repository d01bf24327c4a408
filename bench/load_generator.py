"""The load generator `fan.c`: compile it once, run it, and parse its measurements.

A reader is one connection of the load generator that follows an event stream or a channel.
"""

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
from bench.servers import PLAIN_FRAMES, Frames, stderr_tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Cores
    from bench.servers import RunningServer

SOURCE = Path(__file__).with_name("fan.c")

GRACE_S = 60.0
"""Seconds that a run may take beyond its plan."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurements of one run. They cover the window of time, except where noted.

    Attributes:
        connected: readers that were connected when the warm-up began.
        connect_s: seconds that they took to connect.
        window_s: length of the window.
        events: number of events delivered, summed over the readers.
        p50_ms: median time from the moment an event was due until a reader received it.
        p99_ms: 99th percentile of the same time.
        max_ms: maximum of the same time.
        lost: missing sequence numbers, summed over the readers, in the whole run.
        doubled: duplicate events, summed over the readers, in the whole run.
        missing: readers that lost events.
        silent: readers that received no event.
        closed: readers whose connection the server closed, in the whole run.
        churned: readers that were replaced by a new connection.
        silence_ms: longest time between two events of one early reader.
        joined_s: seconds that the late readers took to connect; 0 if they did not.
        late: readers that connected in the window.
        cpu_s: CPU time of the server.
        load_cpu_s: CPU time of the load generator.
        rss_before_kb: resident memory of the server with one reader.
        rss_begin_kb: the same at the beginning of the window.
        rss_end_kb: the same at the end of the window.
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
    """Options of the load generator.

    Attributes:
        readers: number of readers.
        window_s: seconds that are measured.
        warmup_s: seconds between connecting and measuring.
        connect_s: seconds that connecting may take; the generator then stops connecting.
        early: number of readers that connect before the window; the others connect in it. 0: all.
        stalled: number of additional connections that never read.
        churn_hz: readers per second that are replaced by a new connection.
        say_hz: messages per second that the first reader sends; above 0, all connect by WebSocket.
        channels: number of channels over which the readers are spread; the first member of each
            sends messages. Their paths end with `-0`, `-1` and so on. 0: one channel.
        deflate: offer permessage-deflate on each WebSocket.
        frames: of another protocol on WebSockets.
    """

    readers: int
    window_s: float
    warmup_s: float = 1.0
    connect_s: float = 20.0
    early: int = 0
    stalled: int = 0
    churn_hz: float = 0
    say_hz: float = 0
    channels: int = 0
    deflate: bool = False
    frames: Frames = PLAIN_FRAMES

    @property
    def limit_s(self) -> float:
        """Seconds after which the load generator counts as hung."""
        return 2 * self.connect_s + self.warmup_s + self.window_s + GRACE_S

    def options(self) -> list[str]:
        """The options as command-line arguments."""
        numbers = (f.name for f in fields(self) if f.name not in ("deflate", "frames"))
        given = [f"--{name.replace('_', '-')}={getattr(self, name):g}" for name in numbers]
        return [
            *given,
            *(["--websocket"] if self.say_hz else []),
            *(["--deflate"] if self.deflate else []),
            *(f"--{name}={text}" for name, text in self.frames._asdict().items() if text),
        ]


class LoadRun:
    """One running load generator."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    def wait(self, timeout_s: float) -> Measurement | None:
        """Wait for the measurement; `None` if it is not finished in time. Call again to go on.

        Raises:
            BenchError: the server refused a connection, or exited.
        """
        try:
            output, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None
        if self._process.returncode:
            raise BenchError(stderr_tail(self._errors))
        return Measurement(**json.loads(output))


class LoadGenerator:
    """The load generator, compiled.

    Args:
        folder: receives the compiled program.
        cores: gives the core that it runs on.

    Raises:
        BenchError: no C compiler is installed, or compiling failed.
    """

    def __init__(self, folder: Path, cores: Cores) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise BenchError(
                "no C compiler found for the load generator; install one (Debian: gcc)"
            )
        self._program = folder / "fan"
        self._folder = folder
        self._cores = cores
        error = self._compile(compiler, "-lz") and self._compile(compiler, "-DNO_ZLIB")
        if error:
            raise BenchError(f"{compiler} cannot compile {SOURCE.name}: {error}")

    def _compile(self, compiler: str, *options: str) -> str:
        """Compile the program; returns what the compiler printed if it failed."""
        flags = ["-O2", "-Wall", "-Wextra", "-o", str(self._program), str(SOURCE)]
        command = [compiler, *flags, *options]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        return built.stderr.strip() or "failed" if built.returncode else ""

    @contextmanager
    def start(self, server: RunningServer, path: str, options: LoadOptions) -> Iterator[LoadRun]:
        """Run the load generator against `path` of the server while inside the block."""
        pids = ",".join(map(str, server.pids))
        target = [f"--port={server.port}", f"--path={path}", f"--pids={pids}"]
        command = [str(self._program), *target, *options.options()]
        with (
            tempfile.TemporaryFile() as errors,
            child(command, core=self._cores.load, folder=self._folder, errors=errors) as process,
        ):
            yield LoadRun(process, errors)

    def run(self, server: RunningServer, path: str, options: LoadOptions) -> Measurement:
        """Run the load generator against `path` of the server, and return its measurement.

        Raises:
            BenchError: the server refused a connection or exited, or the generator hung.
        """
        with self.start(server, path, options) as run:
            measured = run.wait(options.limit_s)
        if measured is None:
            raise BenchError(f"the load generator hung for {options.limit_s:.0f} s")
        return measured
