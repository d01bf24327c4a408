"""Which pages of browsers may use the server, by the `Origin` of their requests.

A browser sends cookies with the WebSockets and forms of any site, and with all requests of the
pages on other ports of the same host: for `SameSite`, they are the same site. So a page that only
`*` allows has the access of its own token or ticket, never that of a signed-in browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.addresses import origin_of, words
from rover.errors import AccessRefused

if TYPE_CHECKING:
    from starlette.types import Scope


class Origins:
    """Checks the `Origin` of requests.

    Args:
        allowed: comma-separated origins, as `ROVER_ALLOWED_ORIGINS`.
    """

    def __init__(self, allowed: str) -> None:
        self._all = "*" in words(allowed)
        self._named = frozenset(origin_of(one) for one in words(allowed) if one != "*")

    def check(self, scope: Scope) -> None:
        """Check that a page may send a request that could change or read something.

        Raises:
            AccessRefused: it is a page of another server, and its origin is not allowed.
        """
        if not self._all and (foreign := self._foreign(scope)) is not None:
            shown = ascii(foreign[:80])[1:-1]
            raise AccessRefused(
                f"pages of {shown} are not allowed to use this server; add the origin to "
                "ROVER_ALLOWED_ORIGINS, or have the proxy forward the Host header"
            )

    def may_use_cookies(self, scope: Scope) -> bool:
        """Whether the request comes from no page, a page of this server, or a named origin."""
        return self._foreign(scope) is None

    def _foreign(self, scope: Scope) -> str | None:
        """The origin of a request that is neither this server's nor named; `None` without one."""
        origins = _values_of(scope, b"origin")
        if not origins:
            return None
        hosts = [host.lower() for host in _values_of(scope, b"host")]
        for origin in origins:
            if origin not in self._named and [origin.partition("://")[2].lower()] != hosts:
                return origin
        return None


def _values_of(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
