"""uvicorn's protocols with limits on what a client sends before the app sees the request.

uvicorn's HTTP parser, httptools, limits neither the header's size nor its time. The parser of its
WebSocket protocol ignores a handshake that it rejects: the client waits for an answer without end.

`python -m rover` passes these classes to uvicorn as `http=` and `ws=`. They find the limits of
connections, `ConnectionLimits`, in the state of the lifespan, if the app puts them there.
"""

# ruff: noqa: D102 # the methods without a docstring are those of uvicorn's protocols

from __future__ import annotations

import logging
import re
import socket
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from rover.asgi.close_frames import close_reason
from rover.asgi.connection_limits import RESERVED
from rover.asgi.request_ids import new_request_id
from rover.asgi.servers.uvicorn_refusals import refusal, refuse_handshake
from rover.asgi.servers.uvicorn_turns import SLICE_BYTES, HeldFlowControl, SlicedProtocol
from rover.errors import PoolFull
from rover.request import REQUEST_ID

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application, ASGIReceiveEvent
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from websockets.frames import Frame
    from websockets.http11 import Request, Response
    from websockets.typing import StatusLike

    from rover.asgi.connection_limits import Reservation

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

ABSOLUTE_FORM = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)([^#]*)", re.IGNORECASE)
"""A request target with the authority in group 1 (RFC 9112, 3.2.2)."""

HEADER_TIMEOUT_S = 10.0
"""Seconds from a request's first byte, or from the connection, to the end of its header."""

REQUEST_S = 0.0005
"""Estimated seconds of the app for a request."""

MESSAGE_S = 0.0001
"""Estimated seconds of the app for a WebSocket message."""

SLICE_MESSAGES = 8
"""Number of messages per slice of a WebSocket's data. The app handles them without a pause."""

MIN_SLICE_BYTES = 64
"""Minimum bytes of such a slice. They may hold 9 messages."""

MAX_EMPTY_FRAMES = 256
"""Number of pings, pongs and empty fragments of a WebSocket after which they are counted by time.

They cost time, and count for no other limit.
"""

EMPTY_FRAME_INTERVAL_S = 0.05
"""Minimum seconds between two of them then, on average."""

CLOSE_DELAY_S = 0.25
"""Seconds from a close frame to the close of the connection, if a WebSocket breaks a limit."""

UNREAD_TIMEOUT_S = 10.0
"""Seconds from a response to the end of its request's body, if the response came first."""

ARRIVAL_S = 0.005
"""Seconds from a reserved connection to its request, in which it is not aborted for another one."""

RESPONSE_S = 1.0
"""Seconds from the end of such a request to its response, in which it is not aborted."""

RESERVED_HEADER_TIMEOUT_S = 2.0
"""The same on a reserved connection, which others wait for."""


class _LimitError(Exception):
    """A request exceeds a limit. The parser reports it to uvicorn as a malformed request."""


class _ClientLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records have the address of a client as `client`.

    uvicorn's messages about malformed requests do not name it. Without the address, one could not
    see who floods the log.
    """

    @property
    def level(self) -> int:
        """The level of the logger, which uvicorn reads."""
        return self.logger.level


def is_tcp(transport: asyncio.Transport) -> bool:
    """Whether a connection is one of TCP. It has an address until the client resets it."""
    connection = transport.get_extra_info("socket")
    return connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6)


@lru_cache(1024)
def _logger_of(host: str) -> logging.Logger:
    """The logger for the connections of an address. They share it, to save memory."""
    return _ClientLogger(logging.getLogger("uvicorn.error"), {"client": host})  # type: ignore[return-value] # it has the methods that uvicorn calls


class BoundedHTTPProtocol(SlicedProtocol, HttpToolsProtocol):
    """uvicorn's HTTP protocol. It answers 414, 431 or 408 and closes the connection over a limit.

    If a response has already begun on this connection, the connection is aborted instead.

    The time between two requests is uvicorn's `timeout_keep_alive`.
    """

    header_timeout_s = HEADER_TIMEOUT_S
    unread_timeout_s = UNREAD_TIMEOUT_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusal = (HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")
        self._header_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._has_begun = False  # whether the first bytes of a request have arrived
        self._header_open = False
        self._body_open = False
        self._header_bytes = 0
        self._header_count = 0
        self._body_left = 0  # bytes, if the header has its length
        self._reserved: Reservation | None = None
        self._running: RequestResponseCycle | None = None  # that of the response being sent
        self._is_incomplete = False  # the header that is open arrived in part
        self._parsed = False  # whether the parser delivered something of the data received last
        self._unparsed_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = HeldFlowControl(transport, self.continue_parsing)
        self.logger = _logger_of(self.client[0] if self.client else "")
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
                # one turn of the loop more: what has arrived until then is read before
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
        return max(super().slice_bytes(), self._body_left)  # which takes no longer, as one piece

    def parse(self, data: bytes) -> None:
        self._parsed = False
        HttpToolsProtocol.data_received(self, data)
        if self.transport.is_closing() or self._turn_of is None:
            self._stop_header_timer()
            return
        if (
            self._limits is not None
            and self._header_open
            and not (self._is_incomplete or self._held)
        ):
            self._is_incomplete = True
            try:
                self._limits.set_incomplete(self.transport, True)
            except PoolFull as full:
                self._refusal = (HTTPStatus.SERVICE_UNAVAILABLE, str(full))
                self.send_400_response("")
                return
        if self._reserved and self._limits and (self._header_open or self._body_open):
            self._limits.protect(self.transport, 0.0)
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
        if self._reserved is not None:
            self.scope[RESERVED] = self._reserved  # type: ignore[literal-required]
        self._has_begun = self._parsed = self._header_open = True
        self._header_bytes = self._header_count = self._body_left = 0
        self._estimated_s += REQUEST_S

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
        if len(name) == len(b"content-length") and name.lower() == b"content-length":
            self._body_left = int(value) if value.isdigit() else 0
        if self._header_open:  # uvicorn would add trailers to the headers of the running request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._parsed, self._header_open, self._body_open = True, False, True
        self._stop_header_timer()
        if self._is_incomplete and self._limits is not None:
            self._is_incomplete = False
            self._limits.set_incomplete(self.transport, False)
        if target := ABSOLUTE_FORM.match(self.url):
            self._use_authority(target[1], target[2])
        super().on_headers_complete()
        if self._reserved is not None and self.cycle is not None:  # `None` for a WebSocket
            self.cycle.keep_alive = False  # another client may need the place

    def _use_authority(self, authority: bytes, path: bytes) -> None:
        """Replace the value of `Host` by the authority of the URL, which decides (RFC 9112, 3.2.2).

        uvicorn would ignore the authority, and the app would check another host than that which
        the client asked for.
        """
        self.url = path if path.startswith(b"/") else b"/" + path
        for position, (name, _) in enumerate(self.headers):
            if name == b"host":
                self.headers[position] = (name, authority)

    def on_body(self, body: bytes) -> None:
        self._parsed = True
        self._body_left = max(0, self._body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._parsed, self._body_open = True, False
        self._stop_unread_timer()
        if self._reserved and self._limits:
            self._limits.protect(self.transport, RESPONSE_S)
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
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
            self._refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        elif (version := self.parser.get_http_version()) != "1.1":  # RFC 6455, 4.1
            detail = f"a WebSocket requires version 1.1 of HTTP; this handshake has {version}"
            self._refusal = (HTTPStatus.BAD_REQUEST, detail)
        elif self._is_responding() or self.pipeline:
            detail = "a WebSocket handshake must wait for the responses to earlier requests"
            self._refusal = (HTTPStatus.BAD_REQUEST, detail)
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
        self.transport.write(refusal(*self._refusal, self.client, method, url))
        self.transport.close()

    def _end_requests(self) -> None:
        """Have the app write nothing more: uvicorn ends the last request only, of several."""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()

    def _is_responding(self) -> bool:
        return self._running is not None

    def _set_header_refusal(self) -> None:
        detail = f"the headers exceed {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes"
        self._refusal = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

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
        elif self._header_open:
            detail = f"the header did not arrive within {self.header_timeout_s:g} s"
            self._refusal = (HTTPStatus.REQUEST_TIMEOUT, detail)
            self.send_400_response(detail)
        else:
            self.transport.close()  # the client has sent no request


class BoundedWebSocketProtocol(SlicedProtocol, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol. It answers a handshake that its parser rejects with 400.

    The parser checks the size of a message while it inflates it, and before it has all of its
    fragments. uvicorn keeps each fragment, however small, as an object of its own, and answers each
    ping of a client that reads no answers; this class does not.
    """

    _app_has_messages = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_incomplete = False
        self._fragments = bytearray()
        self._empty_frames = 0.0  # one less after each interval
        self._empty_frame_at = 0.0
        self._slice_messages = 0
        self._slice_bytes = MIN_SLICE_BYTES
        self._is_ended = False
        self._reject = self.conn.reject
        self.conn.reject = self._reject_with_problem  # type: ignore[method-assign]

    @property
    def read_paused(self) -> bool:
        """Whether the app has not received all messages. uvicorn sets it, and reads on after."""
        return self._app_has_messages

    @read_paused.setter
    def read_paused(self, paused: bool) -> None:
        self._app_has_messages = paused
        if not paused and self.transport is not None:
            self.continue_parsing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave_turns()
        if self._limits is not None:
            self._limits.close(self.transport)
        super().connection_lost(exc)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.logger = _logger_of(self.client[0] if self.client else "")
        self.join_turns(None if self._limits is None else self._limits.client_of(transport))

    async def receive(self) -> ASGIReceiveEvent:
        event = await super().receive()
        self.pause_if_held()  # uvicorn resumes reading after the last message
        return event

    def is_app_busy(self) -> bool:
        return self._app_has_messages or self._is_ended

    def slice_bytes(self) -> int:
        return self._slice_bytes

    def parse(self, data: bytes) -> None:
        is_open, self._slice_messages = self.handshake_initiated, 0
        WebSocketsSansIOProtocol.data_received(self, data)
        if is_open:
            size = len(data) * SLICE_MESSAGES // (self._slice_messages or SLICE_MESSAGES // 2)
            self._slice_bytes = min(max(size, MIN_SLICE_BYTES), SLICE_BYTES)
        if not self.handshake_initiated:
            if self.conn.handshake_exc is not None:
                detail = "malformed WebSocket handshake"
                self.transport.write(refusal(HTTPStatus.BAD_REQUEST, detail, self.client))
                self.transport.close()
        elif self._limits is not None:
            is_incomplete = bool(self.frames or self.conn.reader.buffer)
            if is_incomplete != self._is_incomplete and not (is_incomplete and self._held):
                self._is_incomplete = is_incomplete
                try:
                    self._limits.set_incomplete(self.transport, is_incomplete)
                except PoolFull as full:
                    self._close(CloseCode.TRY_AGAIN_LATER, str(full))

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self._limits is None or self.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        if reservation := self._limits.reservation_of(self.transport):
            self.scope[RESERVED] = reservation  # type: ignore[literal-required]
        if self._limits.client_of(self.transport) is None:  # a proxy
            self.leave_turns()
            self.join_turns(self._limits.client_behind(self.scope, self.receive))  # type: ignore[arg-type] # Starlette's types of the same

    def _reject_with_problem(self, status: StatusLike, text: str) -> Response:
        response = self._reject(status, text)
        if getattr(self, "request", None) is None:  # malformed: `parse` responds
            return response
        if (scope := getattr(self, "scope", None)) is not None:  # uvicorn logs it
            return refuse_handshake(response, scope.get(REQUEST_ID, ""), self.client, "")
        path = self.request.path.partition("?")[0]
        return refuse_handshake(response, new_request_id(), self.client, path)

    def handle_text(self, event: Frame) -> None:
        super().handle_text(event)
        self._keep_fragment(event)

    def handle_bytes(self, event: Frame) -> None:
        super().handle_bytes(event)
        self._keep_fragment(event)

    def handle_cont(self, event: Frame) -> None:
        if not event.data and not event.fin:
            self._count_empty_frame()
        self._fragments += event.data
        if event.fin:
            self.frames = [bytes(self._fragments)]
            self._fragments = bytearray()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        pongs = self.conn.data_to_send()
        if self.writable.is_set():  # else the client does not read what is sent (RFC 6455, 5.5.3)
            self.transport.write(b"".join(pongs))
        self._count_empty_frame()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count_empty_frame()

    def send_receive_event_to_app(self) -> None:
        self._estimated_s += MESSAGE_S
        self._slice_messages += 1
        super().send_receive_event_to_app()

    def _keep_fragment(self, event: Frame) -> None:
        if not event.fin:
            self._fragments = bytearray(event.data)
            self.frames = [b""]  # a message is incomplete

    def _count_empty_frame(self) -> None:
        now_s = self.loop.time()
        earned = (now_s - self._empty_frame_at) / EMPTY_FRAME_INTERVAL_S
        self._empty_frames = max(0.0, self._empty_frames - earned) + 1
        self._empty_frame_at = now_s
        if self._empty_frames > MAX_EMPTY_FRAMES:
            reason = f"more than {1 / EMPTY_FRAME_INTERVAL_S:g} pings, pongs or empty fragments/s"
            self._close(CloseCode.POLICY_VIOLATION, reason)

    def handle_parser_exception(self) -> None:
        self._end()

    def _close(self, code: CloseCode, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, close_reason(reason))
            self._end()

    def _end(self) -> None:
        """Send the close frame, read nothing more, and close the connection a little later.

        If it were closed at once, the client's data that is not read would cause a reset, after
        which the client cannot read the close frame.
        """
        self._is_ended = True
        self._discard_held()
        self.transport.pause_reading()
        self.transport.write(b"".join(self.conn.data_to_send()))
        sent = self.conn.close_sent
        code, reason = (1006, "") if sent is None else (sent.code, sent.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_sent = True
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CLOSE_DELAY_S, self.transport.close)
