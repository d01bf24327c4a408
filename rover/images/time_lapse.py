"""A video of past images, which is encoded while it is sent."""

from __future__ import annotations

import importlib.util
import json
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from anyio import BrokenResourceError, ClosedResourceError, EndOfStream, create_task_group

from rover.errors import FormatMissing, NoDataYet, NoThumbnail
from rover.images.gallery import ImageFilter
from rover.images.thumbnails import read_all
from sources.base import SourceError, UnknownImage
from sources.values.child import child, reason_of_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import Process

    from rover.images.cameras import Cameras, Shot

MAX_FRAMES = 5_000
"""Maximum number of images in a time lapse."""

MAX_CHOSEN = 100_000
"""Maximum number of images of a span among which they are chosen."""

HEAD = struct.Struct(">II")
"""Bytes of the layout and of the image that follow."""


class TimeLapse:
    """The images of a time lapse.

    Args:
        cameras: have the images.
        shots: the images, oldest first.
        fps: images per second.
        width: maximum width in pixels.

    Attributes:
        shots: the same.
    """

    def __init__(self, cameras: Cameras, shots: Sequence[Shot], fps: int, width: int) -> None:
        self.shots = shots
        self._cameras = cameras
        self._request = {"fps": fps, "width": width}

    @classmethod
    async def of(
        cls,
        cameras: Cameras,
        camera: str,
        since: float | None,
        until: float | None,
        frames: int,
        fps: int,
        width: int,
        *,
        first: str | None = None,
        last: str | None = None,
    ) -> TimeLapse:
        """The time lapse of a span.

        Args:
            cameras: have the images.
            camera: the name of the camera.
            since: POSIX seconds of the earliest arrival; `None` for any.
            until: POSIX seconds before which images arrived; `None` for now.
            frames: maximum number of images; of more, some are left out evenly.
            fps: images per second.
            width: maximum width in pixels.
            first: the id of the first image; `None` for any.
            last: the id of the last image; `None` for any. The two may change places.

        Raises:
            FormatMissing: the encoder is not installed.
            NoDataYet: there is no complete image in the span.
            UnknownImage: the first or the last image is not in the span.
        """
        if importlib.util.find_spec("av") is None:
            raise FormatMissing("MP4", "av")
        chosen = ImageFilter(since, until, states={"complete"})
        shots, _ = await cameras.page(MAX_CHOSEN, chosen, None, camera)
        shots = _between(shots, first, last)
        if not shots:
            raise NoDataYet("no complete image arrived in this span")
        count = min(len(shots), frames)
        newest_first = [shots[n * len(shots) // count] for n in range(count)]
        return cls(cameras, newest_first[::-1], fps, width)

    @asynccontextmanager
    async def encoded(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of the video, an MP4 with one fragment per image.

        Images that cannot be read or decoded are left out. The end of the block ends the encoder.

        Raises:
            SourceError: the encoder failed. The parts before are incomplete.
        """
        failure = None
        async with child("rover.images.lapse_encoder") as process:
            async with create_task_group() as tasks:
                tasks.start_soon(self._feed, process)
                try:
                    yield _parts(process)
                except SourceError as exc:  # which the task group would put into a group
                    failure = exc
                tasks.cancel_scope.cancel()
            if failure is not None:
                raise failure

    async def _feed(self, process: Process) -> None:
        """Send the images to the encoder, each when it is ready for it."""
        assert process.stdin is not None  # noqa: S101 # it is a pipe
        with suppress(BrokenResourceError, ClosedResourceError):  # its end is reported by `_parts`
            await process.stdin.send(json.dumps(self._request).encode() + b"\n")
            for shot in self.shots:
                try:
                    data = await read_all(self._cameras.images[shot.camera], shot.image)
                except (NoThumbnail, SourceError):
                    continue
                layout = str(shot.image.metadata.get("layout") or "").encode()
                await process.stdin.send(HEAD.pack(len(layout), len(data)) + layout)
                await process.stdin.send(data)
            await process.stdin.aclose()


def _between(shots: Sequence[Shot], first: str | None, last: str | None) -> Sequence[Shot]:
    """The shots from one image to another; both are the newest first."""
    places = {shot.image.id: place for place, shot in enumerate(shots)}
    for image_id in (first, last):
        if image_id is not None and image_id not in places:
            raise UnknownImage(image_id)
    newest = 0 if last is None else places[last]
    oldest = len(shots) - 1 if first is None else places[first]
    return shots[min(newest, oldest) : max(newest, oldest) + 1]


async def _parts(process: Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 # it is a pipe
    with suppress(EndOfStream):
        while True:
            yield await process.stdout.receive()
    if reason := await reason_of_end(process):
        raise SourceError(f"the time lapse cannot be encoded: {reason}")
