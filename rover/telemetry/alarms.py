"""The alarms of a mission: one record each, latched until somebody acknowledges it.

A parameter that leaves its limits raises an alarm. The record stays when the value returns, so that
nobody misses it, until it is acknowledged. A shelved alarm needs no attention for some minutes; its
record stays for that time, even if it ends and is acknowledged.

Source: ANSI/ISA-18.2-2016, 10 (alarm states) and 11.2 (shelving).
"""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from dataclasses import asdict, dataclass
from itertools import count
from operator import itemgetter
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any, Literal

from rover.errors import UnknownAlarm
from rover.telemetry.limits import RANK, Bound, Level, LimitChange
from rover.telemetry.quantity import Comparison
from rover.wire import dumps, iso, iso_or_none, sse

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.logs.base import Log

logger = logging.getLogger("rover.telemetry")

KEY = "alarm/"
"""The prefix of the alarms' names in the log."""

MAX_SHELF_MINUTES = 24 * 60
"""Maximum minutes for which an alarm is shelved."""

MAX_ENDED = 1_000
"""Maximum number of ended and acknowledged alarms that are kept; the oldest are dropped."""

MAX_UNACKNOWLEDGED = 10_000
"""Maximum number of ended alarms that wait for an acknowledgement.

The one that ended first is dropped, and counted. Active alarms are never dropped: a dictionary
limits their number, as an alarm ends when its parameter leaves the dictionary.
"""

MAX_LATCHED_EVENTS = 1_000
"""Maximum number of ended alarms that a client receives when it connects; `GET /alarms` has all."""

Action = Literal["raised", "changed", "ended", "acknowledged", "shelved", "unshelved", "latched"]
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
        id: names it in URLs; unique, also across restarts of the server.
        parameter: its name.
        unit: of the value and the threshold.
        side: `low` or `high`.
        level: of the newest value; `nominal` once the alarm has ended.
        worst: the worst level since it was raised.
        threshold: the limit of the level; the limit it was outside of, once the alarm has ended.
        value: the newest value that changed the level.
        since: time of the value that raised it: POSIX seconds.
        changed: time of the value that changed the level last.
        count: how often it was raised before somebody acknowledged it.
        acknowledged: by whom; `None` before that, and after it is raised again or becomes more
            severe.
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

    def as_change(self) -> LimitChange:
        """The change that raised it, to go on from after a restart."""
        bound = Bound(self.level, self.side, self.threshold, margin=0.0)
        return LimitChange(
            self.parameter, self.unit, self.level, Level.NOMINAL, self.value, self.since, bound
        )

    def __str__(self) -> str:
        """One line for people: `speed is red: 90 m/s, above 80 m/s`."""
        comparison = Comparison(self.value, self.threshold, self.side, self.unit)
        return f"{self.parameter} is {self.level}: {comparison}"


