"""Outputs: connections that take bytes that are framed once for many clients.

A server offers the output of a connection in `scope["extensions"]`, under the key `TRANSPORT`. An
app uses it only if the `send` that it received is the server's own: middleware that wraps `send`
wants to change or to see what is sent, as compression does.

Each Starlette app wraps `send` for its error handlers, and `ResponseHeaders` does for its headers.
These wrappers pass everything on, and look only at the start of the response.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import Context
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware

from rover.asgi.headers import ResponseHeaders
from rover.asgi.servers.uvicorn_output import output_behind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRANSPORT = "rover.transport"
"""The key of the connection's `Output` in `scope["extensions"]`."""


class Output(Protocol):
    """A connection that takes framed bytes without waiting."""

    @property
    def send(self) -> Send:
        """The server's own `send` of the connection."""
        ...

    def open(self) -> bool:
        """Begin to write; call it after the response or the WebSocket has begun.

        Returns:
            Whether it takes chunks of the response (RFC 9112, 7.1) or frames of the WebSocket
            (RFC 6455, 5). A response with a length takes none.
        """
        ...

    @property
    def is_writable(self) -> bool:
        """Whether it takes bytes: the client reads, and the connection is not closing."""
        ...

    def write(self, data: bytes) -> bool:
        """Send whole chunks or frames, if `is_writable`; returns whether it was."""
        ...


def output_of(scope: Scope, send: Send) -> Output | None:
    """The connection that `send` writes to, after the response or the WebSocket has begun.

    Returns:
        `None` if the server does not show it, if its response is not of chunks, or if `send` is
        wrapped.
    """
    own: Any = send
    while isinstance(own, FunctionType) and own.__code__ in WRAPPERS:
        assert own.__closure__ is not None  # noqa: S101 # as that of the same code
        own = own.__closure__[WRAPPERS[own.__code__]].cell_contents
    output = (scope.get("extensions") or {}).get(TRANSPORT) or output_behind(own)
    return output if output is not None and output.send == own and output.open() else None


def _wrapper_of(middleware: Callable[[ASGIApp], ASGIApp]) -> dict[CodeType, int]:
    """The code of the `send` that middleware passes on, and the index of the cell with its own.

    The middleware runs once for this. The result is empty if it wraps `send` in another way.
    """
    found: dict[CodeType, int] = {}

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {}

    async def app(scope: Scope, receive: Receive, wrapped: Send) -> None:
        if isinstance(wrapped, FunctionType):
            for index, cell in enumerate(wrapped.__closure__ or ()):
                if cell.cell_contents is send:
                    found[wrapped.__code__] = index

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with suppress(StopIteration):
        middleware(app)(scope, receive, send).__await__().send(None)
    return found


WRAPPERS: dict[CodeType, int] = {}
"""The wrappers that pass everything on: the index of the cell that holds `send`, by their code."""

for _middleware in (ServerErrorMiddleware, ExceptionMiddleware, ResponseHeaders):
    WRAPPERS |= Context().run(_wrapper_of, _middleware)
