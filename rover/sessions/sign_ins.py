"""Access without a token: sessions, tickets and codes."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from rover.errors import TokensUnavailable, TooManyFailures, WrongToken
from rover.identity import LOCAL
from rover.sessions.codes import Codes
from rover.sessions.failures import Failures
from rover.sessions.sessions import Sessions
from rover.sessions.tickets import Tickets
from rover.tokens.token import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.identity import Identity
    from rover.settings import Settings
    from rover.tokens import Tokens


class SignIns:
    """The sign-ins of one mission.

    Args:
        tokens: which tokens give access.
        settings: how long a session lasts.
        clock: monotonic seconds.

    Attributes:
        sessions: of browsers.
        tickets: for one request each.
        codes: for the first sign-in to a server without tokens.
        failures: counts wrong tokens.
    """

    def __init__(
        self, tokens: Tokens, settings: Settings, clock: Callable[[], float] = monotonic
    ) -> None:
        self.sessions = Sessions(tokens, settings.session_s, settings.session_idle_s, clock)
        self.tickets = Tickets(clock)
        self.codes = Codes(clock)
        self.failures = Failures(clock)
        self._tokens = tokens
        tokens.grants.ended = self.sessions.ended

    async def check_token(self, token: bytes, client: str) -> Identity:
        """The client that has this token.

        Args:
            token: as the client sent it.
            client: its address.

        Raises:
            WrongToken: the token is wrong or has expired.
            TooManyFailures: it is wrong, and the client has sent too many wrong ones.
        """
        identity = self._tokens.identify(token) or await self._tokens.identify_new(token)
        if identity is None:
            raise self.failure(client, token)
        return identity

    def check_code(self, code: bytes, client: str) -> Identity:
        """The client that has this one-time code, which cannot be used again.

        Args:
            code: as `codes` issued it.
            client: its address.

        Raises:
            WrongToken: the code is wrong, was used or has expired, or a token is required now.
            TooManyFailures: so it is, and the client has sent too many wrong ones.
        """
        if self.codes.redeem(code) and not self._tokens.required:
            return LOCAL
        raise self.failure(client)

    def redeem(self, ticket: bytes) -> Identity | None:
        """The client of a ticket, once; `None` if the ticket or the client has no access."""
        identity = self.tickets.redeem(ticket)
        if identity is None or self.sessions.ended(identity) is not None:
            return None
        return identity

    def failure(self, client: str, token: bytes = b"") -> WrongToken:
        """Count a wrong token; returns the error to raise.

        A token that may be right, because the named tokens cannot be read, does not count.
        """
        if self._tokens.failure is not None and TEXT.fullmatch(token):
            return TokensUnavailable()
        wait_s = self.failures.note(client)
        return WrongToken() if wait_s is None else TooManyFailures(wait_s)
