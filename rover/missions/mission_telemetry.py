"""A source that plays the telemetry of a recorded mission."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from rover.missions.playback import Playback
from rover.missions.played import at_speed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sources.base import Event, Parameter, Sample


class MissionTelemetry(Playback):
    """Plays the samples and events of a recorded mission, with their exact values."""

    @property
    def simulated(self) -> bool:
        """Whether a source of the telemetry was simulated."""
        return self._mission.was_simulated("telemetry")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The recorded dictionary. Values of others are played too."""
        return [at_speed(one, self._speed) for one in self._mission.parameters]

    async def samples(self) -> AsyncIterator[Sample | Event]:
        """Yield samples and events in order of time, from the beginning on."""
        schedule = self._start()
        try:
            while True:
                async for one in self._recorded():
                    yield replace(one, t=await self._wait(schedule, one.t))
                await self._repeat(schedule)
        finally:
            self._mission.close()

    async def _recorded(self) -> AsyncIterator[Sample | Event]:
        mission, since = self._mission, self._mission.begin
        events = iter(mission.events)
        event = next(events, None)
        while samples := await run_sync(mission.samples, since):
            since = nextafter(samples[-1].t, inf)
            mission.release((since - samples[0].t) / self._speed)
            for sample in samples:
                while event is not None and event.t <= sample.t:
                    yield event
                    event = next(events, None)
                yield sample
        while event is not None:
            yield event
            event = next(events, None)
