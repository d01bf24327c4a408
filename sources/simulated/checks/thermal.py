"""Temperatures: what moves must be warm enough to, and nothing may get too hot or freeze."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sources.simulated.checks.limit_monitor import Excursion, LimitMonitor
from sources.simulated.dictionary import Zone
from sources.simulated.energy import ambient_c
from sources.simulated.findings import SLICE_LINES, Check, finding
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


@dataclass(frozen=True, slots=True)
class ZoneModel:
    """How a zone takes heat. At rest it is at `air_share * air + offset_c + c_per_w * watts`.

    Attributes:
        air_share: how far it follows the air outside.
        offset_c: how much warmer than that its insulation keeps it.
        c_per_w: how much each watt in it warms it, in the end.
        lag_s: the time in which it comes 63 % of the way there.
        hottest_c: it is damaged above this.
        coldest_c: it is damaged below this.
        moves_above_c: its gears may not turn below this.
    """

    air_share: float
    offset_c: float
    c_per_w: float
    lag_s: float
    hottest_c: float
    coldest_c: float = -math.inf
    moves_above_c: float = -math.inf

    def rest_c(self, air_c: float, watts: float) -> float:
        """Where it would come to rest."""
        return self.air_share * air_c + self.offset_c + self.c_per_w * watts


ZONE_MODELS: Mapping[Zone, ZoneModel] = {
    Zone.MOTORS: ZoneModel(1.0, 0.0, 2.2, 900, hottest_c=60, moves_above_c=-55),
    Zone.ARM: ZoneModel(1.0, 0.0, 2.6, 900, hottest_c=70, moves_above_c=-55),
    Zone.ELECTRONICS: ZoneModel(0.55, 20.0, 0.45, 5400, hottest_c=45, coldest_c=-10),
}


def check_thermal(header: SequenceHeader, schedule: Schedule) -> Check:
    """Follow the zones from rest in the air of `@local` on; needs `@local`."""
    if header.local_h is None:
        return {}
    zones = [_ZoneState(zone, _air_c(header.local_h, 0)) for zone in ZONE_MODELS]
    for count, span in enumerate(schedule.spans()):
        air_c = _air_c(header.local_h, (span.start_ms + span.end_ms) / 2000)
        for zone in zones:
            if span.started and span.latest is not None:
                yield from zone.before(span.latest, air_c)
            yield from zone.through(span, air_c)
        if count % SLICE_LINES == 0:
            yield schedule.share(span)
    for zone in zones:
        yield from zone.done()
    figures: dict[str, float] = {}
    for zone in zones:
        figures[f"{zone.name}_min_c"] = round(zone.lowest_c, 1)
        figures[f"{zone.name}_max_c"] = round(zone.highest_c, 1)
    return figures


class _ZoneState:
    """One zone's temperature, as time goes on."""

    def __init__(self, zone: Zone, air_c: float) -> None:
        self._zone, self._body = zone, ZONE_MODELS[zone]
        body = self._body
        self._c = self.lowest_c = self.highest_c = body.rest_c(air_c, self._watts(LoadState()))
        near_c = body.hottest_c - WARM_MARGIN_C
        self._hot = LimitMonitor(near=near_c, limit=body.hottest_c, upwards=True)
        self._cold = LimitMonitor(near=body.coldest_c, limit=body.coldest_c, upwards=False)

    @property
    def name(self) -> str:
        return self._zone.lower()

    def before(self, activity: ScheduledCommand, air_c: float) -> Iterator[Finding]:
        """What there is to say when a command starts: whether the gears that it turns may turn."""
        needed_c = self._body.moves_above_c
        if self._zone not in activity.instruction.command.heats or self._c >= needed_c:
            return
        yield finding(
            "thermal.cold-start",
            f"{activity.name} at {format_elapsed(activity.start_ms)}: the {self.name} zone is at "
            f"{self._c:.0f} °C and must be at {needed_c:.0f} °C or more",
            activity.line,
            activity.instruction.column,
            self._warm_up(air_c),
        )

    def through(self, span: Interval, air_c: float) -> Iterator[Finding]:
        """Let the span pass; tell of bounds that were passed in it."""
        rest_c = self._body.rest_c(air_c, self._watts(span.load))
        self._c = rest_c + (self._c - rest_c) * math.exp(-span.duration_s / self._body.lag_s)
        self.lowest_c, self.highest_c = min(self.lowest_c, self._c), max(self.highest_c, self._c)
        yield from map(self._too_hot, self._hot.see(self._c, span))
        yield from map(self._too_cold, self._cold.see(self._c, span))

    def done(self) -> Iterator[Finding]:
        """Tell of what was still under way at the end."""
        yield from map(self._too_hot, self._hot.done())

    def _watts(self, load: LoadState) -> float:
        watts = load.heat_w[self._zone]
        if self._zone is Zone.ELECTRONICS:
            watts += load.base_w
        return watts + (ZONE_HEATER_W[self._zone] if self._zone in load.heaters else 0.0)

    def _warm_up(self, air_c: float) -> str:
        """How long the heater takes, if it can."""
        heated_c = self._body.rest_c(air_c, ZONE_HEATER_W[self._zone])
        if heated_c <= self._body.moves_above_c:
            return "wait for a warmer hour; the heater alone is not enough"
        share = (heated_c - self._c) / (heated_c - self._body.moves_above_c)
        minutes = math.ceil(self._body.lag_s * math.log(share) / 60)
        return f"HEATER {self._zone} ON at least {minutes} min before, or wait for a warmer hour"

    def _too_hot(self, excursion: Excursion) -> Finding:
        return self._out_of_bounds(
            "thermal.hot" if excursion.beyond else "thermal.warm",
            f"warms to {excursion.value:.0f} °C",
            f"at most {self._body.hottest_c:.0f} °C is allowed",
            excursion,
            f"let it rest before, and see that HEATER {self._zone} is OFF",
        )

    def _too_cold(self, excursion: Excursion) -> Finding:
        return self._out_of_bounds(
            "thermal.frozen",
            f"cools to {excursion.value:.1f} °C",
            f"at least {self._body.coldest_c:.0f} °C is needed",
            excursion,
            f"HEATER {self._zone} ON before it gets that cold",
        )

    def _out_of_bounds(
        self, code: str, change: str, bound: str, excursion: Excursion, hint: str
    ) -> Finding:
        activity = excursion.activity
        after = f", after {activity.name} began" if activity else ""
        return finding(
            code,
            f"the {self.name} zone {change} at {format_elapsed(excursion.at_ms)}{after}; {bound}",
            activity.line if activity else None,
            activity.instruction.column if activity else None,
            hint,
        )


def _air_c(start_h: float, elapsed_s: float) -> float:
    return ambient_c(local_hours(start_h, elapsed_s) * HOUR_S % SOL_S)
