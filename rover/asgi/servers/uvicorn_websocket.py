"""uvicorn's WebSocket protocol with limits on what a client sends before the app sees it.

The parser of uvicorn ignores a handshake that it rejects: the client waits for an answer without
end.
"""

# ruff: noqa: D102 # the methods without a docstring are those of uvicorn's protocols

from __future__ import annotations

import os
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from rover.asgi.close_frames import close_reason
from rover.asgi.connection_limits import RESERVED
from rover.asgi.outputs import TRANSPORT
from rover.asgi.request_ids import new_request_id
from rover.asgi.servers.uvicorn_clients import logger_of
from rover.asgi.servers.uvicorn_output import WebSocketOutput
from rover.asgi.servers.uvicorn_refusals import refusal, refuse_handshake
from rover.asgi.servers.uvicorn_turns import SLICE_BYTES, SlicedProtocol
from rover.errors import PoolFull
from rover.request import REQUEST_ID

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGIReceiveEvent
    from websockets.frames import Frame
    from websockets.http11 import Request, Response
    from websockets.typing import StatusLike

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

MAX_HELD_BYTES = 64 * 1024
"""Bytes of a WebSocket that the server takes from the network before the app receives the messages.

The kernel discards what is not taken when a client closes its socket without reading everything.
"""

CLOSE_DELAY_S = 0.25
"""Seconds from a close frame to the close of the connection, if a WebSocket breaks a limit."""


class BoundedWebSocketProtocol(SlicedProtocol, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol. It answers a handshake that its parser rejects with 400.

    The parser checks the size of a message while it inflates it, and before it has all of its
    fragments. uvicorn keeps each fragment, however small, as an object of its own, and answers each
    ping of a client that reads no answers; this class does not.

    However the connection ends, the app receives the messages that arrived before, and then the
    end.
    """

    max_held_bytes = MAX_HELD_BYTES
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
        self._is_app_running = False
        self._is_app_waiting = False
        self._has_eof = False
        self._lost: tuple[Exception | None] | None = None  # with why the connection was lost
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
        if self._limits is not None:
            self._limits.close(self.transport)
        self._lost = (exc,)
        if self._is_app_running and self.scheme == "ws" and not self.is_over():
            self._take_from_kernel()
        self.stop_keepalive()
        self.disconnected = True  # `send` raises
        self.writable.set()
        self._end_if_parsed()

    def _take_from_kernel(self) -> None:
        """Hold what the kernel still has, as after a write that failed."""
        fd = self.transport.get_extra_info("socket").fileno()
        with suppress(OSError):  # there is nothing, or the client has reset the connection
            while self.held_bytes <= self.max_held_bytes and (data := os.read(fd, MAX_HELD_BYTES)):
                self.data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        self._has_eof = True
        self._end_if_parsed()
        return self._is_app_running and self.scheme == "ws"  # a TLS connection closes anyway

    def _end_if_parsed(self) -> None:
        """Send the end to the app, after all messages that arrived."""
        if self._held and self._is_app_running and not self.is_over():
            return
        if self._lost is not None:
            (exc,), self._lost = self._lost, None
            self.leave_turns()
            super().connection_lost(exc)
        elif self._has_eof and self._is_app_waiting and self.queue.empty():
            self.transport.close()

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self._is_app_running = False
            self._end_if_parsed()

    def keepalive_timeout(self) -> None:
        if self._held:  # the pong may be in it
            self.pong_timer = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.logger = logger_of(self.client[0] if self.client else "")
        self.join_turns(None if self._limits is None else self._limits.client_of(transport))

    async def receive(self) -> ASGIReceiveEvent:
        self._is_app_waiting = True
        self._end_if_parsed()
        event = await super().receive()
        self._is_app_waiting = False
        self.pause_if_held()  # uvicorn resumes reading after the last message
        return event

    def is_app_busy(self) -> bool:
        return self._app_has_messages or self._is_ended

    def must_wait(self) -> bool:
        return self._is_ended

    def is_over(self) -> bool:
        has_ended = self._is_ended or self.close_sent or self.conn.close_rcvd is not None
        return self.transport.is_closing() and (has_ended or not self._is_app_running)

    def slice_bytes(self) -> int:
        return self._slice_bytes

    def parse_slice(self) -> float:
        estimated_s = super().parse_slice()
        self._end_if_parsed()
        return estimated_s

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
        if self.response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        self._is_app_running = True
        self.scope["extensions"][TRANSPORT] = WebSocketOutput(self)  # type: ignore[assignment] # any
        if self._limits is None:
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
        # else the client does not read what is sent (RFC 6455, 5.5.3)
        if self.writable.is_set() and not self.transport.is_closing():
            self.transport.write(b"".join(pongs))
        self._count_empty_frame()

    def handle_pong(self, event: Frame) -> None:
        super().handle_pong(event)
        self._count_empty_frame()

    def send_receive_event_to_app(self) -> None:
        self._estimated_s += MESSAGE_S
        self._slice_messages += 1
        self._app_has_messages = not self.close_sent  # uvicorn would stop reading
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
