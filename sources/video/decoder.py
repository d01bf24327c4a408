"""Runs the process that decodes a video."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, EndOfStream, IncompleteRead, fail_after, move_on_after, open_process
from anyio.streams.buffered import BufferedByteReceiveStream

from sources.base import SourceError
from sources.video.wire import HEAD, MAX_FRAME_BYTES, Frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from anyio.abc import Process

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds `sources`; the working directory of the server may be another."""

START_TIMEOUT_S = 15.0
"""Seconds that the process has to start, besides those without a frame."""

END_TIMEOUT_S = 2.0
"""Seconds to wait for the end of a process that was killed."""

MAX_REASON_BYTES = 1000


async def decoded(request: Mapping[str, Any], place: str) -> AsyncGenerator[Frame, None]:
    """Yield the frames of a video, until it ends or cannot be read.

    Args:
        request: of `decode`.
        place: the URL without secrets, for errors.

    Raises:
        SourceError: the video ended, cannot be read, or sends no frames.
    """
    timeout_s = request["timeout_s"]
    async with _process() as process:
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
                raise SourceError(f"{place}: {await _reason(process)}") from exc
            yield frame
            wait_s = timeout_s


@asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    """The process, which is killed at the end of the block."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    try:
        process = await open_process(
            [sys.executable, "-P", "-m", "sources.video.decode"],
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # the Ctrl-C for the server is not for it
        )
    except OSError as exc:
        raise SourceError(f"the decoder cannot be started: {exc.strerror or exc}") from exc
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        with CancelScope(shield=True), move_on_after(END_TIMEOUT_S):
            await process.aclose()


async def _reason(process: Process) -> str:
    """The last line that the process has written to standard error."""
    text = b""
    with move_on_after(END_TIMEOUT_S), suppress(EndOfStream):
        while process.stderr is not None and len(text) < MAX_REASON_BYTES:
            text += await process.stderr.receive()
    lines = text.decode(errors="replace").strip().splitlines()
    if lines:
        return lines[-1]
    with move_on_after(END_TIMEOUT_S):
        await process.wait()
    return f"the decoder ended with the status {process.returncode}"
