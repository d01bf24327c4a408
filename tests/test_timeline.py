"""A late sample is told from a clock that was set back."""

from __future__ import annotations

from rover.telemetry.timeline import JUMP_S, Timeline


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_sample_older_than_the_newest_is_late() -> None:
    timeline = Timeline(Clock())
    assert [timeline.is_late(t) for t in (10, 11, 10.5, 11, 12)] == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_data_that_was_held_back_stays_late_while_new_samples_come() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    for t in range(1000):
        clock.now += JUMP_S / 2
        assert not timeline.is_late(1000 + t)
        assert timeline.is_late(t)


def test_a_clock_that_was_set_back_is_followed_after_a_while() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    timeline.is_late(4e9)  # once wrong by decades
    answers = []
    for t in range(100):
        clock.now += 1
        answers.append(timeline.is_late(1000 + t))
    assert answers == [True] * (int(JUMP_S) - 1) + [False] * (101 - int(JUMP_S))
