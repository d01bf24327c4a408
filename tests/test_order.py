"""The order of values per parameter: late values, clocks that were set, and doubtful times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.telemetry.order import JUMP_S, ParameterOrder
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

NEWEST, LATE, DOUBTFUL = "newest", "late", "doubtful"

PRESENT = 1_790_000_000.0
YEAR_S = 366 * 86_400.0
HOUR_S = 3600.0


class Clock:
    """Monotonic seconds that a test advances."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def place(order: ParameterOrder, t: float, name: str = "speed") -> str:
    """How the order places a value of that time."""
    newest, late, _ = order.place(Sample(t, {name: 1.0}))
    if newest is None:
        assert late == Sample(t, {name: 1.0})
        return LATE
    return DOUBTFUL if "t_sent" in newest.values else NEWEST


def placed(times: Iterable[float], period_s: float = 1.0, present: float = PRESENT) -> list[str]:
    """How the order places values that arrive every `period_s`, from `present` on."""
    clock = Clock()
    order = ParameterOrder(clock, present=lambda: present + clock.now - Clock.now)
    found = []
    for t in times:
        found.append(place(order, t))
        clock.now += period_s
    return found


def test_a_value_older_than_the_newest_is_late() -> None:
    assert placed([PRESENT + offset_s for offset_s in (0, 1, 0.5, 1, 2)]) == [
        NEWEST,
        NEWEST,
        LATE,
        NEWEST,
        NEWEST,
    ]


def test_delayed_values_stay_late_while_new_ones_arrive() -> None:
    times = [t for n in range(1000) for t in (PRESENT + n, PRESENT + n - 5000)]
    assert placed(times, JUMP_S / 2) == [NEWEST, LATE] * 1000


def test_a_clock_that_was_set_back_is_accepted_after_a_minute() -> None:
    orders = placed([PRESENT, *range(1000, 1100)])
    assert orders == [NEWEST] + [LATE] * int(JUMP_S) + [NEWEST] * (100 - int(JUMP_S))


def test_one_late_value_of_a_slow_source_does_not_mean_that_its_clock_was_set_back() -> None:
    times = [PRESENT, PRESENT + HOUR_S, PRESENT - HOUR_S, PRESENT + 3 * HOUR_S]
    assert placed(times, HOUR_S) == [NEWEST, NEWEST, LATE, NEWEST]


@pytest.mark.parametrize("ahead_s", [2 * JUMP_S, YEAR_S])
def test_a_value_from_the_future_does_not_make_later_ones_late(ahead_s: float) -> None:
    times = [PRESENT + n for n in range(100)]
    times[50] += ahead_s
    assert placed(times) == [NEWEST] * 50 + [DOUBTFUL] + [NEWEST] * 49


def test_a_first_value_from_the_future_does_not_make_later_ones_late() -> None:
    assert placed([PRESENT + YEAR_S, PRESENT + 1, PRESENT + 2]) == [NEWEST] * 3


def test_a_value_from_the_future_in_a_replay_does_not_make_later_ones_late() -> None:
    times = [n * HOUR_S for n in range(100)]  # played at any speed
    times[50] = PRESENT + YEAR_S
    assert placed(times) == [NEWEST] * 50 + [DOUBTFUL] + [NEWEST] * 49


def test_a_clock_that_alternates_with_one_ahead_is_doubtful_each_time() -> None:
    times = [t for n in range(0, 100, 2) for t in (PRESENT + n, PRESENT + n + YEAR_S)]
    assert placed(times) == [NEWEST, DOUBTFUL] * 50


def test_a_clock_that_was_set_ahead_is_accepted_at_its_second_value() -> None:
    times = [PRESENT, *(PRESENT + YEAR_S + n for n in range(1, 5))]
    assert placed(times) == [NEWEST, DOUBTFUL, NEWEST, NEWEST, NEWEST]


def test_a_clock_that_was_corrected_is_accepted_at_once() -> None:
    times = [PRESENT + YEAR_S, PRESENT + YEAR_S + 1, PRESENT + 2, PRESENT + 3]
    assert placed(times) == [NEWEST] * 4


@pytest.mark.parametrize("start", [0.0, PRESENT - YEAR_S, PRESENT + YEAR_S])
@pytest.mark.parametrize("step_s", [0.001, 1.0, 5 * HOUR_S])
@pytest.mark.parametrize("period_s", [0.01, HOUR_S])
def test_a_source_may_have_a_time_of_its_own(start: float, step_s: float, period_s: float) -> None:
    """A replay of the past at any speed, a simulated future, or a server with a wrong clock."""
    assert placed([start + n * step_s for n in range(100)], period_s) == [NEWEST] * 100


def test_values_from_the_future_may_be_late() -> None:
    later = PRESENT + YEAR_S
    times = [later, later + HOUR_S, later, later + HOUR_S + 1]
    assert placed(times) == [NEWEST, NEWEST, LATE, NEWEST]


def test_a_clock_that_drifts_ahead_is_neither_late_nor_doubtful() -> None:
    times = [PRESENT + n * 1.1 - (n % 7 == 3) * 2 for n in range(2000)]
    orders = placed(times)
    assert [n for n, order in enumerate(orders) if order is LATE] == list(range(3, 2000, 7))
    assert DOUBTFUL not in orders


def test_every_power_of_two_of_doubtful_times_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    placed(t for n in range(1000) for t in (PRESENT + 2 * n, PRESENT + YEAR_S))
    assert len(caplog.records) == 10  # the 1st, 2nd, 4th … 512th of a thousand


@pytest.mark.parametrize("behind_s", [0.005, 0.05, 3600.0])
def test_a_parameter_whose_clock_is_behind_is_never_late(behind_s: float) -> None:
    order = ParameterOrder(Clock(), present=lambda: PRESENT + 50)
    for n in range(100):
        assert place(order, PRESENT + n / 10, "speed") == NEWEST
        assert place(order, PRESENT + n / 10 - behind_s, "torque") == NEWEST


def test_one_sample_may_hold_newest_and_late_values() -> None:
    order = ParameterOrder(Clock(), present=lambda: PRESENT)
    order.place(Sample(PRESENT, {"speed": 2.0}))
    newest, late, leads = order.place(Sample(PRESENT - 1, {"speed": 1.0, "torque": 7.0}))
    assert newest == Sample(PRESENT - 1, {"torque": 7.0})
    assert late == Sample(PRESENT - 1, {"speed": 1.0})
    assert not leads


def test_the_newest_time_follows_when_every_clock_was_set_back() -> None:
    clock = Clock()
    order = ParameterOrder(clock, present=lambda: PRESENT)
    order.place(Sample(PRESENT, {"speed": 1.0, "torque": 1.0}))
    clock.now += 1
    assert not order.place(Sample(PRESENT - 1000, {"speed": 1.0, "torque": 1.0})).leads
    clock.now += JUMP_S
    assert order.place(Sample(PRESENT - 1000 + JUMP_S, {"speed": 1.0, "torque": 1.0})).leads
