"""The alarms of a mission: one record each, latched until somebody acknowledges it.

A parameter that leaves its limits raises an alarm. The record stays when the value returns, so that
nobody misses it, until it is acknowledged. A shelved alarm needs no attention for some minutes; its
record stays for that time, even if it ends and is acknowledged.

Source: ANSI/ISA-18.2-2016, 10 (alarm states) and 11.2 (shelving).
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from itertools import count
from operator import itemgetter
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any

from rover.errors import UnknownAlarm
from rover.telemetry.alarm import Alarm, Note
from rover.telemetry.limits import RANK, Level
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.logs.base import Log
    from rover.telemetry.alarm import Action
    from rover.telemetry.limits import LimitChange

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


class AlarmLog:
    """Every alarm that is active or not acknowledged, and the newest of the others.

    Args:
        clock: POSIX seconds.
        log: keeps the alarms; `None` if a restart may forget them.
        on_change: called with each changed alarm, the action, and its level before.

    Attributes:
        ended: alarms that have ended and were acknowledged, oldest first.
        dropped: number of unacknowledged alarms that were dropped: see `MAX_UNACKNOWLEDGED`.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time,
        log: Log | None = None,
        on_change: Callable[[Alarm, Action, Level], None] = lambda *_: None,
    ) -> None:
        self.ended: deque[Alarm] = deque()
        self.dropped = 0
        self._clock = clock
        self._log = log
        self._on_change = on_change
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
                saved.append(Alarm.parse(text))
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

    def apply(self, change: LimitChange) -> Alarm:
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
        if alarm.count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th … time that it was raised only
            log = logger.warning if alarm.is_active else logger.info
            log("telemetry: %s (raised %d times)", alarm, alarm.count)
        self._on_change(alarm, action, change.was)
        return alarm

    def acknowledge(self, alarm_id: str, by: str, comment: str) -> Alarm:
        """Record that somebody has seen an alarm. An alarm that has ended is then unlatched.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        alarm.acknowledged = Note(by, comment, self._clock())
        self._settle(alarm)
        logger.info("telemetry: %s acknowledged the alarm of %s", by, alarm.parameter)
        self._on_change(alarm, "acknowledged", alarm.level)
        return alarm

    def shelve(self, alarm_id: str, by: str, comment: str, minutes: int) -> Alarm:
        """Shelve an alarm for some minutes; 0 unshelves it.

        Raises:
            UnknownAlarm: no alarm has that id, or it has ended and was acknowledged.
        """
        alarm = self.find(alarm_id)
        now = self._clock()
        alarm.shelved = Note(by, comment, now, now + 60 * minutes) if minutes else None
        self._settle(alarm)
        action: Action = "shelved" if minutes else "unshelved"
        logger.info(
            "telemetry: %s %s the alarm of %s for %d min", by, action, alarm.parameter, minutes
        )
        self._on_change(alarm, action, alarm.level)
        return alarm

    def expire_shelves(self) -> None:
        """Unshelve the alarms whose time on the shelf is over."""
        now = self._clock()
        for alarm in [one for one in self._shelved.values() if not one.is_shelved(now)]:
            alarm.shelved = None
            self._settle(alarm)
            self._on_change(alarm, "unshelved", alarm.level)

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
        """The alarm as clients see it now."""
        return alarm.as_json(self._clock())

    def latched_events(self) -> bytes:
        """The latched alarms as server-sent events without ids, for a client that connects.

        These are all active alarms, and at most `MAX_LATCHED_EVENTS` of the others.
        """
        if self._events is None:
            active = len(self._latched) - len(self._waiting)
            sent = self.latched[: active + MAX_LATCHED_EVENTS]
            events = (event_json(self.as_json(one), "latched", one.level) for one in sent)
            self._events = b"".join(sse(data, event="alarm") for data in events)
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
            self._log.put(f"{KEY}{alarm.id}", alarm.saved(self._changes))

    def _forget(self, alarm: Alarm) -> None:
        if self._log is not None:
            self._log.put(f"{KEY}{alarm.id}", None)

    def _unlatch(self, alarm: Alarm) -> None:
        del self._latched[alarm.parameter, alarm.side], self._by_id[alarm.id]
        self._waiting.pop(alarm.id, None)
        self._shelved.pop(alarm.id, None)


def event_json(alarm: Mapping[str, Any], action: Action, was: Level) -> str:
    """The data of an `alarm` event.

    Args:
        alarm: its JSON.
        action: of the event.
        was: the level before.
    """
    return dumps({**alarm, "action": action, "was": was})
