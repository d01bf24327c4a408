"""uvicorn: the transport of a connection, and the delay for its reaction to a second signal."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from starlette.types import Receive


@runtime_checkable
class Transport(Protocol):
    """The part of `asyncio.Transport` that connections use."""

    def close(self) -> None:
        """Send the buffered data, then close."""

    def abort(self) -> None:
        """Close at once. Buffered data is lost."""

    def is_closing(self) -> bool:
        """Whether it is closed or closing."""

    def get_write_buffer_size(self) -> int:
        """Number of bytes that are not yet in the kernel's buffer."""

    def get_extra_info(self, name: str) -> Any:
        """A detail of the transport, such as its `socket`."""


RELAY_WINDOW_S = 1.0
"""Seconds within which a different signal counts as a copy of the first.

Ctrl-C reaches a worker process twice: from the terminal as SIGINT, and from the parent process of
`uvicorn --workers` or `--reload` as SIGTERM. The parents of granian and hypercorn do the same.
"""

MAX_JSON_ESCAPE_BYTES = 6
"""Maximum bytes of a character of one byte in JSON, as in `\\u0000`."""

MESSAGE_OVERHEAD_BYTES = 4 * 2**10
"""Maximum bytes of a comms message in addition to its text."""

SECOND_SIGNAL_DELAY_S = 0.5
"""Seconds between a second signal and uvicorn's handler for it.

On a second signal uvicorn stops waiting for open responses, and skips the lifespan's shutdown. The
delay lets the mission end its streams first.
Source: uvicorn/server.py, `Server.handle_exit` and `force_exit`.
"""


def transport_of(receive: Receive) -> Transport | None:
    """The transport behind a request; `None` under other servers and if `receive` is wrapped.

    `receive` is a bound method of uvicorn's request cycle or WebSocket protocol, which has the
    attribute `transport`. It is undocumented, so it is used only if it has all of these methods.
    """
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    kind: type = type(transport)
    return transport if _is_transport(kind) else None


@lru_cache(64)
def _is_transport(kind: type) -> bool:
    """Whether objects of a class are transports. `isinstance` takes ten times as long."""
    return issubclass(kind, Transport)


def max_frame_bytes(max_message_bytes: int) -> int:
    """The limit of a WebSocket frame with a comms message of this size, however it is escaped."""
    return MAX_JSON_ESCAPE_BYTES * max_message_bytes + MESSAGE_OVERHEAD_BYTES


BOUNDED_PROTOCOLS = "rover.asgi.servers.uvicorn_protocols"


def missing_options(receive: Receive, max_frame: int) -> str:
    """The options without which this uvicorn does not limit what clients send; empty if it does.

    Args:
        receive: of the ASGI lifespan. It is a bound method of uvicorn's `LifespanOn`, which has the
            attribute `config`; undocumented. Empty under other servers.
        max_frame: bytes of a WebSocket message that suffice.
    """
    config = getattr(getattr(receive, "__self__", None), "config", None)
    missing = []
    for option, bounded in (("http", "BoundedHTTPProtocol"), ("ws", "BoundedWebSocketProtocol")):
        protocol = getattr(config, f"{option}_protocol_class", None)
        if protocol is not None and all(base.__name__ != bounded for base in protocol.__mro__):
            missing.append(f"--{option} {BOUNDED_PROTOCOLS}:{bounded}")
    if getattr(config, "ws_max_size", 0) > max_frame:
        missing.append(f"--ws-max-size {max_frame}")
    return " ".join(missing)
