"""When which sources were simulated, in the log: recorded data is labelled as it was."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rover.logs.base import Log

KEY = "sources/simulated"
"""The name of the spans in the log."""

MAX_SPANS = 1_000
"""Maximum number of spans of one source; beyond it, the two oldest become one."""

BEGINNING = 0.0
"""POSIX seconds before all records."""

Spans: TypeAlias = "dict[str, list[tuple[float, float | None]]]"
"""By the key of a source, such as `camera.mast`, oldest first: POSIX seconds from the start of the
first run in which it was simulated to that of the first run in which it was not, or `None`."""


def saved_spans(values: Mapping[str, str], now: float = inf) -> Spans:
    """The recorded spans; none if they cannot be read.

    A span that begins after its end or after now, because the clock was set back since, counts
    from the beginning of the record.

    Args:
        values: of the log, by key.
        now: POSIX seconds.
    """
    found: Spans = {}
    with suppress(AttributeError, LookupError, TypeError, ValueError):
        for key, spans in json.loads(values[KEY]).items():
            pairs = [(float(a), None if b is None else float(b)) for a, b in spans]
            found[key] = [
                (since, until)
                if since <= min(now, inf if until is None else until)
                else (BEGINNING, None if until is None else max(since, until))
                for since, until in pairs
            ]
    return found


def record_simulated(log: Log, simulated: Collection[str], now: float) -> None:
    """Record at the start of a run which sources are simulated.

    Args:
        log: the log; one of a recorded mission is not changed.
        simulated: the keys of the simulated sources.
        now: POSIX seconds.
    """
    if log.recorded is not None:
        return
    before = saved_spans(log.values(KEY))
    spans: Spans = {}
    for key in sorted({*before, *simulated}):
        known = list(before.get(key, ()))
        is_open = bool(known) and known[-1][1] is None
        if is_open and key not in simulated:
            known[-1] = known[-1][0], now
        elif not is_open and key in simulated:
            known.append((now, None))
        if len(known) > MAX_SPANS:
            known[:2] = [(known[0][0], known[1][1])]
        spans[key] = known
    if spans != before:
        log.put(KEY, dumps(spans))


def was_simulated(
    spans: Spans, kind: str, name: str = "", begin: float = -inf, end: float = inf
) -> bool:
    """Whether a source was simulated at some time of a range.

    Args:
        spans: as `saved_spans` returns them.
        kind: of the source.
        name: of the source; empty for any of its kind.
        begin: POSIX seconds.
        end: POSIX seconds.
    """
    only = kind if name in ("", kind) else f"{kind}.{name}"
    return any(
        since <= end and (until is None or until > begin)
        for key, times in spans.items()
        if key == only or (not name and key.startswith(f"{kind}."))
        for since, until in times
    )
