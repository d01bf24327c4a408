"""Request ids: one per request, in `X-Request-Id`, problem documents, log lines and audit records.

A trusted proxy may choose the id, so that its log and this server's have the same. The ids of other
clients are ignored: they could copy the id of another request.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from rover.addresses import Proxies, address
from rover.asgi.clients import peer_of
from rover.request import REQUEST_ID, current_scope

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

HEADER = b"x-request-id"

WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives each request its id.

    Args:
        trusted_proxies: comma-separated proxies whose ids are used, as `ROVER_TRUSTED_PROXIES`.
    """

    def __init__(self, trusted_proxies: str = "") -> None:
        self._proxies = Proxies(trusted_proxies) if trusted_proxies else None

    def begin(self, scope: Scope, receive: Receive) -> bytes:
        """Make the request that of the current task; returns its id."""
        current_scope.set(scope)
        if REQUEST_ID not in scope:  # else an app around this one chose it
            given = self._given(self._proxies, scope, receive) if self._proxies else None
            # it need not be secret: 0.2 µs instead of 0.6 µs for `secrets`
            scope[REQUEST_ID] = given or f"{random.getrandbits(64):016x}"
        return str(scope[REQUEST_ID]).encode("latin-1", "replace")

    def _given(self, proxies: Proxies, scope: Scope, receive: Receive) -> str | None:
        """The id that a trusted proxy sent."""
        given = [value for name, value in scope["headers"] if name == HEADER]
        if len(given) != 1 or not WELL_FORMED.fullmatch(given[0]):
            return None
        peer = peer_of(scope, receive)
        proxy = None if peer is None else address(peer)
        is_unknown = peer is not None and proxy is None
        return None if is_unknown or proxy not in proxies else given[0].decode("ascii")
