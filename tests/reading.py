"""Reads a telemetry source while a test plays its machine."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

from anyio import create_task_group

from sources.base import Event, Sample
from tests.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from sources.base import TelemetrySource

    Items = AsyncGenerator[Sample | Event, None]


@asynccontextmanager
async def reading(
    source: TelemetrySource, events: Recorder[Event] | None = None
) -> AsyncIterator[Recorder[Sample]]:
    """The samples of a source, recorded until the end of the block.

    Args:
        source: the source.
        events: records the events of the source.
    """
    samples: Recorder[Sample] = Recorder()

    async def read() -> None:
        async with aclosing(cast("Items", source.samples())) as found:
            async for item in found:
                if isinstance(item, Sample):
                    samples.append(item)
                elif events is not None:
                    events.append(item)

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        yield samples
        tasks.cancel_scope.cancel()


async def first_error(source: TelemetrySource) -> Exception:
    """The error that the source raises before or after some samples."""
    try:
        async with aclosing(cast("Items", source.samples())) as found:
            async for _ in found:
                pass
    except Exception as exc:
        return exc
    raise AssertionError("samples() ended without an error")
