"""Cutting a connection: ASGI has no message that says "this response will never be whole".

A response that just returns leaves that to the server. uvicorn then closes the connection politely,
which with a client that reads nothing never ends: its socket and what is buffered for it stay, and
so does the server at shutdown, which waits for its connections.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from anyio import move_on_after

if TYPE_CHECKING:
    from starlette.types import Receive


@runtime_checkable
class _Transport(Protocol):
    def close(self) -> None: ...
    def abort(self) -> None: ...


USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


def expect_acks(receive: Receive, timeout_s: float) -> None:
    """Have the kernel end the connection when the client acknowledges nothing for so long.

    A client that is gone with its cable says no goodbye, and what is sent to it fits into the
    kernel's buffer for hours: only then would a `send` here wait. With this, the first thing sent
    after it went, a heartbeat at the latest, starts the time.

    Source: RFC 5482; tcp(7), TCP_USER_TIMEOUT.

    Args:
        receive: of the request or the WebSocket. With a server that does not show its connection,
            this does nothing.
        timeout_s: no less than a client may take nothing.
    """
    told = getattr(_transport(receive), "get_extra_info", None)
    if told is not None and USER_TIMEOUT is not None:
        with suppress(OSError, AttributeError):  # not TCP, or gone already
            connection: socket.socket = told("socket")
            connection.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, int(timeout_s * 1000))


def cut(receive: Receive) -> None:
    """Cut the connection now; what is buffered for the client is dropped.

    With a server that does not show its connection (uvicorn does, through the `receive` that it
    passes, unless middleware wraps that), it does nothing.

    Args:
        receive: of the request or the WebSocket.
    """
    if (transport := _transport(receive)) is not None:
        transport.abort()


async def hang_up(receive: Receive, *, flush_s: float = 0.0) -> None:
    """Cut the connection of an unfinished response; the client sees that it is incomplete.

    Return from the app after it. With a server that does not show its connection, it does nothing,
    and the server cuts when the app returns.

    Args:
        receive: of the request; it has not told of a disconnect yet.
        flush_s: the client may take so long to fetch what is buffered for it.
    """
    transport = _transport(receive)
    if transport is None:
        return
    if flush_s > 0:
        transport.close()
        with move_on_after(flush_s):
            await _disconnected(receive)
            return
    transport.abort()
    await _disconnected(receive)


def _transport(receive: Receive) -> _Transport | None:
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport if isinstance(transport, _Transport) else None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
