"""uvicorn's protocols with limits on what a client sends before the app sees the request.

uvicorn's HTTP parser, httptools, limits neither the header's size nor its time. The parser of its
WebSocket protocol ignores a handshake that it rejects: the client waits for an answer without end.

`python -m rover` passes these classes to uvicorn as `http=` and `ws=`.
"""

# ruff: noqa: D102 # the methods without a docstring are those of uvicorn's protocols

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEADER_BYTES = 64 * 2**10
"""Maximum bytes of a request's URL and headers, and of one part of a message that has not ended."""

MAX_HEADERS = 100
"""Maximum number of headers of a request, trailers included."""

MAX_URL_BYTES = 8 * 2**10
"""Maximum bytes of a request's URL."""

MAX_HANDSHAKE_LINE_BYTES = 8 * 2**10
"""Maximum bytes of one line of a WebSocket handshake.

Source: websockets/http11.py, `MAX_LINE_LENGTH`.
"""

HEADER_TIMEOUT_S = 10.0
"""Seconds from a request's first byte, or from the connection, to the end of its header."""

MAX_JSON_ESCAPE_BYTES = 6
"""Maximum bytes of a character of one byte in JSON, as in `\\u0000`."""

MESSAGE_OVERHEAD_BYTES = 4 * 2**10
"""Maximum bytes of a comms message in addition to its text."""


def max_frame_bytes(max_message_bytes: int) -> int:
    """The limit of a WebSocket frame with a comms message of this size, however it is escaped."""
    return MAX_JSON_ESCAPE_BYTES * max_message_bytes + MESSAGE_OVERHEAD_BYTES


class _LimitError(Exception):
    """A request exceeds a limit. The parser reports it to uvicorn as a malformed request."""


class BoundedHTTPProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol. It answers 414, 431 or 408 and closes the connection over a limit.

    If a response has already begun on this connection, the connection is aborted instead.

    The time between two requests is uvicorn's `timeout_keep_alive`.
    """

    header_timeout_s = HEADER_TIMEOUT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusal = (HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_open = False
        self._body_open = False
        self._header_bytes = 0
        self._header_count = 0
        self._parsed = False  # whether the parser delivered something of the data received last
        self._unparsed_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._parsed = False
        super().data_received(data)
        if self.transport.is_closing():
            self._stop_header_timer()
            return
        if self._parsed:
            self._unparsed_bytes = 0
        elif (unparsed := self._unparsed_bytes + len(data)) <= MAX_HEADER_BYTES:
            self._unparsed_bytes = unparsed
        else:  # one header, trailer or chunk size that does not end
            self._set_header_refusal()
            self.send_400_response("")
            return
        empty_lines = not (self._parsed or self._body_open or self._is_responding())
        if self._header_timer is None and (self._header_open or empty_lines):
            self._start_header_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._parsed = self._header_open = True
        self._header_bytes = self._header_count = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._parsed = True
        if len(self.url) > MAX_URL_BYTES:
            detail = f"the URL is longer than {MAX_URL_BYTES} bytes"
            self._refusal = (HTTPStatus.REQUEST_URI_TOO_LONG, detail)
            raise _LimitError

    def on_header(self, name: bytes, value: bytes) -> None:
        self._parsed = True
        self._header_bytes += len(name) + len(value)
        self._header_count += 1
        if (
            self._header_count > MAX_HEADERS
            or self._header_bytes + len(self.url) > MAX_HEADER_BYTES
        ):
            self._set_header_refusal()
            raise _LimitError
        if self._header_open:  # uvicorn would add trailers to the headers of the running request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._parsed, self._header_open, self._body_open = True, False, True
        self._stop_header_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._parsed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._parsed, self._body_open = True, False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        lines = (len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if max(lines, default=0) > MAX_HANDSHAKE_LINE_BYTES:
            detail = f"a header of the handshake is longer than {MAX_HANDSHAKE_LINE_BYTES} bytes"
            self._refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
            self.send_400_response(detail)
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Send the refusal, close the connection, and read nothing more. uvicorn calls it, too."""
        if self._is_responding() and self.cycle.response_started:
            self.transport.abort()  # anything written now would be part of that response
            return
        self.transport.write(refusal(*self._refusal))
        self.transport.close()

    def _is_responding(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _set_header_refusal(self) -> None:
        detail = f"the headers exceed {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes"
        self._refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(self.header_timeout_s, self._time_out)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _time_out(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused or self.pipeline:  # this server delays the rest of the header
            self._start_header_timer()
        elif self._header_open:
            detail = f"the header did not arrive within {self.header_timeout_s:g} s"
            self._refusal = (HTTPStatus.REQUEST_TIMEOUT, detail)
            self.send_400_response(detail)
        else:
            self.transport.close()  # the client has sent no request


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol. It answers a handshake that its parser rejects with 400."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.write(refusal(HTTPStatus.BAD_REQUEST, "malformed WebSocket handshake"))
            self.transport.close()


def refusal(status: HTTPStatus, detail: str) -> bytes:
    """A complete response in plain text, after which the connection is closed."""
    head = (
        "content-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(detail)}\r\n"
        "connection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + (head + detail).encode("ascii")
