"""Reads what a validator yields in a task of its own, which can be abandoned."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import EndOfStream, create_memory_object_stream, to_thread

from rover.abandon import Abandonable, stop
from rover.guard import SourceFailed
from sources.base import SourceError, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream

    from rover.guard import Guard
    from sources.base import CommandValidator

logger = logging.getLogger("rover.commands")

MAX_AHEAD = 16
"""Maximum number of items that the validator is ahead of their publication."""

STOP_TIMEOUT_S = 2.0
"""Seconds that a validator has to end after it was cancelled. Then it is abandoned."""


@asynccontextmanager
async def reading(
    guard: Guard,
    validator: CommandValidator,
    path: Path,
    keep_artifact: Callable[[Path], Path],
) -> AsyncIterator[AsyncIterator[object]]:
    """What the validator yields for a file, for this block.

    A validator that suppresses its cancellation does not hold the block: it is abandoned.

    Args:
        guard: calls the validator.
        validator: checks the file.
        path: the file.
        keep_artifact: copies an artifact that is a file, and returns the path of the copy; a worker
            thread calls it.

    Raises:
        SourceError: while it is iterated over, the validator raised it, or any other exception.
    """
    send, receive = create_memory_object_stream[object](MAX_AHEAD)

    async def read() -> None:
        async with send, guard.iterate("validate()", validator.validate, path) as items:
            async for item in items:
                await send.send(await _with_own_artifact(item, keep_artifact))

    work = Abandonable(read)

    async def run() -> None:
        await work

    task = asyncio.create_task(run())
    try:
        yield _items(receive, task)
    finally:
        receive.close()
        if not await stop(task, work, STOP_TIMEOUT_S):
            logger.error("the validator suppresses its cancellation; it was abandoned")
        send.close()
        if task.done() and not task.cancelled():
            task.exception()  # else asyncio logs that it was never retrieved


async def _with_own_artifact(item: object, keep_artifact: Callable[[Path], Path]) -> object:
    """The item; if it is a verdict with a file, with a copy that the validator does not delete."""
    if not isinstance(item, Verdict) or not isinstance(item.artifact, Path):
        return item
    try:
        copy = await to_thread.run_sync(keep_artifact, item.artifact)
    except OSError as exc:
        raise SourceError(f"the artifact of the verdict cannot be copied: {exc.strerror}") from exc
    return replace(item, artifact=copy)


async def _items(
    receive: MemoryObjectReceiveStream[object], task: asyncio.Task[None]
) -> AsyncIterator[object]:
    while True:
        try:
            item = await receive.receive()
        except EndOfStream:
            break
        yield item
    await asyncio.wait([task])
    if task.cancelled():
        raise SourceFailed("validate() failed: it cancelled its own task")
    task.result()
