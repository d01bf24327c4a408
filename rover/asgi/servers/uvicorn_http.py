"""uvicorn's HTTP protocol with limits on what a client sends before the app sees the request."""

# ruff: noqa: D102 # the methods without a docstring are those of uvicorn's protocols

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rover.asgi.connection_limits import RESERVED
from rover.asgi.outputs import TRANSPORT
from rover.asgi.servers.uvicorn_clients import is_tcp, logger_of
from rover.asgi.servers.uvicorn_headers import BoundedHeaderProtocol
from rover.asgi.servers.uvicorn_output import ChunkedOutput
from rover.asgi.servers.uvicorn_refusals import refusal
from rover.asgi.servers.uvicorn_turns import HeldFlowControl, SlicedProtocol
from rover.errors import PoolFull

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from rover.asgi.connection_limits import Reservation

MAX_HANDSHAKE_LINE_BYTES = 8 * 2**10
"""Maximum bytes of one line of a WebSocket handshake.

Source: websockets/http11.py, `MAX_LINE_LENGTH`.
"""

HEADER_TIMEOUT_S = 10.0
"""Seconds from a request's first byte, or from the connection, to the end of its header."""

REQUEST_S = 0.0005
"""Estimated seconds of the app for a request."""

UNREAD_TIMEOUT_S = 10.0
"""Seconds from a response to the end of its request's body, if the response came first."""

ARRIVAL_S = 0.005
"""Seconds from a reserved connection to its request, in which it is not aborted for another one."""

RESPONSE_S = 1.0
"""Seconds from the end of such a request to its response, in which it is not aborted."""

RESERVED_HEADER_TIMEOUT_S = 2.0
"""Seconds to receive the headers on a reserved connection, which others wait for."""


