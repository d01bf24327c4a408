"""The quality of the newest values: live, stale or late."""

from __future__ import annotations

from rover.telemetry.freshness import Freshness
from rover.telemetry.latest import Latest
from sources.base import Parameter, Sample

T = 1_790_000_000.0
PARAMETERS = [Parameter("speed", period_s=1), Parameter("mode", kind="text")]


class Newest:
    """Newest values under a virtual clock."""

    def __init__(self) -> None:
        self.now = T
        self.down = False
        self._freshness = Freshness(lambda: self.now)
        self._latest = Latest(
            self._freshness, lambda _: "rover", lambda _: self.down, lambda: self.now
        )

    def arrive(self, name: str, *, age_s: float = 0, newest: bool = True) -> None:
        self._freshness.record([name])
        if newest:
            self._latest.update(Sample(self.now - age_s, {name: 1}))

    def quality(self, name: str) -> str:
        found: str = self._latest.as_json(PARAMETERS, [name])["details"][name]["quality"]
        return found


def test_a_value_is_live_until_it_is_stale() -> None:
    newest = Newest()
    newest.arrive("speed")
    newest.now += 5
    assert newest.quality("speed") == "live"
    newest.now += 1
    assert newest.quality("speed") == "stale"


def test_a_value_of_a_source_that_is_down_is_stale() -> None:
    newest = Newest()
    newest.arrive("mode")
    assert newest.quality("mode") == "live"
    newest.down = True
    assert newest.quality("mode") == "stale"


def test_a_value_that_was_delayed_is_late_until_a_newer_one_arrives() -> None:
    newest = Newest()
    newest.arrive("speed", age_s=3600)
    assert newest.quality("speed") == "late"
    newest.now += 6
    assert newest.quality("speed") == "stale"
    newest.arrive("speed", age_s=0.05)
    assert newest.quality("speed") == "live"


def test_a_clock_that_is_seconds_behind_makes_nothing_late() -> None:
    newest = Newest()
    for age_s in (0.05, 10, 59):
        newest.arrive("speed", age_s=age_s)
        assert newest.quality("speed") == "live"


def test_a_value_is_late_while_only_older_values_arrive() -> None:
    newest = Newest()
    newest.arrive("speed")
    for _ in range(61):
        newest.now += 1
        newest.arrive("speed", newest=False)
    assert newest.quality("speed") == "late"


def test_a_value_without_a_period_stays_live() -> None:
    newest = Newest()
    newest.arrive("mode")
    newest.now += 86_400
    assert newest.quality("mode") == "live"
