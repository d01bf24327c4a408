"""A parameter is stale after several of its periods, declared or observed, without a value."""

from __future__ import annotations

from rover.telemetry.freshness import MIN_STALE_S, STALE_PERIODS, Freshness


class Clock:
    """Monotonic seconds that a test advances."""

    now = 5_000.0

    def __call__(self) -> float:
        return self.now


def observed(period_s: float, count: int) -> tuple[Freshness, Clock]:
    """The freshness after `count` values at that period, and its clock."""
    clock = Clock()
    freshness = Freshness(clock)
    due = clock.now
    end = clock.now + period_s * count
    while clock.now < end:
        if clock.now >= due:
            freshness.record(["speed"])
            due += period_s
        clock.now += min(period_s, 1.0)
        freshness.tick()
    return freshness, clock


def test_a_parameter_without_values_is_not_stale() -> None:
    assert not Freshness(Clock()).is_stale("speed", 0.1)


def test_a_parameter_of_unknown_period_is_not_stale() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    freshness.record(["mode"])
    freshness.tick()
    clock.now += 86_400
    assert not freshness.is_stale("mode", None)


def test_a_declared_period_applies_from_the_first_value() -> None:
    clock = Clock()
    freshness = Freshness(clock)
    freshness.record(["speed"])
    clock.now += STALE_PERIODS * 10
    assert not freshness.is_stale("speed", 10)
    clock.now += 1
    assert freshness.is_stale("speed", 10)


def test_a_fast_parameter_is_stale_after_the_minimum_time() -> None:
    freshness, clock = observed(0.02, 500)
    assert freshness.stale_after_s("speed", None) <= STALE_PERIODS * 1.05  # type: ignore[operator]
    freshness.record(["speed"])
    clock.now += MIN_STALE_S
    assert not freshness.is_stale("speed", 0.02)
    clock.now += 0.1
    assert freshness.is_stale("speed", 0.02)


def test_a_slow_period_is_observed() -> None:
    freshness, clock = observed(30.0, 5)
    assert not freshness.is_stale("speed", None)
    clock.now += STALE_PERIODS * 30 + 1
    assert freshness.is_stale("speed", None)
    freshness.record(["speed"])
    assert not freshness.is_stale("speed", None)
