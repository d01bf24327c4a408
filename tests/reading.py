"""Reads a telemetry source while a test plays its machine."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

from anyio import create_task_group

from tests.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from sources.base import Sample, TelemetrySource


@asynccontextmanager
async def reading(source: TelemetrySource) -> AsyncIterator[Recorder[Sample]]:
    """The samples of a source, recorded until the end of the block."""
    samples: Recorder[Sample] = Recorder()

    async def read() -> None:
        async with aclosing(cast("AsyncGenerator[Sample, None]", source.samples())) as found:
            async for sample in found:
                samples.append(sample)

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        yield samples
        tasks.cancel_scope.cancel()


async def first_error(source: TelemetrySource) -> Exception:
    """The error that the source raises before or after some samples."""
    try:
        async with aclosing(cast("AsyncGenerator[Sample, None]", source.samples())) as found:
            async for _ in found:
                pass
    except Exception as exc:
        return exc
    raise AssertionError("samples() ended without an error")
