"""uvicorn: the output of a connection, to which framed bytes are written instead of messages.

The protocols of `python -m rover` put it into `scope["extensions"]`. uvicorn itself offers no way
to the connection. Under its own protocols, the output is made from the object whose method `send`
is; without it, `send` costs three times as much as the write to the connection.

Source: `RequestResponseCycle.send`,
https://github.com/Kludex/uvicorn/blob/0.54.0/uvicorn/protocols/http/httptools_impl.py, and
`WebSocketsSansIOProtocol.send`,
https://github.com/Kludex/uvicorn/blob/0.54.0/uvicorn/protocols/websockets/websockets_sansio_impl.py
"""

from __future__ import annotations

from asyncio import Queue
from functools import cached_property, lru_cache
from types import MethodType
from typing import TYPE_CHECKING, Any
from zlib import decompressobj

from websockets.extensions.permessage_deflate import PerMessageDeflate

from rover.asgi.servers.uvicorn_queue import ReceiveQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Send

    from rover.asgi.outputs import Output


class ChunkedOutput:
    """The output of an HTTP/1.1 response in chunks.

    Args:
        cycle: uvicorn's `RequestResponseCycle`.
    """

    __slots__ = ("_cycle", "_flow", "_transport")

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle
        self._flow = cycle.flow
        self._transport = cycle.transport

    @property
    def send(self) -> Send:
        """See `Output`."""
        send: Send = self._cycle.send
        return send

    def open(self) -> bool:
        """See `Output`."""
        cycle = self._cycle
        return (
            cycle.response_started
            and bool(cycle.chunked_encoding)
            and not cycle.response_complete
            and cycle.scope["method"] != "HEAD"
        )

    @property
    def is_writable(self) -> bool:
        """See `Output`."""
        return not (self._flow.write_paused or self._transport.is_closing())

    def write(self, data: bytes) -> bool:
        """See `Output`."""
        if self._flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(data)
        return True


class WebSocketOutput:
    """The output of a WebSocket.

    Args:
        protocol: uvicorn's `WebSocketsSansIOProtocol`.
    """

    __slots__ = ("_protocol", "_transport", "_writable")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._writable = protocol.writable

    @property
    def send(self) -> Send:
        """See `Output`."""
        send: Send = self._protocol.send
        return send

    def open(self) -> bool:
        """See `Output`.

        It also frees what an open WebSocket does not need, 52 kB with permessage-deflate: the
        headers of the handshake, most of the queue of messages, and the compressor, which the
        output does not use. From now on, `send` compresses each message by itself, as RFC 7692,
        7.1.1.1, allows. The decompressor is made for the first compressed message.
        """
        protocol = self._protocol
        if not protocol.handshake_complete or protocol.close_sent:
            return False
        protocol.request.headers.clear()
        protocol.response.headers.clear()
        if isinstance(protocol.queue, Queue):
            protocol.queue = ReceiveQueue(protocol.queue)
        for extension in protocol.conn.extensions:
            if isinstance(extension, PerMessageDeflate):
                extension.local_no_context_takeover = True
                vars(extension).pop("encoder", None)
                if not extension.remote_no_context_takeover:
                    bits = extension.remote_max_window_bits
                    extension.decoder = _Decompressor(bits)  # type: ignore[assignment] # has its methods
        return True

    @property
    def is_writable(self) -> bool:
        """See `Output`. Nothing is written after a close frame."""
        is_closing = self._protocol.close_sent or self._transport.is_closing()
        return self._writable.is_set() and not is_closing

    def write(self, data: bytes) -> bool:
        """See `Output`."""
        transport = self._transport
        if self._protocol.close_sent or transport.is_closing() or not self._writable.is_set():
            return False
        transport.write(data)
        return True


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


OUTPUTS: dict[tuple[str, str], Callable[[Any], Output]] = {
    ("uvicorn.protocols.http.httptools_impl", "RequestResponseCycle"): ChunkedOutput,
    (
        "uvicorn.protocols.websockets.websockets_sansio_impl",
        "WebSocketsSansIOProtocol",
    ): WebSocketOutput,
}
"""The output for the owner of `send`, by its class. uvicorn's other protocols have none."""


def output_behind(send: object) -> Output | None:
    """The output of the connection whose own `send` this is; `None` for any other `send`."""
    if not isinstance(send, MethodType):
        return None
    kind: type = type(send.__self__)
    output_class = _output_class(kind, send.__func__)
    return None if output_class is None else output_class(send.__self__)


@lru_cache(64)
def _output_class(kind: type, function: object) -> Callable[[Any], Output] | None:
    """The output for a class, unless it is a subclass with another `send`."""
    for base in kind.__mro__:
        if output_class := OUTPUTS.get((base.__module__, base.__name__)):
            return output_class if base.__dict__["send"] is function else None
    return None
