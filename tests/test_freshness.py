"""A parameter is stale after several of its periods, declared or observed."""

from __future__ import annotations

from rover.telemetry.freshness import MIN_STALE_S, STALE_PERIODS, Freshness


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def speaking(period_s: float, times: int) -> tuple[Freshness, Clock]:
    """A parameter that had values at that period, with a tick each second."""
    clock = Clock()
    freshness = Freshness(clock)
    due = clock.now
    end = clock.now + period_s * times
    while clock.now < end:
        if clock.now >= due:
            freshness.record(["speed"])
            due += period_s
        clock.now += min(period_s, 1.0)
        freshness.tick()
    return freshness, clock


def test_without_a_value_nothing_is_stale() -> None:
    assert not Freshness(Clock()).is_stale("speed", 0.1)


def test_one_value_of_unknown_rhythm_is_not_stale() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    freshness.record(["mode"])
    freshness.tick()
    clock.now += 86_400
    assert not freshness.is_stale("mode", None)


def test_a_declared_period_counts_from_the_first_value() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    freshness.record(["speed"])
    clock.now += STALE_PERIODS * 10
    assert not freshness.is_stale("speed", 10)
    clock.now += 1
    assert freshness.is_stale("speed", 10)


def test_a_fast_parameter_is_stale_after_the_minimum() -> None:
    freshness, clock = speaking(0.02, 500)
    assert freshness.stale_after_s("speed", None) <= STALE_PERIODS * 1.05  # type: ignore[operator]
    freshness.record(["speed"])
    clock.now += MIN_STALE_S
    assert not freshness.is_stale("speed", 0.02)
    clock.now += 0.1
    assert freshness.is_stale("speed", 0.02)


def test_a_slow_rhythm_is_observed() -> None:
    freshness, clock = speaking(30.0, 5)
    assert not freshness.is_stale("speed", None)
    clock.now += STALE_PERIODS * 30 + 1
    assert freshness.is_stale("speed", None)
    freshness.record(["speed"])
    assert not freshness.is_stale("speed", None)
