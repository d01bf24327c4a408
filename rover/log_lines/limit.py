"""A filter that passes a few records of a kind per minute, and then one that counts the others.

A client can cause warnings and tracebacks of the server as fast as it connects. Their number in the
log must not depend on it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from rover.log_lines.uvicorn import (
    ACCESS_LOGGER,
    CLIENT_MISTAKES,
    ERROR_LOGGER,
    REDUNDANT,
    client_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MAX_LINES = 20
"""Maximum number of records of a kind in a period; those about requests are counted by address."""

MAX_CONNECTION_LINES = 200
"""Maximum number of records about requests in a period, from all addresses."""

PERIOD_S = 60.0

MAX_KINDS = 500
"""Maximum number of kinds that are counted on their own; a message may contain anything."""

MAX_CLIENTS = 1_000
"""Maximum number of addresses that are counted for a summary."""

MAX_CONNECTIONS = 10_000
"""Maximum number of connections that are remembered, because they have a line already."""

CONNECTION_TIMEOUT_S = 75.0
"""Seconds without a request after which the same address and port are another connection."""

MAX_MESSAGE_CHARACTERS = 200
"""Maximum length of the message that a summary shows."""

SUMMARY = "rover_summary"
"""The attribute of a record that is a summary."""


class _Kind(NamedTuple):
    logger: str
    level: int
    message: str  # before its arguments are inserted
    more: Hashable = None


@dataclass(slots=True)
class _Period:
    """The records of a kind since the first of them."""

    since: float
    passed: int = 0
    held: int = 0
    last: str = ""
    clients: set[str] = field(default_factory=set)


class LimitRepeats(logging.Filter):
    """Passes the first records of each kind in a period, and a summary of the others at its end.

    A kind is a logger, a level, a message without its arguments, a class of an exception and a
    source. Records about requests pass once per connection.

    Args:
        max_lines: maximum number of records of a kind in a period.
        period_s: seconds of a period.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        max_lines: int = MAX_LINES,
        period_s: float = PERIOD_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__()
        self._max_lines = max_lines
        self._period_s = period_s
        self._clock = clock
        self._periods: dict[_Kind, _Period] = {}
        self._connections: OrderedDict[str, float] = OrderedDict()  # when they were last seen
        self._due: float | None = None  # when the summaries are due
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        if getattr(record, SUMMARY, False):
            return True
        now = self._clock()
        if self._due is not None and now >= self._due:
            self.summarize()
        if record.msg in REDUNDANT:
            return False
        if record.msg in CLIENT_MISTAKES:
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        connection = client_of(record)
        with self._lock:
            if connection and self._is_known(connection, now):
                return False
            passes = self._count(_kind_of(record, connection), record, now)
            if connection and passes:
                everyone = _Kind(record.name, record.levelno, "requests")
                passes = self._count(everyone, record, now, MAX_CONNECTION_LINES)
        if not passes:
            self._schedule(now)
        return passes

    def summarize(self) -> None:
        """Log how many records of each kind did not pass, and begin new periods."""
        with self._lock:
            held = [(kind, one) for kind, one in self._periods.items() if one.held]
            self._periods.clear()
            self._due = None
        for kind, one in held:
            count = len(one.clients)
            clients = f" from {count:,} address{'es' if count > 1 else ''}" if count else ""
            # uvicorn's formatter of access records fails for arguments of another record
            name = ERROR_LOGGER if kind.logger == ACCESS_LOGGER else kind.logger
            logging.getLogger(name).log(
                kind.level,
                "%d more lines of this kind within %.0f s%s: %s",
                one.held,
                self._period_s,
                clients,
                one.last,
                extra={SUMMARY: True},
            )

    def _is_known(self, connection: str, now: float) -> bool:
        """Whether the connection has a line already. The lock is held."""
        seen = self._connections.pop(connection, None)
        self._connections[connection] = now
        if len(self._connections) > MAX_CONNECTIONS:
            self._connections.popitem(last=False)
        return seen is not None and now - seen < CONNECTION_TIMEOUT_S

    def _count(
        self, kind: _Kind, record: logging.LogRecord, now: float, max_lines: int | None = None
    ) -> bool:
        """Count a record; returns whether it passes. The lock is held."""
        if kind not in self._periods and len(self._periods) >= MAX_KINDS:
            kind = _Kind(record.name, record.levelno, "others")
        one = self._periods.get(kind)
        if one is None or (not one.held and now - one.since >= self._period_s):
            one = self._periods[kind] = _Period(now)
        if one.passed < (max_lines or self._max_lines):
            one.passed += 1
            return True
        one.held += 1
        one.last = record.getMessage()[:MAX_MESSAGE_CHARACTERS].strip()
        client = _host_of(client_of(record)) or str(getattr(record, "client", ""))
        if client and len(one.clients) < MAX_CLIENTS:
            one.clients.add(client)
        return False

    def _schedule(self, now: float) -> None:
        if self._due is not None:
            return
        self._due = now + self._period_s
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # a later record calls `summarize`
        loop.call_later(self._period_s, self.summarize)


def _kind_of(record: logging.LogRecord, connection: str) -> _Kind:
    error = record.exc_info[0] if record.exc_info else None
    source = getattr(record, "source", None)
    return _Kind(
        record.name, record.levelno, str(record.msg), (error, source, _host_of(connection))
    )


def _host_of(connection: str) -> str:
    """The address of `192.0.2.7:4000`."""
    return connection.rpartition(":")[0]
