"""The newest values and the last samples, as the file of a recorded mission has them."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from rover.logs.base import Record
from rover.telemetry.events import SampleEvent, sample_json
from rover.telemetry.records import pack
from rover.telemetry.shown import shown, shown_ends
from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rover.telemetry.past import Past
    from rover.telemetry.shown import Newest, Shown


MAX_ROWS = 1000
"""Maximum number of samples with which clients begin."""

FIRST_DURATION_S = 60.0
"""Seconds before the end in which these samples are looked for first."""


def saved_values(newest: Mapping[str, Newest], offset: int, before: str | None) -> str:
    """The text for the log, as `Recorder.save` writes it.

    Args:
        newest: value of each parameter.
        offset: of the newest event.
        before: such a text of the same parameters, for their periods.
    """
    periods: dict[str, Any] = {}
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        known = json.loads(before or "{}").get("values", {})
        periods = {name: one["period_s"] for name, one in known.items()}
    values = {
        name: {
            "t": one.t,
            "value": one.value,
            "newest": one.t,
            "received_at": one.shown_at,
            "period_s": periods.get(name),
        }
        for name, one in newest.items()
    }
    return dumps({"offset": offset, "values": values, "marks": []})


def last_shown(past: Past) -> list[Shown]:
    """The last samples that a replay shows, in its order."""
    first, last = shown_ends(past)
    duration_s = FIRST_DURATION_S
    while True:
        found = deque(shown(past, last - duration_s, inf), MAX_ROWS)
        if len(found) == MAX_ROWS or not first < last - duration_s:
            return list(found)
        duration_s *= 8


def last_records(samples: Iterable[Shown], offset: int) -> Iterator[Record]:
    """Samples as records of consecutive offsets.

    Args:
        samples: in the order in which clients receive them.
        offset: of the first.
    """
    for number, (at, sample, late) in enumerate(samples, offset):
        event = SampleEvent(sample_json(sample, late=late), sample, late=late)
        yield Record(number, at, *pack(event))
