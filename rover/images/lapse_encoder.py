"""Encodes a time lapse in a process of its own: `python -m rover.images.lapse_encoder`.

It reads images from standard input (`time_lapse.packed`), after a line of JSON with `fps` and
`width`, and writes an MP4 with one fragment per image to standard output.

Source: ISO/IEC 14496-12, 8.8 (movie fragments).
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import av
import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from rover.images.scaling import NotScalable, decoded
from rover.images.time_lapse import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import OutputContainer

NICENESS = 10
"""Added to the priority of this process: the server goes first."""

KEY_FRAME_S = 2
"""Seconds of video between two frames at which a player can begin."""

OPTIONS = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
"""One fragment per frame, and nothing that is filled in at the end: the file is a stream."""

CODEC = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "threads": "1"}


class Output:
    """A file that cannot be repositioned, as FFmpeg uses it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        """Write all of the data."""
        written = self._file.write(data)
        self._file.flush()
        return written


class Encoder:
    """Adds images to a video. The first one decides its size; others are fitted into it.

    Args:
        container: of the video.
        fps: images per second.
        width: maximum width in pixels.
    """

    def __init__(self, container: OutputContainer, fps: int, width: int) -> None:
        self._container = container
        self._fps = fps
        self._width = width
        self._stream: Any = None

    def add(self, data: bytes, layout: str) -> None:
        """Add an image.

        Raises:
            NotScalable: it cannot be decoded.
        """
        image = decoded(data, self._width, layout or None).convert("RGB")
        if self._stream is None:
            stream: Any = self._container.add_stream("libx264", rate=self._fps, options=CODEC)
            stream.width, stream.height = (max(2, side // 2 * 2) for side in image.size)
            stream.pix_fmt, stream.gop_size = "yuv420p", KEY_FRAME_S * self._fps
            self._stream = stream
        size = self._stream.width, self._stream.height
        if image.size != size:
            image = ImageOps.pad(image, size, Pillow.Resampling.LANCZOS)
        self._container.mux(
            self._stream.encode(av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24"))
        )

    def end(self) -> bool:
        """End the video; whether it has an image."""
        if self._stream is None:
            return False
        self._container.mux(self._stream.encode())
        return True


def encode(request: dict[str, Any], images: Iterator[tuple[bytes, str]], output: BinaryIO) -> bool:
    """Write a video of the images that can be decoded; whether there is one."""
    with av.open(Output(output), "w", format="mp4", options=OPTIONS) as container:
        encoder = Encoder(container, **request)
        for data, layout in images:
            with suppress(NotScalable):
                encoder.add(data, layout)
        return encoder.end()


def images_in(file: BinaryIO) -> Iterator[tuple[bytes, str]]:
    """The images and their layouts."""
    while len(head := file.read(HEAD.size)) == HEAD.size:
        layout_bytes, data_bytes = HEAD.unpack(head)
        layout = file.read(layout_bytes).decode()
        yield file.read(data_bytes), layout


def main() -> None:
    """Serve one request."""
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])  # uvloop passes its pipes on
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    av.logging.set_level(None)
    request = json.loads(sys.stdin.buffer.readline())
    with suppress(BrokenPipeError):  # the server has ended
        if not encode(request, images_in(sys.stdin.buffer), sys.stdout.buffer):
            sys.exit("no image can be decoded")


if __name__ == "__main__":
    main()
