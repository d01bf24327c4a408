"""Keeps a source running: restarts it when it ends or raises, and reports its state.

No failure of a source closes a client's stream. Streams stay open and report the source's state.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic, time
from typing import TYPE_CHECKING

from anyio import create_task_group, sleep, sleep_forever

from rover.guard import absorb_stray_cancellation, exc_info, is_interrupt
from sources.base import SourceError
from sources.none import Off, Recorded
from sources.rules.describe import describe, one_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sources.base import SourceKind

logger = logging.getLogger("rover.sources")

FIRST_PAUSE_S = 0.5
"""Seconds before the first restart; each further pause is twice as long."""

MAX_PAUSE_S = 30.0

STEADY_S = 10.0
"""Seconds that a source must run before the restart pause is reset to `FIRST_PAUSE_S`.

A source that also delivered data, such as a broker that connects and drops, needs only
`STEADY_WITH_DATA_S`.
"""

STEADY_WITH_DATA_S = 1.0

NOTE_S = 60.0
"""Seconds for which the detail of a state says that the source blocked the event loop."""

CHECK_INTERVAL_S = 1.0
"""Seconds between two checks for silence."""


def source_key(kind: SourceKind, name: str) -> str:
    """The name of a source among all sources: `commands`, `camera.mast`.

    Args:
        kind: of the source.
        name: the same as `kind` if it is the only one of its kind.
    """
    return name if name == kind else f"{kind}.{name}"


class State(StrEnum):
    """The state of a source."""

    OFF = "off"  # turned off with `none:`
    RECORDED = "recorded"  # of a recorded mission: it does not run
    STARTING = "starting"  # no data yet
    LIVE = "live"
    DEGRADED = "degraded"  # it delivers data, but no usable value
    STALE = "stale"  # it runs, but has been silent for several periods
    DOWN = "down"  # it ended or failed, and restarts


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a source.

    Attributes:
        state: in one word.
        detail: in one line, for people.
        since: POSIX seconds.
    """

    state: State
    detail: str
    since: float


FIRST_DETAILS = {
    State.OFF: "turned off",
    State.RECORDED: "of a recorded mission",
    State.STARTING: "no data yet",
}

BEST_FIRST = (
    State.OFF,
    State.RECORDED,
    State.LIVE,
    State.STARTING,
    State.STALE,
    State.DEGRADED,
    State.DOWN,
)


def idle_state(source: object) -> State | None:
    """The state of a source that does not run; `None` for all others."""
    if isinstance(source, Recorded):
        return State.RECORDED
    return State.OFF if isinstance(source, Off) else None


def worst(several: Iterable[Health]) -> Health:
    """The worst of several states; the first of those that are equally bad."""
    return max(several, key=lambda health: BEST_FIRST.index(health.state))


@dataclass(frozen=True, slots=True)
class Blocked:
    """A time in which a source blocked the event loop.

    Attributes:
        seconds: how long.
        line: the file and the line, such as `gauge.py:12`.
    """

    seconds: float
    line: str


