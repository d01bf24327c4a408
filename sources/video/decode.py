"""Decodes a video in a process of its own: `python -m sources.video.decode`.

A damaged or hostile video can crash or hang the libraries of FFmpeg. Here that ends only this
process. It reads a request as JSON from standard input: `url`, `fps`, `width`, `size`, `timeout_s`
and `query`. It writes frames (`wire`) until the video ends or the server closes the pipe.

A recording, which has a duration, is played at its own speed, again and again.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO

import av
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from PIL import Image as Pillow

from sources.video.wire import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

QUALITY = 80
"""Of the JPEG encoder, 0 to 100."""

MAX_PIXELS = 80_000_000
"""Maximum number of pixels of a frame."""

TABLES = b"\xff\xc4"
"""The marker of the Huffman tables, which some cameras leave out. Browsers need them."""

TABLES_WITHIN = 4096


class Player:
    """Yields the frames of a video.

    Args:
        url: a file, a device or a URL, as FFmpeg names it.
        fps: maximum number of frames per second.
        width: maximum width in pixels.
        size: of the frames that a device is asked for, such as `1280x720`; empty for its own.
        timeout_s: seconds without data after which reading fails.
    """

    def __init__(self, url: str, fps: float, width: int, size: str, timeout_s: float) -> None:
        self._url = url
        self._period_s = 1 / fps
        self._width = width
        self._size = size
        self._timeout_s = timeout_s
        self._next_t = 0.0

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the video ends.

        Raises:
            FFmpegError: it cannot be read.
            TimeoutError: it does not answer.
        """
        with self._opened() as container:
            stream = container.streams.video[0]
            is_recording = container.duration is not None
            stream.thread_type = "AUTO" if is_recording else "SLICE"  # by frame, they add delay
            while True:
                yield from self._play(container, stream, at_own_speed=is_recording)
                if not is_recording:
                    return
                time.sleep(self._period_s)  # one image would else be read without a pause
                container.seek(0)

    def _opened(self) -> InputContainer:
        options = {"rtsp_transport": "tcp"} if self._url.startswith("rtsp") else {}
        form = None
        if self._url.startswith("/dev/video"):
            form = "v4l2"
            options = {"video_size": self._size} if self._size else {}
        began = time.monotonic()
        try:
            return av.open(self._url, format=form, options=options, timeout=self._timeout_s)
        except FFmpegError as exc:  # after a timeout, its text is about invalid data
            if time.monotonic() - began >= self._timeout_s:
                raise TimeoutError(f"no answer for {self._timeout_s:g} s") from exc
            raise

    def _play(
        self, container: InputContainer, stream: VideoStream, *, at_own_speed: bool
    ) -> Iterator[Frame]:
        began, first = time.monotonic(), None
        for packet in container.demux(stream):
            for item in self._items(packet):
                if at_own_speed and item.pts is not None and item.time_base is not None:
                    at = float(item.pts * item.time_base)
                    first = at if first is None else first
                    time.sleep(max(0.0, began + at - first - time.monotonic()))
                now = time.time()
                if now >= self._next_t:
                    self._next_t = max(self._next_t + self._period_s, now - self._period_s)
                    yield self._frame(item, now)

    def _items(self, packet: Packet[VideoStream]) -> Sequence[VideoFrame | Packet[VideoStream]]:
        """The frames of a packet; the packet itself if it is a JPEG that can be shown as it is."""
        context = packet.stream.codec_context
        is_small_jpeg = context.name == "mjpeg" and context.width <= self._width
        if is_small_jpeg and TABLES in bytes(packet)[:TABLES_WITHIN]:
            return [packet]
        try:
            return packet.decode()  # also of frames that are not shown: others need them
        except InvalidDataError:
            return []  # a lost or damaged packet; the next key frame is whole again

    def _frame(self, item: VideoFrame | Packet[VideoStream], now: float) -> Frame:
        if isinstance(item, VideoFrame):
            return self._encoded(item, now)
        context = item.stream.codec_context
        return Frame(now, context.width, context.height, bytes(item))

    def _encoded(self, image: VideoFrame, now: float) -> Frame:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"its frames have more than {MAX_PIXELS:,} pixels")
        width = min(image.width, self._width)
        height = max(1, round(image.height * width / image.width))
        pixels = image.to_ndarray(width=width, height=height, format="rgb24")
        Pillow.fromarray(pixels).save(out := io.BytesIO(), "JPEG", quality=QUALITY)
        return Frame(now, width, height, out.getvalue())


def write_frames(request: dict[str, Any], output: BinaryIO) -> str:
    """Write frames until the video ends; returns the reason."""
    try:
        for frame in Player(**request).frames():
            output.write(bytes(frame))
            output.flush()
    except FFmpegError as exc:
        return exc.strerror or type(exc).__name__  # its text may have the URL with a password
    except IndexError:
        return "it has no video"
    except (ValueError, TimeoutError) as exc:
        return str(exc)
    return "the video ended"


def main() -> int:
    """Serve one request; return the exit status."""
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])  # uvloop passes its pipes on
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    av.logging.set_level(None)
    try:
        reason = write_frames(json.load(sys.stdin), sys.stdout.buffer)
    except BrokenPipeError:  # the server has ended
        os._exit(1)
    sys.stderr.write(f"{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
