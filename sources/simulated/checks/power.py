"""The power budget: the battery's charge through the whole sequence, sun and loads together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sources.simulated.checks.limit_monitor import Excursion, LimitMonitor
from sources.simulated.energy import CAPACITY_WH, solar_w
from sources.simulated.findings import SLICE_LINES, Check, finding
from sources.simulated.sequence import SequenceHeader, format_elapsed, local_hours
from sources.simulated.sol import HOUR_S, SOL_S, SolTime, sun_at

if TYPE_CHECKING:
    from sources.simulated.schedule import Schedule

RESERVE_PERCENT = 30.0
LOW_PERCENT = 40.0
PEAK_W = 600.0


def check_power(header: SequenceHeader, schedule: Schedule) -> Check:
    """Follow the charge from `@battery` on; needs `@battery` and `@local`."""
    if header.battery_percent is None or header.local_h is None:
        return {}
    percent = lowest = header.battery_percent
    watch = LimitMonitor(near=LOW_PERCENT, limit=RESERVE_PERCENT, upwards=False)
    excursions: list[Excursion] = []
    used_wh = solar_wh = 0.0
    overloaded = False
    for count, span in enumerate(schedule.spans()):
        load_w = span.load.total_w
        if load_w > PEAK_W and not overloaded and span.latest is not None:
            yield finding(
                "power.peak",
                f"{span.latest.name} brings the load to {load_w:.0f} W; "
                f"the bus carries {PEAK_W:.0f} W",
                span.latest.line,
                span.latest.instruction.column,
                "start it when something else is done, or switch a heater off before",
            )
        overloaded = load_w > PEAK_W
        middle_s = (span.start_ms + span.end_ms) / 2000
        local_s = local_hours(header.local_h, middle_s) * HOUR_S % SOL_S
        sun_w = solar_w(sun_at(SolTime(1, local_s)).elevation_deg)
        hours = span.duration_s / 3600
        used_wh += load_w * hours
        solar_wh += sun_w * hours
        percent += (sun_w - load_w) * hours / CAPACITY_WH * 100
        percent = min(100.0, max(0.0, percent))
        lowest = min(lowest, percent)
        excursions += watch.see(percent, span)
        if count % SLICE_LINES == 0:
            yield schedule.share(span)
    excursions += watch.done()
    for excursion in excursions:
        activity = excursion.activity
        after = f", after {activity.name} began" if activity else ""
        yield finding(
            "power.reserve" if excursion.beyond else "power.low",
            f"the battery falls to {excursion.value:.1f} % at {format_elapsed(excursion.at_ms)}"
            f"{after}; the reserve is {RESERVE_PERCENT:.0f} %",
            activity.line if activity else header.lines.get("battery"),
            activity.instruction.column if activity else None,
            _hint(header.battery_percent, lowest),
        )
    return {
        "energy_wh": round(used_wh, 1),
        "solar_wh": round(solar_wh, 1),
        "battery_min_percent": round(lowest, 1),
        "battery_end_percent": round(percent, 1),
    }


def _hint(start_percent: float, lowest_percent: float) -> str:
    """How much charge it takes to stay above the warning, or that no charge is enough."""
    needed = start_percent + LOW_PERCENT - lowest_percent
    if lowest_percent > 0 and needed <= 100:
        return f"start with {math.ceil(needed)} % or more, or SLEEP in the sun first"
    return "do less, or SLEEP in the sun between; a full battery alone is not enough"
