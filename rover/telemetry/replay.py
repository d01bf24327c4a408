"""A client of the recorded mission: its events, each when it is due, at a speed."""

from __future__ import annotations

import logging
import re
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from anyio import move_on_after

from rover.errors import BadQuery, LogDamaged
from rover.telemetry.beginning import frames_before
from rover.telemetry.moments import moments_of
from rover.topic import Batch
from rover.wire import dumps, iso, sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from anyio import Event

    from rover.telemetry.moments import Moment
    from rover.telemetry.recording import Recording
    from rover.topic import Sink

logger = logging.getLogger("rover.telemetry")

CLOCK_S = 1.0
"""Seconds between two `clock` events."""

BATCH_BYTES = 64 * 2**10
"""Approximate maximum bytes of events that are sent at once."""

REPLAY_ID = r"-?\d{1,15}(\.\d{1,17})?-\d{1,9}"
"""The form of a replay's event ids: POSIX seconds, and the number of the event at that time."""


class Position(NamedTuple):
    """A place in a replay.

    Attributes:
        t: POSIX seconds.
        sent: number of events of exactly that time before the place.
    """

    t: float
    sent: int = 0

    @classmethod
    def parse(cls, text: str, name: str) -> Position:
        """The place after the event with that id.

        Raises:
            BadQuery: it is not the id of an event of a replay.
        """
        if not re.fullmatch(REPLAY_ID, text):
            raise BadQuery(name, text, "must be the id of an event of a replay")
        t, _, sent = text.rpartition("-")
        return cls(float(t), int(sent))

    def __str__(self) -> str:
        return f"{self.t!r}-{self.sent}"


class Replay:
    """The events of one client, at a speed.

    Args:
        recording: reads the events.
        start: where it begins.
        speed: recorded seconds per second.
        fields: names of parameters; `None` for all.
        has_past: whether it begins with the newest values, states and alarms of that moment.
        stopping: set when the server shuts down.

    Attributes:
        position: the newest event that the client has.
        reached: POSIX seconds; the client has all events until then.
        failure: why the record cannot be read; `None` if it can.
    """

    lag = 0

    def __init__(
        self,
        recording: Recording,
        start: Position,
        speed: float,
        fields: Collection[str] | None,
        *,
        has_past: bool,
        stopping: Event,
    ) -> None:
        self._recording = recording
        self._start = start
        self._speed = speed
        self._fields = fields
        self._has_past = has_past
        self.stopping = stopping
        self.position = start
        self.reached = start.t
        self.failure: LogDamaged | None = None

    def __enter__(self) -> Self:
        return self

    def attach(self, _: Sink) -> bool:
        """A client of a replay is always read for: each has its own events. Returns `False`."""
        return False

    def detach(self) -> None:
        """Nothing is attached."""

    def __exit__(self, *_: object) -> None:
        pass

    def clock_event(self, t: float, name: str = "clock") -> bytes:
        """The time of the replay, as an event without an id."""
        return sse(dumps({"t": iso(t), "speed": self._speed}), event=name)

    async def __aiter__(self) -> AsyncIterator[Batch[Any, bytes]]:
        """The events, each when it is due, and the clock.

        They end early if the record cannot be read; `failure` is then set.
        """
        try:
            async for batch in self._batches():
                yield batch
        except LogDamaged as exc:
            logger.error("a replay ended at %s: %s", iso(self.position.t), exc)
            self.failure = exc

    async def _batches(self) -> AsyncIterator[Batch[Any, bytes]]:
        start = self._start
        if self._has_past:
            for frame in await frames_before(self._recording, start.t, self._fields):
                yield Batch([frame], [0], [None])
        began, clock_at, skipped, last = monotonic(), 0.0, start.sent, start.t
        moments = moments_of(self._recording, start.t, self._fields)
        moment = await anext(moments, None)
        while moment is not None and not self.stopping.is_set():
            frames, size, now = [], 0, start.t + (monotonic() - began) * self._speed
            while moment is not None and moment.t <= now and size < BATCH_BYTES:
                last = moment.t
                if skipped and moment.t == start.t and moment.name != "":
                    skipped -= 1
                elif moment.name != "":
                    frames.append(self._frame(moment))
                    size += len(frames[-1])
                moment = await anext(moments, None)
            due = last if moment is None else moment.t  # the clock stops at the end
            self.reached = max(self.reached, min(now, due))
            if monotonic() >= clock_at:
                frames.append(self.clock_event(self.reached))
                clock_at = monotonic() + CLOCK_S
            if frames:
                yield Batch(frames, [0] * len(frames), [None] * len(frames))
            elif moment is not None:
                delay_s = min((due - now) / self._speed, clock_at - monotonic())
                with move_on_after(max(0.0, delay_s)):
                    await self.stopping.wait()

    def _frame(self, moment: Moment) -> bytes:
        sent = self.position.sent if moment.t == self.position.t else 0
        self.position = Position(moment.t, sent + 1)
        return sse(moment.data, event=moment.name, event_id=self.position)
