"""The alarms of a mission: one record each, latched until somebody acknowledges it.

A parameter that leaves its limits raises an alarm. The record stays when the value returns, so that
nobody misses it, until it is acknowledged. A shelved alarm needs no attention for some minutes.

Source: ANSI/ISA-18.2-2016, 10 (alarm states) and 11.2 (shelving).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from time import time
from typing import TYPE_CHECKING, Any, Literal

from rover.errors import UnknownAlarm
from rover.telemetry.limits import RANK, Level
from rover.wire import dumps, iso, iso_or_none

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.telemetry.limits import LimitChange

MAX_ENDED = 1_000
"""Maximum number of ended and acknowledged alarms that are kept."""

Action = Literal["raised", "changed", "ended", "acknowledged", "shelved", "latched"]
"""What an `alarm` event reports; `latched`: the alarm was there before the client connected."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person did with an alarm.

    Attributes:
        by: the person's name.
        comment: may be empty.
        at: POSIX seconds.
        until: POSIX seconds; of a shelf only.
    """

    by: str
    comment: str
    at: float
    until: float | None = None


@dataclass(slots=True)
class Alarm:
    """One parameter outside its limits on one side, since it was last acknowledged and ended.

    Attributes:
        id: names it in URLs.
        parameter: its name.
        unit: of the value and the threshold.
        side: `low` or `high`.
        level: of the newest value; `nominal` once the alarm has ended.
        worst: the worst level since it was raised.
        threshold: the limit that was passed last.
        value: the newest value that changed the level.
        since: time of the value that raised it: POSIX seconds.
        changed: time of the value that changed the level last.
        count: how often it was raised before somebody acknowledged it.
        acknowledged: by whom; `None` before that, and after it is raised again or gets worse.
        shelved: by whom and until when.
    """

    id: str
    parameter: str
    unit: str
    side: Literal["low", "high"]
    level: Level
    worst: Level
    threshold: float
    value: float
    since: float
    changed: float
    count: int = 1
    acknowledged: Note | None = None
    shelved: Note | None = None

    @property
    def is_active(self) -> bool:
        """Whether the newest value is outside the limits."""
        return self.level is not Level.NOMINAL


class AlarmLog:
    """Every alarm that is active or not acknowledged, and the newest of the others.

    Args:
        clock: POSIX seconds.

    Attributes:
        ended: alarms that have ended and were acknowledged, oldest first.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self.ended: deque[Alarm] = deque(maxlen=MAX_ENDED)
        self._clock = clock
        self._numbers = count(1)
        self._latched: dict[tuple[str, str], Alarm] = {}  # by parameter and side

    @property
    def latched(self) -> list[Alarm]:
        """The active and the unacknowledged alarms: active first, the worst first, then by time."""
        return sorted(
            self._latched.values(),
            key=lambda alarm: (-RANK[alarm.level], -RANK[alarm.worst], alarm.since),
        )

    def apply(self, change: LimitChange, t: float, unit: str) -> tuple[Alarm, Action]:
        """Record that a parameter entered or left a level.

        Args:
            change: of the limit check.
            t: time of the value: POSIX seconds.
            unit: of the parameter.
        """
        key = change.parameter, change.bound.side
        alarm = self._latched.get(key)
        if alarm is None:
            alarm = Alarm(
                str(next(self._numbers)),
                change.parameter,
                unit,
                change.bound.side,
                change.level,
                change.level,
                change.bound.threshold,
                change.value,
                t,
                t,
            )
            self._latched[key] = alarm
            return alarm, "raised"
        action: Action = "changed"
        if not alarm.is_active:
            alarm.since, alarm.worst = t, change.level
            alarm.count += 1
            alarm.acknowledged = None
            action = "raised"
        elif RANK[change.level] > RANK[alarm.worst]:
            alarm.worst, alarm.acknowledged = change.level, None
        elif change.level is Level.NOMINAL:
            action = "ended"
        alarm.level, alarm.value, alarm.changed = change.level, change.value, t
        alarm.threshold = change.bound.threshold
        self._release(alarm)
        return alarm, action

    def acknowledge(self, alarm_id: str, by: str, comment: str) -> Alarm:
        """Record that somebody has seen an alarm. An alarm that has ended is then unlatched.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        alarm.acknowledged = Note(by, comment, self._clock())
        self._release(alarm)
        return alarm

    def shelve(self, alarm_id: str, by: str, comment: str, minutes: int) -> Alarm:
        """Shelve an alarm for some minutes; 0 unshelves it.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        now = self._clock()
        alarm.shelved = Note(by, comment, now, now + 60 * minutes) if minutes else None
        return alarm

    def find(self, alarm_id: str) -> Alarm:
        """The active or unacknowledged alarm with that id.

        Raises:
            UnknownAlarm: there is none.
        """
        for alarm in self._latched.values():
            if alarm.id == alarm_id:
                return alarm
        raise UnknownAlarm(alarm_id)

    def as_json(self, alarm: Alarm) -> dict[str, Any]:
        """The alarm as clients see it."""
        shelf = alarm.shelved
        if shelf is not None and (shelf.until or 0.0) <= self._clock():
            shelf = None
        return {
            "id": alarm.id,
            "t": iso(alarm.changed),
            "parameter": alarm.parameter,
            "unit": alarm.unit,
            "level": alarm.level,
            "worst": alarm.worst,
            "value": alarm.value,
            "side": alarm.side,
            "threshold": alarm.threshold,
            "since": iso(alarm.since),
            "count": alarm.count,
            "acknowledged": _note_json(alarm.acknowledged),
            "shelved": _note_json(shelf),
        }

    def event_json(self, alarm: Alarm, action: Action, was: Level | None = None) -> str:
        """The data of an `alarm` event.

        Args:
            alarm: as it is now.
            action: what happened.
            was: the level before; by default the same as now.
        """
        fields = {"action": action, "was": alarm.level if was is None else was}
        return dumps({**self.as_json(alarm), **fields})

    def _release(self, alarm: Alarm) -> None:
        if not alarm.is_active and alarm.acknowledged is not None:
            del self._latched[alarm.parameter, alarm.side]
            self.ended.append(alarm)


def _note_json(note: Note | None) -> dict[str, Any] | None:
    if note is None:
        return None
    fields = {"by": note.by, "comment": note.comment, "at": iso(note.at)}
    return fields if note.until is None else {**fields, "until": iso_or_none(note.until)}
