"""What uvicorn offers beyond ASGI: the connection's transport, and its reaction to two signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from starlette.types import Receive


@runtime_checkable
class Transport(Protocol):
    """The part of `asyncio.Transport` that connections use."""

    def close(self) -> None:
        """Close after sending what is buffered."""

    def abort(self) -> None:
        """Close at once; what is buffered is lost."""

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""

    def get_write_buffer_size(self) -> int:
        """Bytes that are not yet in the kernel's buffer."""

    def get_extra_info(self, name: str) -> Any:
        """Such as the `socket`."""


SECOND_SIGNAL_DELAY_S = 0.5
"""Seconds between a second signal and uvicorn's handler for it.

On a second signal uvicorn stops waiting for open responses, and skips the lifespan's shutdown. The
delay lets the mission end its streams first.
Source: uvicorn/server.py, `Server.handle_exit` and `force_exit`.
"""


def transport_of(receive: Receive) -> Transport | None:
    """The transport behind a request; `None` under other servers and if `receive` is wrapped.

    `receive` is a bound method of uvicorn's request cycle or WebSocket protocol, which has the
    attribute `transport`. The attribute is not documented, so it is used only if it looks right.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport if isinstance(transport, Transport) else None
