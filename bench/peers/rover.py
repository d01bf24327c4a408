"""This server: the whole app, with a telemetry source of benchmark samples.

The camera is turned off, because rendering would distort the measurement.
"""

from __future__ import annotations

from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from bench.samples import sample, schedule
from rover import mission
from rover.settings import Settings
from sources.base import Parameter, Sample
from sources.none import NoCamera

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import ASGIApp

    from bench.servers import Workload

TIME_BYTES = len('"t":"2026-11-22T07:00:00.123Z",')
"""Bytes that the server adds to each sample."""

SMALL_HISTORY = 500


class PacedTelemetry:
    """A telemetry source with a fixed rate of samples."""

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.parameters: Sequence[Parameter] = (
            Parameter("mono_ns", "ns", "integer", "due time"),
            Parameter("seq", "", "integer", "sequence number"),
            Parameter("pad", "", "text", "padding to the size of a typical sample"),
        )

    async def samples(self) -> AsyncIterator[Sample]:
        async for seq, due_ns in schedule(self.rate_hz):
            yield Sample(time(), sample(seq, due_ns, reserved_bytes=TIME_BYTES))


def create_app(workload: Workload) -> ASGIApp:
    """A mission with the default settings, except for the limits of one client."""
    settings = Settings(  # all clients have one address, and one member sends all messages
        max_readers=20_000, max_members=20_000, client_share=1, message_rate=1e6
    )
    if workload.small_history:
        settings = replace(settings, telemetry_events=SMALL_HISTORY)
    return mission.create_app(
        settings, telemetry=PacedTelemetry(workload.rate_hz), camera=NoCamera()
    )
