"""One alarm: a parameter outside its limits on one side."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from rover.telemetry.limits import Bound, Level, LimitChange
from rover.telemetry.quantity import Comparison
from rover.wire import dumps, iso, iso_or_none

Action = Literal["raised", "changed", "ended", "acknowledged", "shelved", "unshelved", "latched"]
"""The action of an `alarm` event; `latched`: the alarm existed before the client connected."""


@dataclass(frozen=True, slots=True)
class Note:
    """An acknowledgement or a shelf.

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

    def as_json(self, now: float) -> dict[str, Any]:
        """The alarm as clients see it, at a time in POSIX seconds."""
        return {
            "id": self.id,
            "t": iso(self.changed),
            "parameter": self.parameter,
            "unit": self.unit,
            "level": self.level,
            "worst": self.worst,
            "value": self.value,
            "side": self.side,
            "threshold": self.threshold,
            "since": iso(self.since),
            "count": self.count,
            "acknowledged": _note_json(self.acknowledged),
            "shelved": _note_json(self.shelved if self.is_shelved(now) else None),
        }

    def is_shelved(self, now: float) -> bool:
        """Whether the alarm is shelved at a time in POSIX seconds."""
        shelf = self.shelved
        return shelf is not None and shelf.until is not None and now < shelf.until

    def saved(self, number: int) -> str:
        """The alarm as text for the log, with the number of its last change."""
        return dumps({"n": number, **asdict(self)})

    @classmethod
    def parse(cls, text: str) -> tuple[int, Self]:
        """The number of an alarm's last change, and the alarm.

        Raises:
            LookupError: the text was not returned by `saved`.
            TypeError: the same.
            ValueError: the same.
        """
        fields = json.loads(text)
        number = int(fields.pop("n"))
        for name in ("acknowledged", "shelved"):
            if fields[name] is not None:
                fields[name] = Note(**fields[name])
        for name in ("level", "worst"):
            fields[name] = Level(fields[name])
        return number, cls(**fields)


def _note_json(note: Note | None) -> dict[str, Any] | None:
    if note is None:
        return None
    fields = {"by": note.by, "comment": note.comment, "at": iso(note.at)}
    return fields if note.until is None else {**fields, "until": iso_or_none(note.until)}
