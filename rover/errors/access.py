"""Errors about the identity and the permissions of a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.errors.base import RoverError

if TYPE_CHECKING:
    from pathlib import Path

ENDED = {
    "revoked": "the token was revoked; ask for a new one",
    "expired": "the token has expired; ask for a new one",
    "changed": "the permissions of the token have changed; connect again",
    "unavailable": "the server cannot read its tokens; its log says why",
    "token_required": "this server now requires a token; connect again with one",
    "signed_out": "you are signed out; sign in again",
    "session_expired": "the session has expired; sign in again",
}


class AccessRefused(RoverError):
    """The client's address or the page's origin is not allowed."""


class ScopeRequired(AccessRefused):
    """The client may not do this.

    Attributes:
        scope: the permission that it lacks.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"this needs a token with the scope `{scope}`; ask for one with it")


class FormRefused(AccessRefused):
    """A form for signing in or out was not sent by a page of this server, or is out of date."""


class TokenRequired(RoverError):
    """The request has no token."""

    def __init__(
        self,
        detail: str = (
            "this server requires a token: send `Authorization: Bearer TOKEN`, or sign in with a "
            "browser at /sign-in"
        ),
    ) -> None:
        super().__init__(detail)


class SessionEnded(TokenRequired):
    """The request has the cookie of a session that has ended."""

    def __init__(self) -> None:
        super().__init__("you are signed out: the session has ended; sign in again at /sign-in")


class CookieRefused(TokenRequired):
    """The request has the cookie of a session, but comes from a page of another origin."""

    def __init__(self) -> None:
        super().__init__(
            "the session of a browser is not valid for pages of other origins: send a token in "
            "`Authorization`, or add the origin itself to ROVER_ALLOWED_ORIGINS (`*` is not enough)"
        )


class BackendFailed(RoverError):
    """The authentication backend of the app that contains the mission has raised an error."""

    def __init__(self) -> None:
        super().__init__(
            "the app's sign-in has failed, so the server cannot identify you; its log says why"
        )


class WrongToken(TokenRequired):
    """The token is wrong, has expired or was revoked."""

    def __init__(self, detail: str = "the token is wrong, has expired or was revoked") -> None:
        super().__init__(detail)


class TokensUnavailable(WrongToken):
    """The token may be right, but the server cannot read the file of its named tokens."""

    def __init__(self) -> None:
        super().__init__(
            "the server cannot read its named tokens, so it cannot check this one; its log and "
            "`tokens` in /readyz say why"
        )


class TooManyFailures(WrongToken):
    """The token is wrong, and the client has sent too many wrong ones."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"the token is wrong, and too many wrong tokens were sent; try again in "
            f"{retry_after_s} s. A right token is accepted at once"
        )


class AccessEnded(RoverError):
    """A client has lost its access while a stream was open.

    Attributes:
        reason: stable, for machines: `revoked`, `expired`, `changed`, `unavailable`,
            `token_required`, `signed_out` or `session_expired`.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(ENDED[reason])


class TokenError(RoverError):
    """A command about tokens is wrong, or cannot be done."""


class TokensUnreadable(TokenError):
    """The file of the tokens cannot be read, or it is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: the tokens cannot be read: {reason}; restore the file, or delete it, restart "
            "the server and add the tokens again"
        )
