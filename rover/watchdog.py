"""Notices when the event loop is blocked, and names the source whose code blocks it.

A timer in the event loop sets a time several times a second. A thread compares it with the clock.
When the loop is late, the thread looks at the stack of the loop's thread: the log names the source,
the file and the line while the loop is still blocked. A sample costs nothing: nothing marks which
source runs, as the stack has the frame of the `Guard` that called it.

Time in which the process was stopped, or in which other processes had all CPUs, does not count.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from rover.guard import Guard, Items
from rover.supervise import Blocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from types import FrameType

    from rover.counts import Histogram

logger = logging.getLogger("rover.sources")

THRESHOLD_S = 0.5
"""Seconds without a turn of the event loop after which it counts as blocked."""

INTERVAL_S = 0.2
"""Seconds between two measurements."""

MAX_LATE_S = 0.1
"""Seconds that the thread may be late; if it is later, the process was stopped, or a call holds the
interpreter lock."""

STARVED_SHARE = 0.9
"""Share of the time that the loop's thread waits for a CPU if other processes have all CPUs."""

CALLS = frozenset({Guard.read.__code__, Guard.call.__code__, Items.__anext__.__code__})
"""Code that calls a source. Its `self` is the guard, or has it."""


class Watched(NamedTuple):
    """A source that the watchdog can name.

    Attributes:
        name: for log lines.
        source: the object.
        report: called in the event loop after the source has blocked it.
    """

    name: str
    source: object
    report: Callable[[Blocked], None]


class _Place(NamedTuple):
    watched: Watched | None  # `None` for code of the server, or of the app around it
    line: str  # such as `gauge.py:12`
    function: str


@asynccontextmanager
async def watch_loop(
    sources: Sequence[Watched],
    threshold_s: float = THRESHOLD_S,
    lag: Histogram | None = None,
) -> AsyncIterator[None]:
    """Watch the running event loop for this block.

    Args:
        sources: those that the log can name.
        threshold_s: seconds without a turn of the event loop after which it counts as blocked.
        lag: gets the seconds by which each measurement is late.
    """
    watchdog = _Watchdog(sources, threshold_s, lag)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


