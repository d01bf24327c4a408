"""Common to videos and time lapses: the number of viewers is limited, and shutdown ends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from rover.asgi.connected import while_connected
from rover.identity import IDENTITY

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rover.asgi.connected import Connected
    from rover.asgi.connections import Connections
    from rover.images.frames import Frames
    from rover.shares import Pool


class ViewerResponse(ABC):
    """An ASGI app that sends a video of unknown length to one viewer.

    Args:
        frames: ends the response at shutdown.
        connections: ends the response of a client that loses its access.
        pool: limits the viewers.
        client: the viewer, for the share of the limit.
    """

    def __init__(
        self, frames: Frames, connections: Connections, pool: Pool, client: str | None
    ) -> None:
        self._frames = frames
        self._connections = connections
        self._pool = pool
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the video until its end, its client's end, or the shutdown of the server.

        A client ends it when it disconnects, reads no data or loses its access.

        Raises:
            AccessEnded: the client has lost its access before the response begins.
            PoolFull: there are too many viewers.
        """
        start = {"type": "http.response.start", "status": 200, "headers": self._headers()}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        grants = self._connections.grants
        grants.check(scope.get(IDENTITY))
        with self._pool.hold(self._client):
            await send(start)
            async with while_connected(scope, receive, grants) as viewer:
                self._frames.viewers.add(viewer.cancel_scope)
                try:
                    with self._connections.watch(scope, receive, viewer.cancel_scope.cancel) as one:
                        await self._send_body(one.timed(send))
                finally:
                    self._frames.viewers.discard(viewer.cancel_scope)
        await self._end(viewer, scope, receive, send)

    @abstractmethod
    def _headers(self) -> list[tuple[bytes, bytes]]: ...

    @abstractmethod
    async def _send_body(self, send: Send) -> None:
        """Send the video; cancelled when the viewer disconnects or loses its access."""

    @abstractmethod
    async def _end(self, viewer: Connected, scope: Scope, receive: Receive, send: Send) -> None:
        """End the response, also after `_send_body` was cancelled."""
