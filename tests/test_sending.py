"""The states of a sequence on its way to the rover, and what is possible in each of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rover.commands.sending import ALLOWED, Sending, SendingState
from rover.errors import NotNow, SecondPersonRequired

NOW = 1_795_332_600.0

QUEUED = Sending(SendingState.QUEUED, 1, NOW)

POSSIBLE = {
    "queued": {"release", "hold", "withdraw", "move"},
    "released": {"hold", "withdraw", "move"},
    "sending": set(),
    "sent": set(),
    "acknowledged": set(),
    "refused": set(),
    "timed_out": {"withdraw", "resend"},
    "failed": {"withdraw", "resend"},
    "unknown": {"withdraw", "resend", "sent"},
    "withdrawn": set(),
}


@pytest.mark.parametrize("state", SendingState)
def test_a_state_allows_these_actions_only(state: SendingState) -> None:
    sending = replace(QUEUED, state=state)
    possible = set()
    for action in ALLOWED:
        try:
            sending.check(action)
        except NotNow:
            continue
        possible.add(action)
    assert possible == POSSIBLE[state]


def test_a_change_that_a_person_has_not_seen_is_refused() -> None:
    released = QUEUED.release(NOW, "Ada", None, 1)
    QUEUED.check("release", 1)
    with pytest.raises(NotNow):
        released.check("hold", 1)
    released.check("hold", 2)


def test_two_persons_release_a_sequence() -> None:
    once = QUEUED.release(NOW, "Ada", NOW + 60, 2)
    assert (once.state, once.released_by) == (SendingState.QUEUED, ("Ada",))
    with pytest.raises(SecondPersonRequired):
        once.release(NOW, "Ada", None, 2)
    twice = once.release(NOW, "Grace", None, 2)
    assert (twice.state, twice.release_at) == (SendingState.RELEASED, NOW + 60)
    assert twice.hold(NOW, "Ada").released_by == ()


def test_another_attempt_needs_as_many_persons_as_the_first() -> None:
    failed = replace(QUEUED, state=SendingState.FAILED, released_by=("Ada", "Grace"), attempt=1)
    assert failed.resend(NOW, "Ada", 1).state is SendingState.RELEASED
    again = failed.resend(NOW, "Ada", 2)
    assert (again.state, again.released_by) == (SendingState.QUEUED, ("Ada",))
    assert again.revision == failed.revision + 1


def test_the_light_time_tells_when_the_rover_has_it_and_when_the_answer_is_due() -> None:
    sent = QUEUED.begin(NOW, 754.0, 60.0).changed(NOW, SendingState.SENT, "sent", sent_at=NOW)
    assert (sent.arrives_at, sent.answer_due) == (NOW + 754, NOW + 2 * 754 + 60)
    assert sent.as_json()["arrives_at"] == "2026-11-22T07:42:34.000Z"
    assert sent.changed(NOW, SendingState.FAILED, "").as_json()["arrives_at"] is None


@pytest.mark.parametrize("saved", [None, {}, {"state": "flying"}, {"state": "sent", "place": 1}])
def test_a_damaged_record_is_no_sending(saved: dict[str, object] | None) -> None:
    assert Sending.parse(saved) is None


def test_a_record_is_read_as_it_was_stored() -> None:
    sent = QUEUED.release(NOW, "Ada", NOW, 1).begin(NOW, 1.0, 2.0)
    assert Sending.parse({**sent.saved(), "released_by": ["Ada"], "of_a_newer_version": 1}) == sent
