"""The states of a sequence on its way to the rover, and what is possible in each of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rover.commands.sending import ALLOWED, Sending, SendingState, WasSent
from rover.errors import NotNow, OtherReleaseTime, ReleaseTimePast, SecondPersonRequired

NOW = 1_795_332_600.0

ADA_ID, GRACE_ID = "1a2b3c4d", "5e6f7a8b"

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


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Ada", ""), ("ada", "")),
        (("Ada", "a"), ("ADA ", "b")),
        (("Ada", "a"), ("\N{CYRILLIC CAPITAL LETTER A}da", "b")),
        (("Ada", "a"), ("Ada Lovelace", "a")),  # the token has another name now
    ],
)
def test_one_person_is_not_two(first: tuple[str, str], second: tuple[str, str]) -> None:
    once = QUEUED.release(NOW, first[0], None, 2, token=first[1])
    with pytest.raises(SecondPersonRequired):
        once.release(NOW, second[0], None, 2, token=second[1])


@pytest.mark.parametrize("first", [None, NOW + 60])
def test_all_persons_release_a_sequence_for_the_same_time(first: float | None) -> None:
    once = QUEUED.release(NOW, "Ada", first, 3)
    with pytest.raises(OtherReleaseTime):
        once.release(NOW, "Grace", NOW + 61, 3)
    again = once.hold(NOW, "Grace").release(NOW, "Grace", NOW + 61, 3)
    assert (again.released_by, again.release_at) == (("Grace",), NOW + 61)
    assert once.release(NOW, "Grace", first, 3).release_at == first


def test_a_release_for_a_time_that_has_passed_sends_nothing() -> None:
    with pytest.raises(ReleaseTimePast):
        QUEUED.release(NOW, "Ada", NOW - 61, 1)
    assert QUEUED.release(NOW, "Ada", NOW - 30, 1).state is SendingState.RELEASED
    once = QUEUED.release(NOW, "Ada", NOW + 60, 2)
    assert once.release(NOW + 300, "Grace", NOW + 60, 2).state is SendingState.RELEASED


@pytest.mark.parametrize(
    ("persons", "target", "state"),
    [
        (1, "dir:1", SendingState.RELEASED),
        (2, "dir:1", SendingState.QUEUED),
        (1, "dir:2", SendingState.QUEUED),
    ],
)
def test_a_release_counts_only_for_the_uplink_and_the_persons_of_its_time(
    persons: int, target: str, state: SendingState
) -> None:
    released = QUEUED.release(NOW, "Ada", NOW + 60, 1, target="dir:1")
    checked = released.rechecked(NOW, persons, target)
    assert checked.state is state
    assert bool(checked.released_by) is (state is SendingState.RELEASED)
    assert QUEUED.rechecked(NOW, persons, target) is QUEUED
    once = QUEUED.release(NOW, "Ada", None, 2, target="dir:1").rechecked(NOW, 2, target)
    assert bool(once.released_by) is (target == "dir:1")


@pytest.mark.parametrize(
    ("persons", "lapsed", "left"),
    [
        (2, {}, ("Ada", "Grace")),
        (2, {ADA_ID}, ("Grace",)),
        (2, {ADA_ID, GRACE_ID}, ()),
        (1, {ADA_ID}, ("Grace",)),
    ],
)
def test_a_release_with_a_token_that_gives_no_access_does_not_count(
    persons: int, lapsed: set[str], left: tuple[str, ...]
) -> None:
    once = QUEUED.release(NOW, "Ada", NOW + 60, 2, token=ADA_ID)
    twice = once.release(NOW, "Grace", None, 2, token=GRACE_ID)

    def reason(token: str) -> str | None:
        return "was revoked" if token in lapsed else None

    checked = twice.without_lapsed(NOW, persons, reason)
    assert checked.released_by == left
    assert (checked.state is SendingState.RELEASED) is (len(left) >= persons)
    assert checked.release_at == (NOW + 60 if left else None)
    assert (checked.revision > twice.revision) is bool(lapsed)
    assert checked.without_lapsed(NOW, persons, reason) is checked
    again = checked.hold(NOW, "").release(NOW, "Hedy", None, 1)
    assert again.state is SendingState.RELEASED


@pytest.mark.parametrize(
    "state",
    [one for one in SendingState if one not in (SendingState.QUEUED, SendingState.RELEASED)],
)
def test_who_released_what_was_sent_stays_in_the_record(state: SendingState) -> None:
    released = replace(QUEUED.release(NOW, "Ada", None, 1, token=ADA_ID), state=state)
    assert released.without_lapsed(NOW, 1, lambda _: "was revoked") is released


def test_a_release_of_a_person_without_a_token_does_not_lapse() -> None:
    released = QUEUED.release(NOW, "Ada", None, 1)
    assert released.without_lapsed(NOW, 1, lambda _: "was revoked") is released


def sent(before: Sending, state: SendingState) -> Sending:
    """An attempt a minute later, and what became of it."""
    t = before.t + 60
    if state is SendingState.FAILED:
        return before.fail(t, "no carrier")
    begun = before.begin(t, 1.0, 2.0)
    assert begun.was_sent >= WasSent.MAYBE
    return begun.changed(t, state, "", sent_at=t)


@pytest.mark.parametrize(
    ("states", "was_sent"),
    [
        ((), "no"),
        ((SendingState.FAILED,), "no"),
        ((SendingState.FAILED, SendingState.FAILED), "no"),
        ((SendingState.UNKNOWN,), "maybe"),
        ((SendingState.UNKNOWN, SendingState.FAILED), "maybe"),
        ((SendingState.TIMED_OUT,), "yes"),
        ((SendingState.TIMED_OUT, SendingState.FAILED), "yes"),
        ((SendingState.TIMED_OUT, SendingState.UNKNOWN, SendingState.FAILED), "yes"),
    ],
)
def test_what_is_known_of_all_attempts_is_never_forgotten(
    states: tuple[SendingState, ...], was_sent: str
) -> None:
    sending, left_at = QUEUED, None
    for index, state in enumerate(states):
        sending = sent(sending if index == 0 else sending.resend(NOW + index, "Ada", 1), state)
        left_at = left_at if state is SendingState.FAILED else sending.sent_at
    follow = [sending, sending.withdraw(NOW, "Ada")]
    if states:
        again = sending.resend(NOW, "Ada", 1)
        held = again.hold(NOW, "Ada")
        follow += [again, held, held.withdraw(NOW, "Ada"), again.withdraw(NOW, "Ada")]
        assert sending.attempt == len(states)
    for one in follow:
        shown = one.as_json()
        assert (shown["was_sent"], one.sent_at) == (was_sent, left_at)
        assert (shown["sent_at"] is None) is (was_sent == "no")


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
    assert QUEUED.fail(NOW, "no carrier").as_json()["arrives_at"] is None


@pytest.mark.parametrize("saved", [None, {}, {"state": "flying"}, {"state": "sent", "place": 1}])
def test_a_damaged_record_is_no_sending(saved: dict[str, object] | None) -> None:
    assert Sending.parse(saved) is None


def test_a_record_is_read_as_it_was_stored() -> None:
    before = sent(QUEUED.release(NOW, "Ada", NOW, 1, token=ADA_ID), SendingState.UNKNOWN)
    again = before.resend(NOW, "Ada", 1, token=ADA_ID, target="dir:1")
    stored = json.loads(json.dumps(again.saved()))
    assert Sending.parse({**stored, "of_a_newer_version": 1}) == again
    del stored["earlier"]  # as older versions stored it
    assert (parsed := Sending.parse(stored)) is not None
    assert parsed.was_sent is WasSent.MAYBE
