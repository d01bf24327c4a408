"""Changes of alarms wait, merge, and become messages: with a virtual clock."""

from __future__ import annotations

from math import inf
from typing import Any

from rover.telemetry.limits import Level
from rover.telemetry.notices import (
    ALARM_INTERVAL_S,
    MAX_LISTED,
    MAX_WAITING,
    Message,
    Notice,
    NoticeQueue,
)

RED, YELLOW, NOMINAL = Level.RED, Level.YELLOW, Level.NOMINAL


class Queue(NoticeQueue):
    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(lambda: self.now)

    def change(self, alarm_id: str, level: Level, **options: Any) -> None:
        notice = Notice(alarm_id, f"{alarm_id} is {level}", level, {"parameter": alarm_id})
        self.add(notice, **options)

    def sent(self) -> list[tuple[str, Level, int]]:
        """Take and confirm the message that is due: alarm, level and changes of each notice."""
        message = self.take()
        if message is None:
            return []
        self.confirm(message)
        return [(notice.alarm_id, notice.level, notice.changes) for notice in message.notices]


def test_the_first_change_of_an_alarm_is_due_at_once() -> None:
    queue = Queue()
    assert queue.due_in_s() == inf
    queue.change("speed", RED)
    assert queue.due_in_s() == 0
    assert queue.sent() == [("speed", RED, 1)]
    assert (queue.due_in_s(), queue.sent()) == (inf, [])


def test_an_alarm_that_flaps_is_sent_once_per_interval_with_its_newest_state() -> None:
    queue = Queue()
    sent = []
    for second in range(181):
        queue.change("speed", NOMINAL if second % 2 else RED)
        sent += [(second, *notice) for notice in queue.sent()]
        queue.now += 1
    assert sent == [
        (0, "speed", RED, 1),
        (60, "speed", RED, 60),
        (120, "speed", RED, 60),
        (180, "speed", RED, 60),
    ]


def test_an_alarm_that_becomes_more_severe_is_due_at_once() -> None:
    queue = Queue()
    queue.change("speed", YELLOW)
    queue.sent()
    queue.change("speed", NOMINAL)
    assert queue.due_in_s() == ALARM_INTERVAL_S
    queue.change("speed", RED)
    queue.change("speed", YELLOW)  # its red value must not wait either
    assert queue.sent() == [("speed", YELLOW, 3)]


def test_all_changes_that_are_due_are_one_message_with_the_worst_first() -> None:
    queue = Queue()
    for name, level in (("a", NOMINAL), ("b", YELLOW), ("c", RED)):
        queue.change(name, level)
    assert queue.sent() == [("c", RED, 1), ("b", YELLOW, 1), ("a", NOMINAL, 1)]


def test_a_message_that_was_not_sent_is_merged_with_newer_changes() -> None:
    queue = Queue()
    queue.change("speed", RED)
    message = queue.take()
    assert message is not None
    queue.change("speed", NOMINAL)
    queue.restore(message)
    later = queue.take()
    assert later is not None
    [notice] = later.notices
    assert (notice.level, notice.worst, notice.changes) == (NOMINAL, RED, 2)


def test_a_minor_change_only_updates_a_notice_that_waits() -> None:
    queue = Queue()
    queue.change("speed", YELLOW, only_update=True)
    assert len(queue) == 0
    queue.change("speed", RED)
    queue.change("speed", YELLOW, only_update=True)
    assert queue.sent() == [("speed", YELLOW, 2)]


def test_a_discarded_notice_is_not_sent() -> None:
    queue = Queue()
    queue.change("speed", RED)
    queue.discard("speed")
    assert queue.sent() == []


def test_memory_is_bounded_and_dropped_changes_are_counted_in_the_next_message() -> None:
    queue = Queue()
    for n in range(MAX_WAITING + 7):
        queue.change(f"cell_{n}", RED)
    assert (len(queue), queue.dropped) == (MAX_WAITING, 7)
    message = queue.take()
    assert message is not None
    body = message.as_json()
    assert len(body["alarms"]) == MAX_LISTED
    assert body["more"] == MAX_WAITING + 7 - MAX_LISTED
    assert len(message.text.splitlines()) == MAX_LISTED + 1
    queue.confirm(message)
    queue.change("speed", RED)
    assert queue.take() == Message([Notice("speed", "speed is red", RED, {"parameter": "speed"})])
    queue.now += ALARM_INTERVAL_S
    queue.take()
    assert not queue._sent
