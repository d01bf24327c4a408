"""Temperatures: motors and arm must be warm to move, and no zone may get too hot or too cold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources.simulated.checks.limit_monitor import Excursion, LimitMonitor
from sources.simulated.dictionary import Zone
from sources.simulated.energy import ambient_c
from sources.simulated.findings import SLICE_LINES, Check, finding_at
from sources.simulated.schedule import (
    ZONE_HEATER_W,
    Interval,
    LoadState,
    Schedule,
    ScheduledCommand,
)
from sources.simulated.sequence import SequenceHeader, format_elapsed, local_hours
from sources.simulated.sol import HOUR_S, SOL_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sources.base import Finding

WARM_MARGIN_C = 5.0
"""Margin below the maximum temperature at which a zone gets a warning."""


@dataclass(frozen=True, slots=True)
class ZoneModel:
    """The thermal model of a zone. It approaches `air_share * air + offset_c + c_per_w * watts`.

    Attributes:
        air_share: the share of the air temperature.
        offset_c: temperature difference due to insulation.
        c_per_w: temperature difference per watt of heat.
        lag_s: time constant: seconds to cover 63 % of a change.
        hottest_c: maximum temperature.
        coldest_c: minimum temperature.
        moves_above_c: minimum temperature at which its gears may turn.
    """

    air_share: float
    offset_c: float
    c_per_w: float
    lag_s: float
    hottest_c: float
    coldest_c: float = -math.inf
    moves_above_c: float = -math.inf

    def equilibrium_c(self, air_c: float, watts: float) -> float:
        """The temperature that it approaches."""
        return self.air_share * air_c + self.offset_c + self.c_per_w * watts


ZONE_MODELS: Mapping[Zone, ZoneModel] = {
    Zone.MOTORS: ZoneModel(1.0, 0.0, 2.2, 900, hottest_c=60, moves_above_c=-55),
    Zone.ARM: ZoneModel(1.0, 0.0, 2.6, 900, hottest_c=70, moves_above_c=-55),
    Zone.ELECTRONICS: ZoneModel(0.55, 20.0, 0.45, 5400, hottest_c=45, coldest_c=-10),
}


def check_thermal(header: SequenceHeader, schedule: Schedule) -> Check:
    """Simulate the zones, starting in equilibrium with the air at `@local`; skipped without it."""
    if header.local_h is None:
        return {}
    zones = [_ZoneState(zone, _air_c(header.local_h, 0)) for zone in ZONE_MODELS]
    for count, interval in enumerate(schedule.intervals()):
        air_c = _air_c(header.local_h, (interval.start_ms + interval.end_ms) / 2000)
        for zone in zones:
            if interval.started and interval.latest is not None:
                yield from zone.check_start(interval.latest, air_c)
            yield from zone.advance(interval, air_c)
        if count % SLICE_LINES == 0:
            yield schedule.share_done(interval)
    for zone in zones:
        yield from zone.finish()
    figures: dict[str, float] = {}
    for zone in zones:
        figures[f"{zone.name}_min_c"] = round(zone.lowest_c, 1)
        figures[f"{zone.name}_max_c"] = round(zone.highest_c, 1)
    return figures


class _ZoneState:
    """The temperature of one zone in the course of a sequence."""

    def __init__(self, zone: Zone, air_c: float) -> None:
        self._zone, self._model = zone, ZONE_MODELS[zone]
        model = self._model
        self._c = self.lowest_c = self.highest_c = model.equilibrium_c(
            air_c, self._watts(LoadState())
        )
        near_c = model.hottest_c - WARM_MARGIN_C
        self._hot = LimitMonitor(near=near_c, limit=model.hottest_c, upwards=True)
        self._cold = LimitMonitor(near=model.coldest_c, limit=model.coldest_c, upwards=False)

    @property
    def name(self) -> str:
        return self._zone.lower()

    def check_start(self, command: ScheduledCommand, air_c: float) -> Iterator[Finding]:
        """Check whether the zone is warm enough for a command that starts."""
        needed_c = self._model.moves_above_c
        if self._zone not in command.definition.heats or self._c >= needed_c:
            return
        yield finding_at(
            "thermal.cold-start",
            command,
            f"{command.name} at {format_elapsed(command.start_ms)}: the {self.name} zone is at "
            f"{self._c:.0f} °C and must be at {needed_c:.0f} °C or more",
            self._heater_hint(air_c),
        )

    def advance(self, interval: Interval, air_c: float) -> Iterator[Finding]:
        """Simulate an interval; yield findings about limits that were passed."""
        equilibrium_c = self._model.equilibrium_c(air_c, self._watts(interval.load))
        self._c = equilibrium_c + (self._c - equilibrium_c) * math.exp(
            -interval.duration_s / self._model.lag_s
        )
        self.lowest_c, self.highest_c = min(self.lowest_c, self._c), max(self.highest_c, self._c)
        yield from map(self._too_hot, self._hot.update(self._c, interval))
        yield from map(self._too_cold, self._cold.update(self._c, interval))

    def finish(self) -> Iterator[Finding]:
        """Yield the finding about an excursion that is not reported yet."""
        yield from map(self._too_hot, self._hot.finish())

    def _watts(self, load: LoadState) -> float:
        watts = load.heat_w[self._zone]
        if self._zone is Zone.ELECTRONICS:
            watts += load.base_w
        return watts + (ZONE_HEATER_W[self._zone] if self._zone in load.heaters else 0.0)

    def _heater_hint(self, air_c: float) -> str:
        """How long the heater must be on before, or that it is not enough."""
        heated_c = self._model.equilibrium_c(air_c, ZONE_HEATER_W[self._zone])
        if heated_c <= self._model.moves_above_c:
            return "wait for a warmer hour; the heater is not enough"
        share = (heated_c - self._c) / (heated_c - self._model.moves_above_c)
        minutes = math.ceil(self._model.lag_s * math.log(share) / 60)
        return f"switch HEATER {self._zone} ON {minutes} min before, or wait for a warmer hour"

    def _too_hot(self, excursion: Excursion) -> Finding:
        return self._out_of_limits(
            "thermal.hot" if excursion.past_limit else "thermal.warm",
            f"warms to {excursion.value:.0f} °C",
            f"the maximum is {self._model.hottest_c:.0f} °C",
            excursion,
            f"pause before it, and check that HEATER {self._zone} is OFF",
        )

    def _too_cold(self, excursion: Excursion) -> Finding:
        return self._out_of_limits(
            "thermal.frozen",
            f"cools to {excursion.value:.1f} °C",
            f"the minimum is {self._model.coldest_c:.0f} °C",
            excursion,
            f"switch HEATER {self._zone} ON earlier",
        )

    def _out_of_limits(
        self, code: str, change: str, limit: str, excursion: Excursion, hint: str
    ) -> Finding:
        message = f"the {self.name} zone {change} {excursion.when}; {limit}"
        return finding_at(code, excursion.command, message, hint)


def _air_c(start_h: float, elapsed_s: float) -> float:
    return ambient_c(local_hours(start_h, elapsed_s) * HOUR_S % SOL_S)