class BlockedNote:
    """The note in the detail of a state that a source has blocked the event loop.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last: Blocked | None = None
        self._count = 0
        self._until = 0.0

    def record(self, blocked: Blocked) -> None:
        """Record that the source blocked the event loop."""
        self._count = self._count + 1 if self.text else 1
        self._last = blocked
        self._until = self._clock() + NOTE_S

    @property
    def text(self) -> str:
        """The note; empty if there is none, or `NOTE_S` after the last time."""
        if self._last is None or self._clock() >= self._until:
            return ""
        how_often = f" {self._count} times, last" if self._count > 1 else ""
        return (
            f"blocked the event loop{how_often} for {self._last.seconds:.1f} s ({self._last.line})"
        )

    def added_to(self, health: Health) -> Health:
        """The health, with this note in its detail."""
        note = self.text
        return replace(health, detail=f"{health.detail}; {note}") if note else health


class Backoff:
    """The pauses between the runs of a source: each is twice as long, up to `MAX_PAUSE_S`.

    Args:
        first_pause_s: seconds of the first pause, and of the first one after a steady run.
    """

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s
        self._next_s = first_pause_s

    def after(self, ran_s: float, *, delivered: bool) -> float:
        """Seconds to pause now.

        Args:
            ran_s: seconds that the last run took.
            delivered: whether it delivered usable data.
        """
        if ran_s >= (STEADY_WITH_DATA_S if delivered else STEADY_S):
            self._next_s = self._first_pause_s
        pause_s = self._next_s
        self._next_s = min(2 * pause_s, MAX_PAUSE_S)
        return pause_s


class Supervisor:
    """Runs one source as long as the mission runs.

    Args:
        name: of the source, for log lines.
        idle: the state of a source that does not run: `off` or `recorded`.
        silence: called about once a second; returns the seconds of silence if the source is stale,
            else `None`.
        on_change: called with each new health.
        first_pause_s: seconds before the first restart.
        clock: POSIX seconds.

    Attributes:
        mistake: makes the source degraded until it is corrected; empty if there is none.
        failures: how often the source ended or raised.
    """

    def __init__(
        self,
        name: str,
        *,
        idle: State | None = None,
        silence: Callable[[], float | None] | None = None,
        on_change: Callable[[Health], None] | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float] = time,
    ) -> None:
        self.name = name
        self._is_idle = idle is not None
        self._silence = silence
        self._on_change = on_change
        self._first_pause_s = first_pause_s
        self._clock = clock
        self._delivered = False
        self._mistakes: dict[str, str] = {}
        self.mistake = ""
        self.failures = 0
        state = State.STARTING if idle is None else idle
        self._health = Health(state, FIRST_DETAILS[state], clock())
        self._blocked = BlockedNote()

    @property
    def health(self) -> Health:
        """The state of the source. The detail says for a minute that it blocked the event loop."""
        return self._blocked.added_to(self._health)

    def data(self) -> None:
        """Record that the source delivered usable data."""
        self._delivered = True
        if self._health.state is not State.LIVE:
            if self.mistake:
                self.degrade(self.mistake)
            else:
                self._change(State.LIVE, "live")

    def unusable(self, reason: str) -> None:
        """Record that the source delivered data without a usable value."""
        if self._health.state is not State.DEGRADED:
            self.degrade(f"no value is usable: {reason}")

    def degrade(self, detail: str) -> None:
        """Record that the source runs, and makes a mistake. Usable data ends that state."""
        detail = one_line(detail)
        if self._health.state is not State.DEGRADED or self._health.detail != detail:
            self._change(State.DEGRADED, detail)

    def set_mistake(self, mistake: str, about: str = "") -> None:
        """Degrade the source until the mistake is corrected, which is an empty text.

        A source that is down stays so until it delivers data.

        Args:
            mistake: for people.
            about: the kind of mistake: a source may have several at once.
        """
        self._mistakes[about] = one_line(mistake)
        mistake = "; ".join(filter(None, self._mistakes.values()))
        if mistake == self.mistake:
            return
        self.mistake = mistake
        if mistake and self._health.state is not State.DOWN:
            self.degrade(mistake)
        elif not mistake and self._health.state is State.DEGRADED:
            state = State.LIVE if self._delivered else State.STARTING
            self._change(state, FIRST_DETAILS.get(state, "live"))

    async def run(self, follow: Callable[[], Awaitable[None]]) -> None:
        """Call `follow` repeatedly, with exponential backoff and jitter, until cancelled.

        Any exception of `follow` is an error of the source, including a stray `CancelledError` and
        `SystemExit`.
        """
        if self._is_idle:
            await sleep_forever()
        async with create_task_group() as tasks:
            tasks.start_soon(self._watch)
            backoff = Backoff(self._first_pause_s)
            while True:
                began = monotonic()
                self._delivered = False
                why = await self._run_once(follow)
                pause_s = backoff.after(monotonic() - began, delivered=self._delivered)
                self.failures += 1
                pause_s *= random.uniform(0.5, 1.0)  # noqa: S311 # jitter
                self._change(State.DOWN, f"{why}; restart in {pause_s:.1f} s")
                await sleep(pause_s)

    async def _run_once(self, follow: Callable[[], Awaitable[None]]) -> str:
        """Run the source until it ends; returns why."""
        try:
            await follow()
        except SourceError as exc:
            return describe(exc)
        except GeneratorExit:
            raise
        except BaseException as exc:
            if is_interrupt(exc) or not absorb_stray_cancellation():
                raise
            detail = describe(exc)
            logger.error(
                "%s: the source failed: %s",
                self.name,
                detail,
                exc_info=exc_info(exc),
                extra={"source": self.name},
            )
            return detail
        return "the source ended"

    def record_blocked(self, blocked: Blocked) -> None:
        """Record that the source blocked the event loop, and publish it."""
        self._blocked.record(blocked)
        self._publish()

    async def _watch(self) -> None:
        while True:
            had_note = bool(self._blocked.text)
            await sleep(CHECK_INTERVAL_S)
            if had_note and not self._blocked.text:
                self._publish()
            silent_s = None if self._silence is None else self._silence()
            if silent_s is not None and self._health.state in (State.LIVE, State.STARTING):
                self._change(State.STALE, f"silent for {silent_s:.0f} s")

    def _change(self, state: State, detail: str) -> None:
        log = logger.info if state is State.LIVE else logger.warning
        log("%s: %s: %s", self.name, state, detail, extra={"source": self.name})
        self._health = Health(state, detail, self._clock())
        self._publish()

    def _publish(self) -> None:
        if self._on_change is not None:
            self._on_change(self.health)
