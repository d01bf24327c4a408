"""The newest images of a camera as `multipart/x-mixed-replace`, which browsers show as a video.

A viewer that reads slowly skips to the newest image: no image waits in memory for it.

Source: RFC 2046, 5.1 (multipart).
"""

from __future__ import annotations

import logging
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from anyio import CancelScope, move_on_after, sleep

from rover.asgi.viewer_response import ViewerResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from rover.asgi.connected import Connected
    from rover.asgi.connections import Connections
    from rover.images.frames import Frame, Frames
    from rover.images.images import Images
    from rover.shares import Pool

logger = logging.getLogger("rover.images")

REPEAT_S = 0.5
"""Seconds after which an image is sent once more if no other has followed it.

Chromium shows an image only when the headers of the next part arrive.
"""

PIECE_BYTES = 2**17
"""Maximum bytes of a frame that are sent at once."""

BOUNDARY = b"cosmic-rover-frame"

END = b"\r\n--" + BOUNDARY
"""The end of a frame."""

HEADERS = [
    (b"content-type", b"multipart/x-mixed-replace; boundary=" + BOUNDARY),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # else nginx buffers the images
    (b"x-content-type-options", b"nosniff"),
]


class VideoResponse(ViewerResponse):
    """An ASGI app that sends the newest image of a camera whenever there is a new one.

    Args:
        images: those of the camera.
        frames: see `ViewerResponse` for this and the next three.
        hz: maximum number of images per second.
        width: maximum width in pixels; `None` for the images' own.
    """

    def __init__(
        self,
        images: Images,
        frames: Frames,
        connections: Connections,
        pool: Pool,
        client: str | None,
        hz: float,
        width: int | None,
    ) -> None:
        super().__init__(frames, connections, pool, client)
        self._images = images
        self._period_s = 1 / hz
        self._width = width

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return HEADERS

    async def _end(self, viewer: Connected, scope: Scope, receive: Receive, send: Send) -> None:
        with CancelScope(), move_on_after(1) as ending:
            await send({"type": "http.response.body", "body": b"--" + BOUNDARY + b"--\r\n"})
        if ending.cancelled_caught:
            self._connections.abort(receive)
        else:
            self._connections.end(receive)

    async def _send_body(self, send: Send) -> None:
        # the boundary after an image shows browsers that it is complete
        await send({"type": "http.response.body", "body": b"--" + BOUNDARY, "more_body": True})
        shown: Frame | None = None
        repeat_at: float | None = None
        while True:
            began = monotonic()
            frame = await self._frames.newest(self._images, self._width)
            is_new = frame is not shown
            if frame is not None and (is_new or (repeat_at is not None and began >= repeat_at)):
                for body in pieces(frame):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                shown, repeat_at = frame, began + REPEAT_S if is_new else None
                self._images.sent_bytes += len(frame.data)
            await sleep(max(self._period_s - (monotonic() - began), 0))


def pieces(frame: Frame) -> Iterator[bytes]:
    """A frame with its headers and the boundary that follows it.

    The server holds one piece for a viewer that reads slowly, where it would copy a whole frame.
    """
    t, data = frame.image.received_at, frame.data
    stamp = "" if t is None or t == inf else f"X-Timestamp: {t:.3f}\r\n"
    head = f"\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n{stamp}\r\n"
    for start in range(0, len(data), PIECE_BYTES):
        end = start + PIECE_BYTES
        before = b"" if start else head.encode()
        yield b"".join((before, data[start:end], b"" if end < len(data) else END))