class BoundedHTTPProtocol(SlicedProtocol, BoundedHeaderProtocol):
    """uvicorn's HTTP protocol. It answers 414, 431 or 408 and closes the connection over a limit.

    If a response has already begun on this connection, the connection is aborted instead.

    The time between two requests is uvicorn's `timeout_keep_alive`.
    """

    header_timeout_s = HEADER_TIMEOUT_S
    unread_timeout_s = UNREAD_TIMEOUT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._has_begun = False  # whether the first bytes of a request have arrived
        self._body_open = False
        self._reserved: Reservation | None = None
        self._running: RequestResponseCycle | None = None  # that of the response being sent
        self._is_incomplete = False  # the header that is open arrived in part

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = HeldFlowControl(transport, self.continue_parsing)
        self.logger = logger_of(self.client[0] if self.client else "")
        if self.client is None and is_tcp(transport):  # the client has reset the connection
            transport.abort()
            return
        client = None
        if self._limits is not None:
            client = self._limits.client_of(transport)
            try:
                self._reserved = self._limits.open(transport)
            except PoolFull as full:
                transport.write(refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(full), self.client))
                transport.close()
                return
            if self._reserved is not None:
                self.header_timeout_s = min(self.header_timeout_s, RESERVED_HEADER_TIMEOUT_S)
                # one more turn of the loop: data that arrived until then is read before
                self.loop.call_later(ARRIVAL_S, self.loop.call_soon, self._end_arrival)
        self.join_turns(client)
        self._start_header_timer()

    def _end_arrival(self) -> None:
        if not self._has_begun and self._limits is not None:
            self._limits.protect(self.transport, 0.0)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        self._stop_unread_timer()
        self.leave_turns()
        if self._limits is not None:
            self._limits.close(self.transport)
        self._end_requests()
        super().connection_lost(exc)
        # after a reset, uvicorn's timer would keep the request in memory for 5 s
        self._unset_keepalive_if_required()

    def is_app_busy(self) -> bool:
        return self.flow.read_paused or bool(self.pipeline)

    def slice_bytes(self) -> int:
        return max(super().slice_bytes(), self.body_left)  # which takes no longer, as one piece

    def parse(self, data: bytes) -> None:
        self.parsed = False
        HttpToolsProtocol.data_received(self, data)
        if self.transport.is_closing() or self._turn_of is None:
            self._stop_header_timer()
            return
        if (
            self._limits is not None
            and self.header_open
            and not (self._is_incomplete or self._held)
        ):
            self._is_incomplete = True
            try:
                self._limits.set_incomplete(self.transport, True)
            except PoolFull as full:
                self.refusal = (HTTPStatus.SERVICE_UNAVAILABLE, str(full))
                self.send_400_response("")
                return
        if self._reserved and self._limits and (self.header_open or self._body_open):
            self._limits.protect(self.transport, 0.0)
        if self.exceeds_limits_unparsed(len(data)):
            self.send_400_response("")
            return
        empty_lines = not (self.parsed or self._body_open or self._is_responding())
        if self._header_timer is None and (self.header_open or empty_lines):
            self._start_header_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._reserved is not None:
            self.scope[RESERVED] = self._reserved  # type: ignore[literal-required]
        self._has_begun = True
        self._estimated_s += REQUEST_S

    def on_headers_complete(self) -> None:
        self._body_open = True
        self._stop_header_timer()
        if self._is_incomplete and self._limits is not None:
            self._is_incomplete = False
            self._limits.set_incomplete(self.transport, False)
        super().on_headers_complete()
        if self._reserved is not None and self.cycle is not None:  # `None` for a WebSocket
            self.cycle.keep_alive = False  # another client may need the place

    def on_body(self, body: bytes) -> None:
        self.parsed = True
        self.body_left = max(0, self.body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.parsed, self._body_open = True, False
        self._stop_unread_timer()
        if self._reserved and self._limits:
            self._limits.protect(self.transport, RESPONSE_S)
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        cycle.scope["extensions"] = {TRANSPORT: ChunkedOutput(cycle)}  # type: ignore[dict-item] # any
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Limit the time in which the rest of a request's body arrives: nobody reads it."""
        self._running = None
        super().on_response_complete()
        self.continue_parsing()
        if self._body_open and not self.transport.is_closing():
            self._unread_timer = self.loop.call_later(self.unread_timeout_s, self.transport.close)

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection to the WebSocket protocol, or refuse the handshake.

        uvicorn would pass it on as one of HTTP/1.1, and while it still responds to an earlier
        request, whose response would then never learn that the connection is lost.
        """
        lines = (len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        if max(lines, default=0) > MAX_HANDSHAKE_LINE_BYTES:
            detail = f"a header of the handshake is longer than {MAX_HANDSHAKE_LINE_BYTES} bytes"
            self.refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        elif (version := self.parser.get_http_version()) != "1.1":  # RFC 6455, 4.1
            detail = f"a WebSocket requires version 1.1 of HTTP; this handshake has {version}"
            self.refusal = (HTTPStatus.BAD_REQUEST, detail)
        elif self._is_responding() or self.pipeline:
            detail = "a WebSocket handshake must wait for the responses to earlier requests"
            self.refusal = (HTTPStatus.BAD_REQUEST, detail)
        else:
            self.leave_turns()
            super().handle_websocket_upgrade()
            return
        self.send_400_response(detail)

    def send_400_response(self, msg: str) -> None:
        """Send the refusal, close the connection, and read nothing more. uvicorn calls it, too."""
        running = self._running
        is_begun = bool(self.pipeline) or (running is not None and running.response_started)
        self._end_requests()
        if is_begun:
            self.transport.abort()  # anything written now would be part of that response
            return
        method, url = b"-", b"-"
        if self._has_begun and self.url:
            method, url = self.parser.get_method(), self.url
        self.transport.write(refusal(*self.refusal, self.client, method, url))
        self.transport.close()

    def _end_requests(self) -> None:
        """Have the app write nothing more: uvicorn ends the last request only, of several."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()

    def _is_responding(self) -> bool:
        return self._running is not None

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(self.header_timeout_s, self._time_out)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _time_out(self) -> None:
        self._header_timer = None
        if self.transport.is_closing():
            return
        if self.is_app_busy() or self._held:  # this server delays the rest of the header
            self._start_header_timer()
        elif self.header_open:
            detail = f"the header did not arrive within {self.header_timeout_s:g} s"
            self.refusal = (HTTPStatus.REQUEST_TIMEOUT, detail)
            self.send_400_response(detail)
        else:
            self.transport.close()  # the client has sent no request
