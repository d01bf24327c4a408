"""The request that the current task handles, for log lines and the audit log.

The tasks that a request starts, such as the check of an uploaded file, belong to it too.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUEST_ID = "rover.request_id"
"""The key of the request id in an ASGI scope."""

CLIENT = "rover.client"
"""The key of the client's address in an ASGI scope, if it is not that of the connection."""

current_scope: ContextVar[Mapping[str, Any] | None] = ContextVar("rover_scope", default=None)
"""The ASGI scope of the request; `None` outside a request."""


def request_id(scope: Mapping[str, Any] | None = None) -> str:
    """The id of a request, by default of the current one; empty if there is none."""
    scope = current_scope.get() if scope is None else scope
    return "" if scope is None else str(scope.get(REQUEST_ID, ""))


def client_address(scope: Mapping[str, Any] | None = None) -> str:
    """The client's address of a request, by default of the current one; empty if unknown.

    It is the address of the connection, or that which a trusted proxy states.
    """
    scope = current_scope.get() if scope is None else scope
    if scope is None:
        return ""
    if (stated := scope.get(CLIENT)) is not None:
        return str(stated)
    client = scope.get("client")
    return str(client[0]) if client else ""
