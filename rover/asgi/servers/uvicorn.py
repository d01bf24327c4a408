"""uvicorn: the transport of a connection, and the delay for its reaction to a second signal."""

from __future__ import annotations

from functools import cached_property, lru_cache
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from zlib import decompressobj

from websockets.extensions.permessage_deflate import PerMessageDeflate

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


class Output(Protocol):
    """A connection that takes bytes without waiting."""

    @property
    def is_writable(self) -> bool:
        """Whether it takes bytes: the client reads, and the connection is not closing."""
        ...

    def write(self, data: bytes) -> bool:
        """Send framed bytes, if `is_writable`; returns whether it was."""
        ...


class ChunkedOutput:
    """An HTTP/1.1 response of chunks that has begun.

    Args:
        cycle: uvicorn's `RequestResponseCycle`.
    """

    __slots__ = ("_flow", "_transport")

    def __init__(self, cycle: Any) -> None:
        self._flow = cycle.flow
        self._transport = cycle.transport

    @property
    def is_writable(self) -> bool:
        """See `Output`. While the client reads too slowly, `send` waits."""
        return not (self._flow.write_paused or self._transport.is_closing())

    def write(self, data: bytes) -> bool:
        """See `Output`."""
        if self._flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True


class WebSocketOutput:
    """An open WebSocket.

    Args:
        protocol: uvicorn's `WebSocketsSansIOProtocol`.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    @property
    def is_writable(self) -> bool:
        """See `Output`. Nothing is written after a close frame."""
        one = self._protocol
        return one.writable.is_set() and not (one.close_sent or one.transport.is_closing())

    def write(self, data: bytes) -> bool:
        """See `Output`."""
        one = self._protocol
        transport = one.transport
        if one.close_sent or transport.is_closing() or not one.writable.is_set():
            return False
        transport.write(data)
        return True


HTTP_MODULE = "uvicorn.protocols.http.httptools_impl"
WEBSOCKET_MODULE = "uvicorn.protocols.websockets.websockets_sansio_impl"


def chunked_output(send: object) -> ChunkedOutput | None:
    """The output of a response in chunks that has begun; `None` for any other `send`."""
    cycle = _owner(send, HTTP_MODULE, "RequestResponseCycle")
    if (
        cycle is None
        or not (cycle.response_started and cycle.chunked_encoding)
        or cycle.response_complete
        or cycle.scope["method"] == "HEAD"
    ):
        return None
    return ChunkedOutput(cycle)


def websocket_output(send: object) -> WebSocketOutput | None:
    """The output of an open WebSocket; `None` for any other `send`.

    It also frees what an open WebSocket does not need, 50 kB with permessage-deflate: the headers
    of the handshake, and the compressor, which the output does not use. From now on, `send`
    compresses each message by itself, as RFC 7692, 7.1.1.1, allows. The decompressor is made for
    the first compressed message.
    """
    protocol = _owner(send, WEBSOCKET_MODULE, "WebSocketsSansIOProtocol")
    if protocol is None or not protocol.handshake_complete or protocol.close_sent:
        return None
    protocol.request.headers.clear()
    protocol.response.headers.clear()
    for extension in protocol.conn.extensions:
        if isinstance(extension, PerMessageDeflate):
            extension.local_no_context_takeover = True
            vars(extension).pop("encoder", None)
            if not extension.remote_no_context_takeover:
                bits = extension.remote_max_window_bits
                extension.decoder = _Decompressor(bits)  # type: ignore[assignment] # has its methods
    return WebSocketOutput(protocol)


class _Decompressor:
    """A `zlib.decompressobj` that is made at its first use. It takes 7 kB."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits

    @cached_property
    def _decompressor(self) -> Any:
        return decompressobj(wbits=-self._window_bits)

    def decompress(self, data: bytes, max_length: int = 0) -> bytes:
        inflated: bytes = self._decompressor.decompress(data, max_length)
        return inflated

    @property
    def unconsumed_tail(self) -> bytes:
        tail: bytes = self._decompressor.unconsumed_tail
        return tail


def _owner(send: object, module: str, name: str) -> Any:
    """The object whose own `send` this is, if it is of a class of uvicorn; else `None`.

    Its attributes are undocumented. A subclass with another `send` does not count.
    """
    if not isinstance(send, MethodType):
        return None
    owner: Any = send.__self__
    kind: type = type(owner)
    return owner if _is_own(kind, send.__func__, module, name) else None


@lru_cache(64)
def _is_own(kind: type, function: object, module: str, name: str) -> bool:
    for base in kind.__mro__:
        if (base.__module__, base.__name__) == (module, name):
            return base.__dict__.get("send") is function
    return False
