"""A time lapse as an MP4, which is encoded while it is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anyio import create_task_group, move_on_after

from rover.asgi.connections import wait_for_disconnect
from rover.identity import IDENTITY
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio import CancelScope
    from starlette.types import Receive, Scope, Send

    from rover.asgi.connections import Connections
    from rover.images.frames import Frames
    from rover.images.time_lapse import TimeLapse
    from rover.shares import Pool

logger = logging.getLogger("rover.images")


class TimeLapseResponse:
    """An ASGI app that sends a time lapse. It is encoded no faster than the client reads.

    Args:
        lapse: the images.
        frames: ends the response at shutdown, as a video.
        connections: ends the response of a client that loses its access.
        pool: limits the time lapses.
        client: who reads it, for the share of the limit.
    """

    def __init__(
        self,
        lapse: TimeLapse,
        frames: Frames,
        connections: Connections,
        pool: Pool,
        client: str | None,
    ) -> None:
        self._lapse = lapse
        self._frames = frames
        self._connections = connections
        self._pool = pool
        self._client = client
        self._is_complete = self._is_disconnected = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the video, until the client disconnects or stalls, or the server shuts down.

        Raises:
            AccessEnded: the client has lost its access before the response begins.
            PoolFull: the client reads another time lapse, or too many are read.
        """
        headers = [
            (b"content-type", b"video/mp4"),
            (b"content-disposition", b'attachment; filename="time-lapse.mp4"'),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"x-frames", str(len(self._lapse.shots)).encode()),
        ]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        grants, identity = self._connections.grants, scope.get(IDENTITY)
        grants.check(identity)
        with self._pool.hold(self._client):
            self._connections.limit_unacknowledged(receive)
            await send(start)
            async with create_task_group() as tasks:
                sending = tasks.cancel_scope
                self._frames.viewers.add(sending)
                try:
                    tasks.start_soon(self._watch, receive, sending)
                    with grants.hold(identity, lambda _: sending.cancel()):
                        await self._send_parts(send)
                finally:
                    self._frames.viewers.discard(sending)
                    sending.cancel()
        if self._is_complete:
            await send({"type": "http.response.body", "body": b""})
            self._connections.end(receive)
        elif not self._is_disconnected:
            await self._connections.end_incomplete(scope, receive)

    async def _watch(self, receive: Receive, sending: CancelScope) -> None:
        await wait_for_disconnect(receive)
        self._is_disconnected = True
        sending.cancel()

    async def _send_parts(self, send: Send) -> None:
        try:
            async with self._lapse.encoded() as parts:
                self._is_complete = await self._sent(parts, send)
        except SourceError as exc:
            logger.warning("%s", exc)

    async def _sent(self, parts: AsyncIterator[bytes], send: Send) -> bool:
        """Send all parts; whether the client has read them."""
        async for part in parts:
            with move_on_after(self._connections.timeout_s) as reading:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            if reading.cancelled_caught:
                logger.info("aborted a client that read no data of a time lapse")
                return False
        return True
