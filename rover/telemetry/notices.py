"""Which changes of alarms to send to a receiver, and when. No I/O.

A message holds all changes that are due. The changes of one alarm are merged while they wait: a
message always has the alarm's newest state, and the number of its changes since the last message.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from rover.telemetry.limits import RANK, Level

if TYPE_CHECKING:
    from collections.abc import Callable

ALARM_INTERVAL_S = 60.0
"""Seconds between two messages about one alarm, unless it becomes more severe."""

MAX_WAITING = 1_000
"""Maximum number of alarms whose changes wait; further changes are only counted."""

MAX_LISTED = 20
"""Maximum number of alarms in one message; the others are only counted."""


@dataclass(slots=True)
class Notice:
    """The newest state of one alarm, for a message.

    Attributes:
        alarm_id: of the alarm.
        text: one line for people.
        level: of the alarm.
        record: the alarm, as in an `alarm` event.
        changes: number of changes since the last message about this alarm.
        worst: the worst level of these changes.
    """

    alarm_id: str
    text: str
    level: Level
    record: dict[str, Any]
    changes: int = 1
    worst: Level = Level.NOMINAL

    def __post_init__(self) -> None:
        self.worst = _worse(self.worst, self.level)

    def include(self, earlier: Notice) -> None:
        """Add an earlier notice about the same alarm."""
        self.changes += earlier.changes
        self.worst = _worse(self.worst, earlier.worst)

    def __str__(self) -> str:
        if self.changes == 1:
            return self.text
        worst = f", at worst {self.worst}" if self.worst is not self.level else ""
        return f"{self.text} ({self.changes:,} changes{worst})"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a receiver.

    Attributes:
        notices: the most severe alarms first; not empty.
        unlisted: number of changes that were dropped because too many waited.
    """

    notices: list[Notice]
    unlisted: int = 0

    @property
    def level(self) -> Level:
        """The worst level of the alarms as they are now."""
        return self.notices[0].level

    @property
    def title(self) -> str:
        """One line for people."""
        if len(self.notices) == 1 and not self.unlisted:
            notice = self.notices[0]
            return f"Alarm: {notice.record['parameter']} is {notice.level}"
        active = sum(notice.level is not Level.NOMINAL for notice in self.notices)
        return f"{len(self.notices):,} alarms changed; {active:,} of them are active"

    @property
    def text(self) -> str:
        """A line for each alarm, for people."""
        lines = [str(notice) for notice in self.notices[:MAX_LISTED]]
        if self.more:
            lines.append(f"{self.more:,} more; GET /alarms lists all alarms")
        return "\n".join(lines)

    @property
    def more(self) -> int:
        """Number of alarms and of dropped changes that the message does not list."""
        return max(0, len(self.notices) - MAX_LISTED) + self.unlisted

    def as_json(self) -> dict[str, Any]:
        """The message for a program."""
        listed = self.notices[:MAX_LISTED]
        return {
            "title": self.title,
            "text": self.text,
            "alarms": [{**notice.record, "changes": notice.changes} for notice in listed],
            "more": self.more,
        }


class NoticeQueue:
    """The changes that wait for one receiver.

    Args:
        clock: monotonic seconds.
        interval_s: see `ALARM_INTERVAL_S`.

    Attributes:
        dropped: number of changes that were dropped because too many waited.
    """

    def __init__(self, clock: Callable[[], float], interval_s: float = ALARM_INTERVAL_S) -> None:
        self.dropped = 0
        self._clock = clock
        self._interval_s = interval_s
        self._waiting: dict[str, Notice] = {}
        self._unlisted = 0
        self._sent: dict[str, tuple[float, int]] = {}  # time and rank of the last message, by alarm

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, notice: Notice, *, only_update: bool = False) -> None:
        """Let a change wait.

        Args:
            notice: of the change.
            only_update: whether the change matters only if another change of the alarm waits.
        """
        earlier = self._waiting.get(notice.alarm_id)
        if earlier is not None:
            notice.include(earlier)
        elif only_update:
            return
        elif len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            self._unlisted += 1
            return
        self._waiting[notice.alarm_id] = notice

    def discard(self, alarm_id: str) -> None:
        """Send nothing about the changes of this alarm so far."""
        self._waiting.pop(alarm_id, None)

    def due_in_s(self) -> float:
        """Seconds until a message is due; infinite while no change waits."""
        now = self._clock()
        due = (self._due_at(notice) - now for notice in self._waiting.values())
        return max(0.0, min(due, default=inf))

    def take(self) -> Message | None:
        """The message that is due, without its notices in the queue; `None` if none is due.

        Call `confirm` or `restore` with it before the next call.
        """
        now = self._clock()
        self._sent = {
            alarm_id: sent
            for alarm_id, sent in self._sent.items()
            if now < sent[0] + self._interval_s
        }
        due = [notice for notice in self._waiting.values() if self._due_at(notice) <= now]
        if not due:
            return None
        for notice in due:
            del self._waiting[notice.alarm_id]
        due.sort(key=lambda notice: (-RANK[notice.level], -RANK[notice.worst]))
        message = Message(due, self._unlisted)
        self._unlisted = 0
        return message

    def confirm(self, message: Message) -> None:
        """Record that the receiver has the message."""
        now = self._clock()
        for notice in message.notices:
            self._sent[notice.alarm_id] = now, RANK[notice.worst]

    def restore(self, message: Message) -> None:
        """Put the notices of a message that was not sent back; newer changes include them."""
        self._unlisted += message.unlisted
        for notice in message.notices:
            newer = self._waiting.get(notice.alarm_id)
            if newer is None:
                self._waiting[notice.alarm_id] = notice
            else:
                newer.include(notice)

    def _due_at(self, notice: Notice) -> float:
        t, rank = self._sent.get(notice.alarm_id, (-inf, -1))
        return -inf if RANK[notice.worst] > rank else t + self._interval_s


def _worse(a: Level, b: Level) -> Level:
    return max(a, b, key=RANK.__getitem__)
