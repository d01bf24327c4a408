"""The camera: shows the newest frame of a video, and holds one now and then as an image."""

from __future__ import annotations

import time as clocks
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sources.base import Image, SourceError
from sources.values.held import time_id
from sources.values.held_camera import HeldCamera
from sources.values.ranges import POSITIVE_S, Range
from sources.video.decoder import decoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sources.video.wire import Frame

CHUNK_BYTES = 2**20
"""Maximum bytes of one chunk, the limit of the contract."""

SHOWN_FRAMES = 4
"""Number of the newest frames that can be read."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame and its description.

    Attributes:
        image: its description.
        data: JPEG.
    """

    image: Image
    data: bytes


class VideoCamera(HeldCamera):
    """The video of a file, a device (V4L2) or a URL (RTSP, MJPEG over HTTP …), read by FFmpeg.

    Its newest frame is shown in videos. One frame per `still_s` is held in memory as an image.

    Use it as an async context manager. It reads the video while somebody reads `new`.

    Args:
        place: a file, a device or a URL.
        fps: maximum number of frames per second, at most 30.
        width: maximum width in pixels; larger frames are scaled.
        still_s: seconds between two images; 0 for none.
        size: of the frames that a V4L2 device is asked for, such as `1280x720`.
        timeout_s: seconds without a frame after which the video is opened again.
        keep: maximum number of images that are held.
        memory_mib: maximum size of all images that are held.
        clock: seconds, monotonic.
        query: the query of the URL.

    Raises:
        SourceError: the place or an option is invalid.
    """

    def __init__(
        self,
        place: str,
        /,
        fps: float = 10.0,
        width: int = 1920,
        still_s: float = 60.0,
        size: str = "",
        timeout_s: float = 10.0,
        keep: int = 20,
        memory_mib: int = 64,
        *,
        clock: Callable[[], float] = clocks.monotonic,
        **query: str,
    ) -> None:
        if not place:
            raise SourceError("write a file, a device or a URL after `av:`")
        if query:
            place += "?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())
        self._place = _without_secrets(place)
        self._still_s = Range(at_least=0, unit="s").number("still_s", still_s)
        keep = Range(1, 10_000).whole("keep", keep)
        max_bytes = Range(1, 4096, "MiB").whole("memory_mib", memory_mib) * 2**20
        self._request = {
            "url": place,
            "fps": Range(0.01, 30).number("fps", fps),
            "width": Range(16, 7680, "pixels").whole("width", width),
            "size": size,
            "timeout_s": POSITIVE_S.number("timeout_s", timeout_s),
        }
        super().__init__(keep, max_bytes)
        self._shown: deque[ShownFrame] = deque(maxlen=SHOWN_FRAMES)
        self._number = 0
        self._clock = clock

    async def image(self, image_id: str) -> Image | None:
        """The image or the frame with that id; `None` if newer ones have replaced it."""
        shown = self._find(image_id)
        return self._held.get(image_id) if shown is None else shown.image

    async def frame(self) -> Image | None:
        """The newest frame. When the video ends, it stays, with its time."""
        return self._shown[-1].image if self._shown else None

    async def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of an image or a frame, even if newer ones replace it meanwhile."""
        if shown := self._find(image_id):
            for position in range(start, len(shown.data), CHUNK_BYTES):
                yield shown.data[position : position + CHUNK_BYTES]
            return
        async for chunk in self._held.open(image_id, start):
            yield chunk

    async def _receive(self, announce: Callable[[str], None]) -> None:
        still_at = self._clock()
        async with aclosing(decoded(self._request, self._place)) as frames:
            async for frame in frames:
                self._receptions.note_contact()
                self._show(frame)
                if self._still_s and self._clock() >= still_at:
                    still_at = self._clock() + self._still_s
                    image = self._held.add_whole(frame.data, frame.t, frame.t)
                    if image is not None:
                        announce(image.id)

    def _show(self, frame: Frame) -> None:
        self._number += 1
        image = Image(
            f"frame-{time_id(frame.t)}.jpg",
            "image/jpeg",
            size=len(frame.data),
            received=len(frame.data),
            complete=True,
            revision=str(self._number),
            taken_at=frame.t,
            received_at=frame.t,
            width=frame.width,
            height=frame.height,
        )
        self._shown.append(ShownFrame(image, frame.data))

    def _find(self, image_id: str) -> ShownFrame | None:
        return next((one for one in self._shown if one.image.id == image_id), None)


def _without_secrets(place: str) -> str:
    """The place without the credentials and the query of a URL."""
    if "://" not in place:
        return place
    try:
        parts = urlsplit(place)
    except ValueError as exc:
        raise SourceError(f"not a URL: {exc}") from exc
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
