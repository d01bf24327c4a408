"""The seats of a channel: a member that comes back after a cut is the same member again.

A member receives a random resume token in its `welcome`. If its connection is half-open, the server
does not know that the member is away: the new connection takes its place at once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rover.comms.member import Member

MAX_SEATS = 3_000
"""Maximum number of seats of one channel that are remembered."""


@dataclass(slots=True)
class Seat:
    """The place of one member.

    Attributes:
        name: the member's name.
        requested_name: the name that it asked for.
        identity: the name of the identity that the member has; empty if it has none.
        member: `None` while it is away.
    """

    name: str
    requested_name: str
    identity: str
    member: Member | None


class Seats:
    """The seats of one channel, by resume token."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}  # the ones that were taken last at the end

    def find(self, token: str, identity: str) -> Seat | None:
        """The seat for a token, if it is of the same identity."""
        seat = self._seats.get(token)
        return seat if seat is not None and seat.identity == identity else None

    def take(self, member: Member, token: str = "") -> str:
        """Give a seat to a member.

        Args:
            member: who takes it.
            token: of a seat that `find` has returned; empty for a new seat.

        Returns:
            The token, to be kept secret.
        """
        token = token or secrets.token_urlsafe(16)
        self._seats.pop(token, None)
        identity = member.identity.name
        self._seats[token] = Seat(member.name, member.requested_name, identity, member)
        if len(self._seats) > MAX_SEATS:
            away = (key for key, seat in self._seats.items() if seat.member is None)
            self._seats.pop(next(away, ""), None)
        return token

    def leave(self, member: Member) -> None:
        """Note that a member is away."""
        seat = self._seats.get(member.resume_token)
        if seat is not None and seat.member is member:
            seat.member = None
