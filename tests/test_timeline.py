"""A late sample is told from a clock that was set, and from one that errs once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.telemetry.timeline import JUMP_S, Order, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

LATE, NEWEST, DOUBTFUL = Order.LATE, Order.NEWEST, Order.DOUBTFUL

PRESENT = 1_790_000_000.0
YEAR_S = 366 * 86_400.0
HOUR_S = 3600.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def placed(times: Iterable[float], period_s: float = 1.0, present: float = PRESENT) -> list[Order]:
    """How each time is taken, of samples that come at that pace from `present` on."""
    clock = Clock()
    timeline = Timeline(clock, present=lambda: present + clock.now - Clock.now)
    orders = []
    for t in times:
        orders.append(timeline.place(t))
        clock.now += period_s
    return orders


def test_a_sample_older_than_the_newest_is_late() -> None:
    assert placed([10, 11, 10.5, 11, 12]) == [NEWEST, NEWEST, LATE, NEWEST, NEWEST]


def test_data_that_was_held_back_stays_late_while_new_samples_come() -> None:
    times = [t for n in range(1000) for t in (PRESENT + n, PRESENT + n - 5000)]
    assert placed(times, JUMP_S / 2) == [NEWEST, LATE] * 1000


def test_a_clock_that_was_set_back_is_followed_after_a_while() -> None:
    orders = placed([PRESENT, *range(1000, 1100)])
    assert orders == [NEWEST] + [LATE] * int(JUMP_S) + [NEWEST] * (100 - int(JUMP_S))


def test_one_late_sample_of_a_source_that_seldom_speaks_is_no_clock_that_was_set_back() -> None:
    times = [PRESENT, PRESENT + HOUR_S, PRESENT - HOUR_S, PRESENT + 3 * HOUR_S]
    assert placed(times, HOUR_S) == [NEWEST, NEWEST, LATE, NEWEST]


@pytest.mark.parametrize("ahead_s", [2 * JUMP_S, YEAR_S])
def test_one_sample_from_the_future_makes_none_after_it_late(ahead_s: float) -> None:
    times = [PRESENT + n for n in range(100)]
    times[50] += ahead_s
    assert placed(times) == [NEWEST] * 50 + [DOUBTFUL] + [NEWEST] * 49


def test_nor_does_one_that_comes_first() -> None:
    assert placed([PRESENT + YEAR_S, PRESENT + 1, PRESENT + 2]) == [NEWEST] * 3


def test_nor_does_one_among_samples_of_long_ago() -> None:
    times = [n * HOUR_S for n in range(100)]  # played at any speed
    times[50] = PRESENT + YEAR_S
    assert placed(times) == [NEWEST] * 50 + [DOUBTFUL] + [NEWEST] * 49


def test_nor_does_a_device_whose_clock_is_always_ahead_of_the_others() -> None:
    times = [t for n in range(0, 100, 2) for t in (PRESENT + n, PRESENT + n + YEAR_S)]
    assert placed(times) == [NEWEST, DOUBTFUL] * 50


def test_a_clock_that_was_set_ahead_is_followed_from_its_second_sample_on() -> None:
    times = [PRESENT, *(PRESENT + YEAR_S + n for n in range(1, 5))]
    assert placed(times) == [NEWEST, DOUBTFUL, NEWEST, NEWEST, NEWEST]


def test_a_clock_that_was_put_right_is_followed_at_once() -> None:
    times = [PRESENT + YEAR_S, PRESENT + YEAR_S + 1, PRESENT + 2, PRESENT + 3]
    assert placed(times) == [NEWEST] * 4


@pytest.mark.parametrize("start", [0.0, PRESENT - YEAR_S, PRESENT + YEAR_S])
@pytest.mark.parametrize("step_s", [0.001, 1.0, 5 * HOUR_S])
@pytest.mark.parametrize("period_s", [0.01, HOUR_S])
def test_a_source_may_have_a_time_of_its_own(start: float, step_s: float, period_s: float) -> None:
    """A replay of the past, at any speed; a simulation of the future; a server that errs."""
    assert placed([start + n * step_s for n in range(100)], period_s) == [NEWEST] * 100


def test_a_late_sample_is_late_in_the_future_too() -> None:
    later = PRESENT + YEAR_S
    times = [later, later + HOUR_S, later, later + HOUR_S + 1]
    assert placed(times) == [NEWEST, NEWEST, LATE, NEWEST]


def test_a_clock_that_drifts_ahead_is_neither_late_nor_doubtful() -> None:
    times = [PRESENT + n * 1.1 - (n % 7 == 3) * 2 for n in range(2000)]
    orders = placed(times)
    assert [n for n, order in enumerate(orders) if order is LATE] == list(range(3, 2000, 7))
    assert DOUBTFUL not in orders


def test_doubtful_times_are_told_but_are_no_flood(caplog: pytest.LogCaptureFixture) -> None:
    placed(t for n in range(1000) for t in (PRESENT + 2 * n, PRESENT + YEAR_S))
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[1] for text in told] == [
        f" doubtful time no. {2**n}" for n in range(10)
    ]
