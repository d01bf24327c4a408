"""A time lapse as an MP4, which is encoded while it is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rover.asgi.viewer_response import ViewerResponse
from sources.base import SourceError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from rover.asgi.connected import Connected
    from rover.asgi.connections import Connections
    from rover.images.frames import Frames
    from rover.images.time_lapse import TimeLapse
    from rover.shares import Pool

logger = logging.getLogger("rover.images")


class TimeLapseResponse(ViewerResponse):
    """An ASGI app that sends a time lapse. It is encoded no faster than the client reads.

    Args:
        lapse: the images.
        frames: see `ViewerResponse` for this and the others.
    """

    def __init__(
        self,
        lapse: TimeLapse,
        frames: Frames,
        connections: Connections,
        pool: Pool,
        client: str | None,
    ) -> None:
        super().__init__(frames, connections, pool, client)
        self._lapse = lapse
        self._is_complete = False

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", b"video/mp4"),
            (b"content-disposition", b'attachment; filename="time-lapse.mp4"'),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"x-frames", str(len(self._lapse.shots)).encode()),
        ]

    async def _end(self, viewer: Connected, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_complete:
            await send({"type": "http.response.body", "body": b""})
            self._connections.end(receive)
        elif not viewer.has_disconnected:
            await self._connections.end_incomplete(scope, receive)

    async def _send_body(self, send: Send) -> None:
        try:
            async with self._lapse.encoded() as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            self._is_complete = True
        except SourceError as exc:
            logger.warning("%s", exc)
