"""A response to a client that may stall."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from rover.asgi.backlog import backlog_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Send

    from rover.asgi.servers.uvicorn import Transport
    from rover.stalls import Backlog


class Watched:
    """A response to one client, for `Connections.run`.

    Args:
        name: for the log.
        transport: of the connection; `None` if the server does not expose it.
        stop: ends the response if the client stalls.

    Attributes:
        name: the same.
        transport: the same.
        stop: the same.
        sending_since: see `Sender`.
    """

    def __init__(self, name: str, transport: Transport | None, stop: Callable[[], None]) -> None:
        self.name = name
        self.transport = transport
        self.stop = stop
        self.sending_since = inf

    @property
    def backlog(self) -> Backlog:
        """See `Sender`."""
        return backlog_of(self.transport)

    def timed(self, send: Send) -> Send:
        """A `send` that notes since when it waits for the client."""

        async def timed_send(message: Message) -> None:
            self.sending_since = monotonic()
            await send(message)
            self.sending_since = inf

        return timed_send