class AlarmLog:
    """Every alarm that is active or not acknowledged, and the newest of the others.

    Args:
        clock: POSIX seconds.
        log: keeps the alarms; `None` if a restart may forget them.

    Attributes:
        ended: alarms that have ended and were acknowledged, oldest first.
        dropped: number of unacknowledged alarms that were dropped: see `MAX_UNACKNOWLEDGED`.
    """

    def __init__(self, clock: Callable[[], float] = time, log: Log | None = None) -> None:
        self.ended: deque[Alarm] = deque()
        self.dropped = 0
        self._clock = clock
        self._log = log
        self._changes = 0
        self._epoch = token_hex(4)
        self._numbers = count(1)
        self._latched: dict[tuple[str, str], Alarm] = {}  # by parameter and side
        self._by_id: dict[str, Alarm] = {}
        self._waiting: dict[str, Alarm] = {}  # ended and latched, by id, in the order of their ends
        self._shelved: dict[str, Alarm] = {}
        self._events: bytes | None = None

    @property
    def latched(self) -> list[Alarm]:
        """The active and the unacknowledged alarms: active first, the worst first, then by time."""
        return sorted(
            self._latched.values(),
            key=lambda alarm: (-RANK[alarm.level], -RANK[alarm.worst], alarm.since),
        )

    def levels(self) -> Counter[Level]:
        """Number of alarms of each level; those that have ended and are latched are nominal."""
        return Counter(alarm.level for alarm in self._latched.values())

    def restore(self) -> None:
        """Take the alarms from the log, before any other alarm."""
        saved: list[tuple[int, Alarm]] = []
        for key, text in self._log.values(KEY).items() if self._log is not None else ():
            try:
                saved.append(_read_alarm(text))
            except (LookupError, TypeError, ValueError) as exc:
                logger.warning("telemetry: %s of the log cannot be read: %r", key, exc)
        for number, alarm in sorted(saved, key=itemgetter(0)):  # in the order of their changes
            self._changes = number
            if not alarm.is_active and alarm.acknowledged is not None and alarm.shelved is None:
                self.ended.append(alarm)
                continue
            self._latched[alarm.parameter, alarm.side] = self._by_id[alarm.id] = alarm
            if alarm.shelved is not None:
                self._shelved[alarm.id] = alarm
            if not alarm.is_active:
                self._waiting[alarm.id] = alarm

    def apply(self, change: LimitChange) -> tuple[Alarm, Action]:
        """Record that a parameter entered or left a level."""
        self._events = None
        alarm = self._latched.get((change.parameter, change.bound.side))
        action: Action = "changed"
        if alarm is None:
            alarm = self._add(change)
            action = "raised"
        elif not alarm.is_active:
            alarm.since, alarm.worst = change.t, change.level
            alarm.count += 1
            alarm.acknowledged = None
            action = "raised"
        elif RANK[change.level] > RANK[alarm.level]:
            alarm.worst = max(alarm.worst, change.level, key=RANK.__getitem__)
            alarm.acknowledged = None
        elif change.level is Level.NOMINAL:
            action = "ended"
        alarm.level, alarm.value, alarm.changed = change.level, change.value, change.t
        alarm.threshold, alarm.unit = change.bound.threshold, change.unit
        self._settle(alarm)
        return alarm, action

    def acknowledge(self, alarm_id: str, by: str, comment: str) -> Alarm:
        """Record that somebody has seen an alarm. An alarm that has ended is then unlatched.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        alarm.acknowledged = Note(by, comment, self._clock())
        self._settle(alarm)
        return alarm

    def shelve(self, alarm_id: str, by: str, comment: str, minutes: int) -> tuple[Alarm, Action]:
        """Shelve an alarm for some minutes; 0 unshelves it.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        now = self._clock()
        alarm.shelved = Note(by, comment, now, now + 60 * minutes) if minutes else None
        self._settle(alarm)
        return alarm, "shelved" if minutes else "unshelved"

    def expire_shelves(self) -> list[Alarm]:
        """Unshelve the alarms whose time on the shelf is over, and return them."""
        now = self._clock()
        expired = [alarm for alarm in self._shelved.values() if not _is_current(alarm.shelved, now)]
        for alarm in expired:
            alarm.shelved = None
            self._settle(alarm)
        return expired

    def find(self, alarm_id: str) -> Alarm:
        """The active or unacknowledged alarm with that id.

        Raises:
            UnknownAlarm: there is none.
        """
        try:
            return self._by_id[alarm_id]
        except KeyError:
            raise UnknownAlarm(alarm_id) from None

    def as_json(self, alarm: Alarm) -> dict[str, Any]:
        """The alarm as clients see it."""
        shelf = alarm.shelved if _is_current(alarm.shelved, self._clock()) else None
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

    def latched_events(self) -> bytes:
        """The latched alarms as server-sent events without ids, for a client that connects.

        These are all active alarms, and at most `MAX_LATCHED_EVENTS` of the others.
        """
        if self._events is None:
            active = len(self._latched) - len(self._waiting)
            sent = self.latched[: active + MAX_LATCHED_EVENTS]
            latched = (self.event_json(alarm, "latched") for alarm in sent)
            self._events = b"".join(sse(data, event="alarm") for data in latched)
        return self._events

    def _add(self, change: LimitChange) -> Alarm:
        alarm = Alarm(
            f"{self._epoch}-{next(self._numbers)}",
            change.parameter,
            change.unit,
            change.bound.side,
            change.level,
            change.level,
            change.bound.threshold,
            change.value,
            since=change.t,
            changed=change.t,
        )
        self._latched[alarm.parameter, alarm.side] = self._by_id[alarm.id] = alarm
        return alarm

    def _settle(self, alarm: Alarm) -> None:
        """Unlatch the alarm if nothing keeps it, and drop others beyond the limit."""
        self._events = None
        self._save(alarm)
        self._shelved.pop(alarm.id, None)
        if alarm.shelved is not None:
            self._shelved[alarm.id] = alarm
        if alarm.is_active:
            self._waiting.pop(alarm.id, None)
        elif alarm.acknowledged is not None and alarm.shelved is None:
            self._unlatch(alarm)
            self.ended.append(alarm)
            if len(self.ended) > MAX_ENDED:
                self._forget(self.ended.popleft())
        else:
            self._waiting[alarm.id] = alarm
            if len(self._waiting) > MAX_UNACKNOWLEDGED:
                dropped = next(iter(self._waiting.values()))
                self._unlatch(dropped)
                self._forget(dropped)
                self.dropped += 1
                if self.dropped.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … only
                    logger.warning(
                        "telemetry: dropped unacknowledged alarm %d: more than %d have ended",
                        self.dropped,
                        MAX_UNACKNOWLEDGED,
                    )

    def _save(self, alarm: Alarm) -> None:
        if self._log is not None:
            self._changes += 1
            self._log.put(f"{KEY}{alarm.id}", dumps({"n": self._changes, **asdict(alarm)}))

    def _forget(self, alarm: Alarm) -> None:
        if self._log is not None:
            self._log.put(f"{KEY}{alarm.id}", None)

    def _unlatch(self, alarm: Alarm) -> None:
        del self._latched[alarm.parameter, alarm.side], self._by_id[alarm.id]
        self._waiting.pop(alarm.id, None)
        self._shelved.pop(alarm.id, None)


def _read_alarm(text: str) -> tuple[int, Alarm]:
    """The number of an alarm's last change, and the alarm."""
    fields = json.loads(text)
    number = int(fields.pop("n"))
    for name in ("acknowledged", "shelved"):
        if fields[name] is not None:
            fields[name] = Note(**fields[name])
    for name in ("level", "worst"):
        fields[name] = Level(fields[name])
    return number, Alarm(**fields)


def _is_current(shelf: Note | None, now: float) -> bool:
    return shelf is not None and shelf.until is not None and now < shelf.until


def _note_json(note: Note | None) -> dict[str, Any] | None:
    if note is None:
        return None
    fields = {"by": note.by, "comment": note.comment, "at": iso(note.at)}
    return fields if note.until is None else {**fields, "until": iso_or_none(note.until)}
