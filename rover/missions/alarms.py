"""Saved alarms as they were at a time."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping


def alarm_before(
    saved: str, event: Mapping[str, Any] | None, t: float, *, has_changed: bool
) -> str | None:
    """A saved alarm as it was at a time; `None` if it was not raised by then.

    Args:
        saved: the alarm as the log has it now.
        event: the fields of its newest `alarm` event before that time.
        t: POSIX seconds.
        has_changed: whether it has events of that time or later.
    """
    try:
        alarm: dict[str, Any] = json.loads(saved)
        if not has_changed:
            return saved if alarm["since"] < t else None
        if event is None:
            return None
        same = ("level", "worst", "value", "threshold", "count")
        alarm |= {name: event[name] for name in same}
        alarm |= {"since": _posix(event["since"]), "changed": _posix(event["t"])}
        alarm |= {name: _note(event[name]) for name in ("acknowledged", "shelved")}
    except (LookupError, TypeError, ValueError):
        return None
    return dumps(alarm)


def _note(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    until = fields.get("until")
    times = {"at": _posix(fields["at"]), "until": None if until is None else _posix(until)}
    return {**fields, **times}


def _posix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
