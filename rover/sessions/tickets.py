"""Tickets: secrets that give one request the access of the client that asked for it.

Browsers cannot set headers for an EventSource or a WebSocket, and send no cookies to other sites.
A ticket is part of a URL, which logs and histories may keep; it is useless after its first use.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from rover.sessions.bounded import BoundedStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.identity import Identity

TICKET_S = 30
"""Seconds for which a ticket can be used."""

MAX_TICKETS = 10_000

MAX_TICKETS_PER_OWNER = 100
"""Maximum number of unused tickets of one client; the next one replaces its oldest."""

PREFIX = "rvt_"
"""The beginning of each ticket, by which log lines and scanners of secrets find it."""

SECRET_BYTES = 32

MAX_TEXT_BYTES = 128


class Ticket(NamedTuple):
    """A ticket that was not used yet, without its secret."""

    identity: Identity
    ends: float


class Tickets:
    """All unused tickets.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._tickets: BoundedStore[Ticket] = BoundedStore(MAX_TICKETS, MAX_TICKETS_PER_OWNER)

    def __len__(self) -> int:
        return len(self._tickets)

    def issue(self, identity: Identity, client: str) -> str:
        """A new ticket.

        Args:
            identity: of the client.
            client: its address. It owns the ticket if the identity has neither session nor token.
        """
        text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        ticket = Ticket(identity, self._clock() + TICKET_S)
        owner = identity.session or identity.token or client
        self._tickets.add(_key_of(text.encode()), owner, ticket)
        return text

    def redeem(self, text: bytes) -> Identity | None:
        """The client of a ticket, once; `None` if it is unknown, was used or has expired."""
        if len(text) > MAX_TEXT_BYTES:
            return None
        ticket = self._tickets.pop(_key_of(text))
        return None if ticket is None or self._clock() >= ticket.ends else ticket.identity


def _key_of(text: bytes) -> str:
    return sha256(text).hexdigest()