class _Watchdog:
    def __init__(
        self, sources: Sequence[Watched], threshold_s: float, lag: Histogram | None
    ) -> None:
        self._sources = sources
        self._lag = lag
        self._threshold_s = threshold_s
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._cpu = _CpuTime(self._thread_id, threading.get_native_id())
        self._turn_at = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._watch, name="loop watchdog", daemon=True)

    def start(self) -> None:
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._wake.set()
        if self._timer is not None:
            self._timer.cancel()

    def _turn(self) -> None:
        now, before = monotonic(), self._turn_at
        self._turn_at = now
        if self._lag is not None and self._timer is not None:
            self._lag.observe(max(0.0, now - before - INTERVAL_S))
        if now - before > self._threshold_s:
            self._wake.set()  # to report it at once
        self._timer = self._loop.call_later(INTERVAL_S, self._turn)

    def _watch(self) -> None:
        turn_at, woke_at = self._turn_at, monotonic()
        uncounted_s, log_at_s = 0.0, self._threshold_s
        seen: Counter[_Place] = Counter()
        self._cpu.since_last()
        while True:
            self._wake.wait(INTERVAL_S)
            self._wake.clear()
            if self._is_stopped:
                self._cpu.close()
                return
            now = monotonic()
            used_s, waited_s = self._cpu.since_last()
            slept_s, woke_at = now - woke_at, now
            if self._turn_at != turn_at:  # the loop runs
                if seen:
                    blocked_s = self._turn_at - turn_at - INTERVAL_S - uncounted_s
                    self._report(seen, blocked_s)
                    seen.clear()
                turn_at, uncounted_s, log_at_s = self._turn_at, 0.0, self._threshold_s
                continue
            if slept_s > INTERVAL_S + MAX_LATE_S:  # the process was stopped, or the lock was held
                uncounted_s += max(0.0, slept_s - max(used_s, INTERVAL_S))
            elif waited_s > STARVED_SHARE * slept_s:
                uncounted_s += slept_s - used_s
            blocked_s = now - turn_at - INTERVAL_S - uncounted_s
            if blocked_s < self._threshold_s:
                continue
            place = self._place()
            seen[place] += 1
            if blocked_s >= log_at_s:
                log_at_s = 2 * blocked_s
                _log_blocked(place, blocked_s)

    def _report(self, seen: Counter[_Place], blocked_s: float) -> None:
        by_source: Counter[Watched | None] = Counter()
        for place, count in seen.items():
            by_source[place.watched] += count
        watched = by_source.most_common(1)[0][0]
        if watched is None:
            logger.warning("the event loop runs again after %.1f s", blocked_s)
            return
        line = next(place.line for place, _ in seen.most_common() if place.watched == watched)
        self._loop.call_soon_threadsafe(watched.report, Blocked(blocked_s, line))

    def _place(self) -> _Place:
        """The source that runs in the loop's thread now, and where."""
        frames = list(_frames(sys._current_frames().get(self._thread_id)))
        for index, frame in enumerate(frames):  # the innermost first
            watched = self._called_by_guard(frame) or self._owner(frame)
            if watched is not None:
                inner = frames[:index] if frame.f_code in CALLS else frames[: index + 1]
                own = _root(type(watched.source).__module__)
                place = next((f for f in inner if _root(_module(f)) == own), None)
                return _at(watched, place or (inner or frames)[-1])
        return _at(None, frames[0]) if frames else _Place(None, "unknown", "unknown")

    def _called_by_guard(self, frame: FrameType) -> Watched | None:
        if frame.f_code not in CALLS:
            return None
        caller: Guard | Items[object] = frame.f_locals["self"]
        guard = caller if isinstance(caller, Guard) else caller.guard
        return next((w for w in self._sources if w.source is guard.source), None)

    def _owner(self, frame: FrameType) -> Watched | None:
        """The source to which the code of a task or callback of its own belongs."""
        module, function = _module(frame), frame.f_code.co_qualname
        for watched in self._sources:
            kind = type(watched.source)
            package = ".".join(kind.__module__.split(".")[:2])
            if package.startswith("sources.") and f"{module}.".startswith(f"{package}."):
                return watched
            if any(
                module == base.__module__ and function.startswith(f"{base.__qualname__}.")
                for base in kind.__mro__
            ):
                return watched
        return None


class _CpuTime:
    """CPU time of a thread, and the time that it waited for a CPU."""

    def __init__(self, thread_id: int, native_id: int) -> None:
        get_clock = getattr(time, "pthread_getcpuclockid", None)  # not on macOS
        self._clock: int | None = get_clock(thread_id) if get_clock else None
        self._schedstat: FileIO | None = None  # not on other systems than Linux
        with suppress(OSError):
            self._schedstat = FileIO(f"/proc/self/task/{native_id}/schedstat")
        self._last = (0.0, 0.0)

    def close(self) -> None:
        """Close the file of the times."""
        if self._schedstat is not None:
            self._schedstat.close()

    def since_last(self) -> tuple[float, float]:
        """Seconds of CPU time, and of waiting for a CPU, since the last call; 0 if unknown.

        Source: Documentation/scheduler/sched-stats.rst of Linux, `/proc/<pid>/schedstat`.
        """
        used_s = 0.0 if self._clock is None else time.clock_gettime(self._clock)
        waited_s = 0.0
        if self._schedstat is not None:
            self._schedstat.seek(0)
            waited_s = int(self._schedstat.read(100).split()[1]) / 1e9
        last, self._last = self._last, (used_s, waited_s)
        return used_s - last[0], waited_s - last[1]


def _log_blocked(place: _Place, blocked_s: float) -> None:
    if place.watched is None:
        logger.warning(
            "the event loop is blocked for %.1f s, not by a source: %s in %s",
            blocked_s,
            place.line,
            place.function,
        )
    else:
        logger.warning(
            "%s: blocks the event loop for %.1f s: %s in %s; run blocking calls in "
            "`anyio.to_thread.run_sync`",
            place.watched.name,
            blocked_s,
            place.line,
            place.function,
            extra={"source": place.watched.name},
        )


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _at(watched: Watched | None, frame: FrameType) -> _Place:
    line = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
    return _Place(watched, line, frame.f_code.co_qualname)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _root(module: str) -> str:
    return module.partition(".")[0]
