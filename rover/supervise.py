"""Keeps a source running: restarts it when it ends or raises, and says how it is.

A source's troubles never reach a reader's connection: streams stay open and are told the state.
"""

from __future__ import annotations

import logging
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, time
from typing import TYPE_CHECKING, TypeVar

from anyio import create_task_group, sleep

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

T = TypeVar("T")

logger = logging.getLogger("rover.sources")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
"""A source that ran for so long failed for a new reason: pauses start small again."""


class State(StrEnum):
    """How a source is."""

    STARTING = "starting"  # nothing has come yet
    LIVE = "live"
    STALE = "stale"  # it runs, but says nothing although it should
    DOWN = "down"  # it ended or failed, and is being restarted


@dataclass(frozen=True, slots=True)
class Health:
    """How a source is, since when, and what a person should know.

    Attributes:
        state: in one word.
        detail: in one line.
        since: POSIX seconds.
    """

    state: State
    detail: str
    since: float


@asynccontextmanager
async def closing(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Closes a source's iterator on leaving, if it can be closed, not when it is collected."""
    try:
        yield iterator
    finally:
        if aclose := getattr(iterator, "aclose", None):
            await aclose()


class Supervisor:
    """Runs one source for as long as the mission lasts.

    Args:
        name: of the source, for log lines.
        stale_after_s: silence of this length makes a live source `stale`; `None` never does.
        on_change: called with each new health.
        first_pause_s: seconds before the first restart.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        stale_after_s: float | None = None,
        on_change: Callable[[Health], None] | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
        clock: Callable[[], float] = time,
    ) -> None:
        self.name = name
        self._stale_after_s = stale_after_s
        self._on_change = on_change
        self._first_pause_s = first_pause_s
        self._clock = clock
        self._heard_at = monotonic()
        self.health = Health(State.STARTING, "waiting for the first word", clock())

    def heard(self) -> None:
        """Note that the source just said something."""
        self._heard_at = monotonic()
        if self.health.state is not State.LIVE:
            self._change(State.LIVE, "live")

    async def run(self, follow: Callable[[], Awaitable[None]]) -> None:
        """Call `follow` again and again, with growing jittered pauses, until cancelled."""
        async with create_task_group() as tasks:
            if self._stale_after_s is not None:
                tasks.start_soon(self._watch, self._stale_after_s)
            pause_s = self._first_pause_s
            while True:
                began = self._heard_at = monotonic()
                try:
                    await follow()
                    why = "the source ended"
                except SourceError as exc:
                    why = str(exc)
                except Exception as exc:  # whatever a driver raises, the mission goes on
                    logger.exception("%s: the source failed", self.name)
                    why = f"{type(exc).__name__}: {exc}"
                if monotonic() - began > STEADY_S:
                    pause_s = self._first_pause_s
                this_pause_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 # jitter
                detail = f"{why}; trying again in {this_pause_s:.1f} s"
                self._change(State.DOWN, detail)
                await sleep(this_pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _watch(self, stale_after_s: float) -> None:
        while True:
            await sleep(max(self._heard_at + stale_after_s - monotonic(), stale_after_s / 10))
            silent_s = monotonic() - self._heard_at
            if silent_s >= stale_after_s and self.health.state in (State.LIVE, State.STARTING):
                self._change(State.STALE, f"nothing came for {silent_s:.1f} s")

    def _change(self, state: State, detail: str) -> None:
        log = logger.info if state is State.LIVE else logger.warning
        log("%s: %s: %s", self.name, state, detail)
        self.health = Health(state, detail, self._clock())
        if self._on_change is not None:
            self._on_change(self.health)
