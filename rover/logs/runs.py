"""Runs of records, between which the clock of the server was set back.

Times of publication fall by less than `SET_BACK_S` in a run, so a search by time finds its place in
each run. The log keeps where they end.
"""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rover.wire import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.logs.base import Log, Record, Stream

KEY = "clock/set-back/"
"""The name, with the key of the stream, of the last offsets of runs in the log."""

MAX_RUNS = 20
"""Maximum number of runs of a stream; the oldest become one."""

SET_BACK_S = 1.0
"""Minimum seconds by which the clock was set back where a run ends."""


class Run(NamedTuple):
    """Some records of a stream.

    Attributes:
        after: the offset before the first.
        until: the last offset; `None` for no bound.
    """

    after: int
    until: int | None


def runs_of(log: Log, key: str) -> list[Run]:
    """The runs of a stream, the oldest first; at least one."""
    ends: list[int | None] = [*_ends(log.values(KEY + key), key)]
    return [Run(after or 0, until) for after, until in pairwise([0, *ends, None])]


def ended_runs(values: Mapping[str, str], stream: Stream, record: Record) -> str | None:
    """The value of `KEY` if the clock was set back before a record; else `None`.

    Args:
        values: of the log, by key.
        stream: of the record, which is appended to it afterwards.
        record: the next one.
    """
    if record.at > stream.newest_at - SET_BACK_S:
        stream.newest_at = max(stream.newest_at, record.at)
        return None
    stream.newest_at = record.at
    return dumps([*_ends(values, stream.key), stream.last][-MAX_RUNS:])


def _ends(values: Mapping[str, str], key: str) -> list[int]:
    with suppress(LookupError, TypeError, ValueError):
        return [int(one) for one in json.loads(values[KEY + key])]
    return []
