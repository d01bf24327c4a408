"""The power budget: the charge of the battery from sun and load, and the limit of the power bus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sources.simulated.checks.limit_monitor import Excursion, LimitMonitor
from sources.simulated.energy import CAPACITY_WH, solar_w
from sources.simulated.findings import SLICE_LINES, Check, finding_at
from sources.simulated.sequence import SequenceHeader, local_hours
from sources.simulated.sol import HOUR_S, SOL_S, SolTime, sun_at

if TYPE_CHECKING:
    from sources.simulated.schedule import Schedule

RESERVE_PERCENT = 30.0
"""Charge below which a sequence is rejected."""

LOW_PERCENT = 40.0
"""Charge below which a sequence gets a warning."""

PEAK_W = 600.0
"""Maximum power of the bus."""


def check_power(header: SequenceHeader, schedule: Schedule) -> Check:
    """Simulate the charge, starting with `@battery`; skipped without `@battery` or `@local`."""
    if header.battery_percent is None or header.local_h is None:
        return {}
    percent = lowest = header.battery_percent
    monitor = LimitMonitor(near=LOW_PERCENT, limit=RESERVE_PERCENT, upwards=False)
    excursions: list[Excursion] = []
    used_wh = solar_wh = 0.0
    overloaded = False
    for count, interval in enumerate(schedule.intervals()):
        load_w = interval.load.total_w
        if load_w > PEAK_W and not overloaded and interval.latest is not None:
            yield finding_at(
                "power.peak",
                interval.latest,
                f"{interval.latest.name} raises the load to {load_w:.0f} W; "
                f"the limit of the bus is {PEAK_W:.0f} W",
                "start it after another command has ended, or switch off a heater first",
            )
        overloaded = load_w > PEAK_W
        middle_s = (interval.start_ms + interval.end_ms) / 2000
        local_s = local_hours(header.local_h, middle_s) * HOUR_S % SOL_S
        sun_w = solar_w(sun_at(SolTime(1, local_s)).elevation_deg)
        hours = interval.duration_s / 3600
        used_wh += load_w * hours
        solar_wh += sun_w * hours
        percent += (sun_w - load_w) * hours / CAPACITY_WH * 100
        percent = min(100.0, max(0.0, percent))
        lowest = min(lowest, percent)
        excursions += monitor.update(percent, interval)
        if count % SLICE_LINES == 0:
            yield schedule.share_done(interval)
    excursions += monitor.finish()
    for excursion in excursions:
        yield finding_at(
            "power.reserve" if excursion.past_limit else "power.low",
            excursion.command,
            f"the battery falls to {excursion.value:.1f} % {excursion.when}; "
            f"the reserve is {RESERVE_PERCENT:.0f} %",
            _hint(header.battery_percent, lowest),
            line=header.lines.get("battery"),
        )
    return {
        "energy_wh": round(used_wh, 1),
        "solar_wh": round(solar_wh, 1),
        "battery_min_percent": round(lowest, 1),
        "battery_end_percent": round(percent, 1),
    }


def _hint(start_percent: float, lowest_percent: float) -> str:
    """The charge at the start that avoids the warning, or that no charge is enough."""
    needed = start_percent + LOW_PERCENT - lowest_percent
    if lowest_percent > 0 and needed <= 100:
        return f"start with {math.ceil(needed)} % or more, or SLEEP in the sun first"
    return "remove commands, or SLEEP in the sun between them; a full battery is not enough"
