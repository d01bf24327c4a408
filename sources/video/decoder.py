"""Runs the process that decodes a video."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from anyio import EndOfStream, IncompleteRead, fail_after
from anyio.streams.buffered import BufferedByteReceiveStream

from sources.base import SourceError
from sources.values.child import child, reason_of_end
from sources.video.wire import HEAD, MAX_FRAME_BYTES, Frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

START_TIMEOUT_S = 15.0
"""Seconds for the start of the process, added to the timeout of the first frame."""


async def decoded(request: Mapping[str, Any], place: str) -> AsyncGenerator[Frame, None]:
    """Yield the frames of a video, until it ends or cannot be read.

    Args:
        request: of `decode`.
        place: the URL without secrets, for errors.

    Raises:
        SourceError: the video ended, cannot be read, or sends no frames.
    """
    timeout_s = request["timeout_s"]
    async with child("sources.video.decode") as process:
        assert process.stdin is not None  # noqa: S101 # it is a pipe, like the next
        assert process.stdout is not None  # noqa: S101
        await process.stdin.send(json.dumps(request).encode())
        await process.stdin.aclose()
        received = BufferedByteReceiveStream(process.stdout)
        wait_s = START_TIMEOUT_S + timeout_s
        while True:
            try:
                with fail_after(wait_s):
                    t, width, height, size = HEAD.unpack(await received.receive_exactly(HEAD.size))
                    if size > MAX_FRAME_BYTES:
                        raise SourceError(f"{place}: a frame has {size:,} bytes, too many")
                    frame = Frame(t, width, height, await received.receive_exactly(size))
            except TimeoutError as exc:
                reason = f"no frame has arrived for {wait_s:g} s"
                raise SourceError(f"{place}: {reason}") from exc
            except (EndOfStream, IncompleteRead) as exc:
                raise SourceError(f"{place}: {await reason_of_end(process)}") from exc
            yield frame
            wait_s = timeout_s
