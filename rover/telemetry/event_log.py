"""The events that sources report in addition to their samples: a bounded log."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from itertools import count, islice
from math import inf
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.wire import iso
from sources.base import Severity
from sources.rules.describe import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rover.logs.base import Record
    from sources.base import Event

MAX_EVENTS = 5_000
"""Maximum number of events that are kept; the oldest to arrive are dropped."""

MAX_NAME_CHARACTERS = 200

MAX_MESSAGE_CHARACTERS = 1_000


class LoggedEvent(NamedTuple):
    """An event of a source, with texts of bounded length on one line each.

    Attributes:
        id: unique, also across restarts of the server.
        t: POSIX seconds.
        severity: of the event.
        name: of the event.
        message: for people.
        source: the name of the source.
    """

    id: str
    t: float
    severity: Severity
    name: str
    message: str
    source: str

    def as_json(self) -> dict[str, Any]:
        """The event as clients see it."""
        return {**self._asdict(), "t": iso(self.t)}


class EventLog:
    """The newest events of all sources.

    Attributes:
        dropped: number of events that were dropped because of `MAX_EVENTS`.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[LoggedEvent] = deque(maxlen=MAX_EVENTS)
        self._epoch = token_hex(4)
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: Event, source: str) -> LoggedEvent:
        """Store an event.

        Args:
            event: without a mistake: see `sources.rules`.
            source: the name of its source.
        """
        logged = LoggedEvent(
            f"{self._epoch}-{next(self._numbers)}",
            event.t,
            Severity(event.severity),
            one_line(event.name, MAX_NAME_CHARACTERS),
            one_line(event.message, MAX_MESSAGE_CHARACTERS),
            source,
        )
        self.dropped += len(self._events) == MAX_EVENTS
        self._events.append(logged)
        return logged

    def restore(self, records: Iterable[Record]) -> None:
        """Store the events of records, oldest first, before any other event."""
        for record in records:
            with suppress(LookupError, TypeError, ValueError):  # the file is damaged
                fields = json.loads(record.data)
                t = float(fields["t"]) if record.t is None else record.t
                severity = Severity(fields["severity"])
                self._events.append(LoggedEvent(**{**fields, "t": t, "severity": severity}))

    def select(
        self,
        *,
        limit: int,
        since: float | None = None,
        until: float | None = None,
        severities: Collection[str] | None = None,
        name: str | None = None,
        source: str | None = None,
    ) -> list[LoggedEvent]:
        """Return events, the newest times first; equal times in the reverse order of arrival.

        Args:
            limit: maximum number of events.
            since: POSIX seconds, inclusive; `None` for no bound.
            until: POSIX seconds, exclusive; `None` for no bound.
            severities: of the events; `None` for all.
            name: of the events; `None` for all.
            source: of the events; `None` for all.
        """
        since, until = -inf if since is None else since, inf if until is None else until
        found = (
            event
            for event in reversed(self._events)
            if since <= event.t < until
            and (severities is None or event.severity in severities)
            and (name is None or event.name == name)
            and (source is None or event.source == source)
        )
        in_order = sorted(found, key=lambda event: event.t, reverse=True)
        return list(islice(in_order, limit))
