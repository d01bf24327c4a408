"""The request that the current task handles, for log lines and the audit log.

The tasks that a request starts, such as the check of an uploaded file, belong to it too.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rover.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.identity import Identity

REQUEST_ID = "rover.request_id"
"""The key of the request id in an ASGI scope."""


class CurrentRequest:
    """A request, as far as records of it need it.

    Args:
        scope: its ASGI scope.
        address_of: returns the client's address, if it is not that of the connection.
    """

    __slots__ = ("_address_of", "_scope")

    def __init__(
        self, scope: Mapping[str, Any], address_of: Callable[[], str | None] | None = None
    ) -> None:
        self._scope = scope
        self._address_of = address_of

    @property
    def id(self) -> str:
        """The request id; empty if it has none."""
        return str(self._scope.get(REQUEST_ID, ""))

    @property
    def address(self) -> str:
        """The client's address, or that which a trusted proxy states; empty if unknown."""
        if self._address_of is not None:
            return self._address_of() or ""
        client = self._scope.get("client")
        return str(client[0]) if client else ""

    @property
    def identity(self) -> Identity | None:
        """The client's identity; `None` before its access was checked."""
        return self._scope.get(IDENTITY)


current_request: ContextVar[CurrentRequest | None] = ContextVar("rover_request", default=None)
"""The request of the current task; `None` outside a request."""


def request_id() -> str:
    """The id of the current request; empty if there is none."""
    request = current_request.get()
    return "" if request is None else request.id


def client_address() -> str:
    """The address of the client of the current request; empty if it is unknown."""
    request = current_request.get()
    return "" if request is None else request.address
