"""The cookies of signed-in browsers, `rover_session_<port>`.

Browsers send the cookies of a host to all of its ports, so the name contains the port that the
browser uses, which is that of the `Host` header.

The path of the cookie is the prefix below which the browser finds the server. A proxy may have
removed that prefix, so the server cannot name it: it sends no `Path`, and the browser uses the
folder of the URL that set the cookie (RFC 6265, 5.1.4). So routes that set cookies must be at the
top, such as `/sign-in`.

With HTTPS, the name begins with `__Host-`, so that programs on other hosts of the same domain
cannot set it. Browsers accept that only with `Path=/`. Below a known prefix it begins with
`__Secure-`, so that several servers of one host do not overwrite each other's cookies.

Source: RFC 6265bis, 4.1.3 (prefixes of names).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from rover.asgi.clients import peer_of
from rover.asgi.cookies import cookie_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import Receive, Scope

    from rover.asgi.clients import Clients

SESSION = "session"

PREFIX = b"rover_"
"""The beginning of the names of all cookies of this program."""

SECURE = ("https", "wss")

X_FORWARDED_PROTO, FORWARDED = b"x-forwarded-proto", b"forwarded"

HOST_PORT = re.compile(rb".*[^:]:([0-9]{1,5})")

FORWARDED_PROTO = re.compile(rb'(?:^|[;,\s])proto="?([a-z]+)"?', re.IGNORECASE)

MAX_VALUES = 32
"""Maximum number of cookies of one name that are looked at."""


class SessionCookies:
    """Reads and sets the cookies.

    Args:
        clients: knows the trusted proxies.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def is_https(self, scope: Scope, receive: Receive) -> bool:
        """Whether the browser uses HTTPS, as the server or a trusted proxy knows."""
        if scope.get("scheme") in SECURE:
            return True
        forwarded: list[bytes] = []
        for name, value in scope["headers"]:
            if name == X_FORWARDED_PROTO:
                forwarded += value.split(b",")
            elif name == FORWARDED:
                forwarded += FORWARDED_PROTO.findall(value)
        if not forwarded or forwarded[-1].strip().lower() != b"https":
            return False
        return self._clients.is_proxy(peer_of(scope, receive))

    def name_of(self, scope: Scope, receive: Receive, kind: str = SESSION) -> str:
        """The name of the cookie that a response sets."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        is_https = self.is_https(scope, receive)
        return _names(host, _port_of(scope), kind, is_https, _is_below_prefix(scope))[0]

    def read(
        self,
        scope: Scope,
        receive: Receive,
        headers: Mapping[bytes, bytes],
        kind: str = SESSION,
    ) -> tuple[bytes, ...]:
        """The values of the cookie. Browsers may send several, of different paths.

        Args:
            scope: of the request.
            receive: of the request.
            headers: its headers `by_name`.
            kind: part of the name of the cookie.
        """
        cookies = headers.get(b"cookie", b"")
        if PREFIX not in cookies:
            return ()
        is_forwarded = X_FORWARDED_PROTO in headers or FORWARDED in headers
        is_https = scope.get("scheme") in SECURE or (is_forwarded and self.is_https(scope, receive))
        host = headers.get(b"host", b"")
        return _values(cookies, host, _port_of(scope), kind, is_https, _is_below_prefix(scope))

    def set(
        self,
        response: Response,
        scope: Scope,
        receive: Receive,
        value: str,
        *,
        kind: str = SESSION,
        max_age_s: float | None = None,
    ) -> None:
        """Have the browser store a cookie.

        Args:
            response: of a route at the top.
            scope: of the request.
            receive: of the request.
            value: of the cookie.
            kind: part of its name.
            max_age_s: seconds for which it is stored; 0 deletes it; `None` until the browser ends.
        """
        name = self.name_of(scope, receive, kind)
        response.set_cookie(
            name,
            value,
            max_age=None if max_age_s is None else int(max_age_s),
            path="/" if name.startswith("__Host-") else None,
            secure=name.startswith("__"),
            httponly=True,
            samesite="strict",
        )


def _port_of(scope: Scope) -> int | None:
    server = scope.get("server")
    return server[1] if server else None


def _is_below_prefix(scope: Scope) -> bool:
    return scope.get("root_path", "") not in ("", "/")


@lru_cache(1024)
def _values(
    cookies: bytes, host: bytes, server_port: int | None, kind: str, is_https: bool, is_below: bool
) -> tuple[bytes, ...]:
    names = _names(host, server_port, kind, is_https, is_below)
    values = (value for name in names for value in cookie_values(cookies, name.encode()))
    return tuple(dict.fromkeys(values))[:MAX_VALUES]


@lru_cache(256)
def _names(
    host: bytes, server_port: int | None, kind: str, is_https: bool, is_below: bool
) -> tuple[str, ...]:
    """The name for the port in `Host`. Without one, also that for the port of the server.

    Some programs send a `Host` without the port.
    """
    if match := HOST_PORT.fullmatch(host):
        ports = [match[1].decode("ascii")]
    else:
        ports = ["443" if is_https else "80", *([str(server_port)] if server_port else [])]
    prefix = ""
    if is_https:
        prefix = "__Secure-" if is_below else "__Host-"
    return tuple(f"{prefix}rover_{kind}_{port}" for port in ports)
