"""The part of uvicorn's protocols that parses what arrives in slices, in the client's turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

from rover.asgi.connection_limits import LIMITS
from rover.asgi.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rover.asgi.connection_limits import ConnectionLimits
    from rover.asgi.turns import Client

SLICE_BYTES = 2048
"""Bytes that are parsed before the time is checked. They may hold 340 frames or 80 requests."""


class SlicedProtocol(asyncio.Protocol):
    """Holds what arrives, and parses it when it is the client's turn.

    The connection is not read while more than `max_held_bytes` are held. uvicorn resumes reading
    when the app has taken what was parsed: each subclass calls `continue_parsing` then, and
    `pause_if_held` afterwards.
    """

    max_held_bytes = 0

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    app_state: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits: ConnectionLimits | None = self.app_state.get(LIMITS)
        self._turns = Turns() if self._limits is None else self._limits.turns
        self._turn_of: Client | None = None
        self._held = b""
        self._parsed_bytes = 0  # of those that are held
        self._estimated_s = 0.0
        self._is_blocked = False

    @property
    def held_bytes(self) -> int:
        """Bytes that are not parsed yet."""
        return len(self._held) - self._parsed_bytes

    @property
    def can_parse(self) -> bool:
        """Whether there are such bytes, and the app waits for the messages in them."""
        return bool(self._held) and not self.is_app_busy()

    def is_app_busy(self) -> bool:
        """Whether the app has not taken what was parsed before."""
        raise NotImplementedError

    def must_wait(self) -> bool:
        """Whether nothing is read from the network until the app has taken what was parsed."""
        return self.is_app_busy()

    def is_over(self) -> bool:
        """Whether nothing more is to be parsed."""
        return self.transport.is_closing()

    def parse(self, data: bytes) -> None:
        """Have uvicorn parse data; add the app's time for it to `_estimated_s`."""
        raise NotImplementedError

    def slice_bytes(self) -> int:
        """Bytes to parse next."""
        return SLICE_BYTES

    def join_turns(self, client: str | None) -> None:
        """Take turns with the other connections of a client; `None` if it is unknown."""
        self._turn_of = self._turns.join(self if client is None else client, self)

    def data_received(self, data: bytes) -> None:
        """Parse the data now or later."""
        if self._turn_of is None:  # refused
            return
        if self._held:
            data = self._held[self._parsed_bytes :] + data
        self._held, self._parsed_bytes = data, 0
        self._turns.read(self._turn_of, self)
        self.pause_if_held()

    def pause_if_held(self) -> None:
        """Read nothing more until enough is parsed."""
        if self.held_bytes > self.max_held_bytes or self._is_blocked:
            self.transport.pause_reading()

    def continue_parsing(self) -> bool:
        """Parse what is held in the next turn, if the app waits for it.

        Returns:
            Whether the connection must not be read yet.
        """
        if self.can_parse and self._turn_of is not None:
            self._turns.wait(self._turn_of, self)
        return bool(self._held) or self._is_blocked

    def parse_slice(self) -> float:
        """Parse some of the held bytes; returns the estimated seconds that the app needs."""
        start, size = self._parsed_bytes, self.slice_bytes()
        part = self._held[start : start + size]  # not copied if it is everything
        self._parsed_bytes += len(part)
        if self._parsed_bytes == len(self._held):
            self._discard_held()
        self._estimated_s = 0.0
        try:
            self.parse(part)
        except Exception as exc:  # as a transport handles it
            self.loop.call_exception_handler(
                {"message": "cannot parse", "exception": exc, "protocol": self}
            )
            self.transport.abort()
        if self.is_over():
            self._discard_held()
        if self.held_bytes <= self.max_held_bytes:
            self._resume_reading()
        return self._estimated_s

    def set_blocked(self, blocked: bool) -> None:
        """Stop reading from the network, or go on."""
        self._is_blocked = blocked
        if blocked:
            self.transport.pause_reading()
        else:
            self._resume_reading()

    def leave_turns(self) -> None:
        """Parse nothing more."""
        self._discard_held()
        if self._turn_of is not None:
            self._turns.leave(self._turn_of, self)
            self._turn_of = None

    def _discard_held(self) -> None:
        self._held, self._parsed_bytes = b"", 0

    def _resume_reading(self) -> None:
        if self._turn_of is not None and not (
            self.held_bytes > self.max_held_bytes
            or self._is_blocked
            or self.must_wait()
            or self.transport.is_closing()
        ):
            self.transport.resume_reading()


class HeldFlowControl(FlowControl):
    """uvicorn's flow control of a request, which parses what is held before it resumes reading.

    Args:
        transport: of the connection.
        continue_parsing: that of the protocol.
    """

    def __init__(self, transport: asyncio.Transport, continue_parsing: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._continue_parsing = continue_parsing

    def resume_reading(self) -> None:
        """Read what follows, after what is held."""
        if self.read_paused:
            self.read_paused = False
            if not self._continue_parsing():
                self._transport.resume_reading()
