"""Sessions, tickets, codes and the limit on wrong tokens, with a clock of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.identity import EVERYONE, LOCAL, Identity
from rover.sessions.bounded import BoundedStore
from rover.sessions.codes import CODE_S, Codes
from rover.sessions.failures import CLIENT_BURST, MAX_CLIENTS, TOTAL_BURST, Failures
from rover.sessions.sessions import MAX_SESSIONS_PER_OWNER, Sessions
from rover.sessions.tickets import TICKET_S, Tickets
from rover.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path

ADA = Identity("Ada", frozenset({"view"}), token="3f9a1c22")  # noqa: S106 # an id


class Clock:
    def __init__(self) -> None:
        self.now = 1.79e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock, tmp_path: Path) -> Sessions:
    tokens = Tokens(tmp_path / "tokens.json", ["sesame-sesame-sesame"])
    return Sessions(tokens, max_s=3600, idle_s=600, clock=clock)


def test_a_session_has_the_identity_of_its_token_and_an_id(sessions: Sessions) -> None:
    text = sessions.start(EVERYONE, "10.0.0.7").encode()
    found = sessions.find(text)
    assert found == EVERYONE
    assert found.session
    assert text.startswith(found.session.encode())
    assert sessions.find(text + b"x") is None
    assert sessions.find(text[:-1]) is None
    assert sessions.find(found.session.encode()) is None
    assert sessions.find(b"") is None


def test_two_sessions_of_one_person_differ(sessions: Sessions) -> None:
    first, second = (sessions.start(EVERYONE, "10.0.0.7").encode() for _ in range(2))
    assert first != second
    found = sessions.find(first)
    assert found is not None
    sessions.end(found.session)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_a_session_ends_without_requests(sessions: Sessions, clock: Clock) -> None:
    text = sessions.start(EVERYONE, "10.0.0.7").encode()
    for _ in range(5):
        clock.now += 599
        assert sessions.find(text)
    identity = sessions.find(text)
    assert identity is not None
    assert sessions.ended(identity) is None
    clock.now += 600
    error = sessions.ended(identity)
    assert error is not None
    assert error.reason == "session_expired"
    assert sessions.find(text) is None


def test_a_session_ends_although_it_is_used(sessions: Sessions, clock: Clock) -> None:
    text = sessions.start(EVERYONE, "10.0.0.7").encode()
    for _ in range(7):
        clock.now += 500
        assert sessions.find(text)
    clock.now += 100
    assert sessions.find(text) is None
    assert len(sessions) == 0


def test_a_session_ends_with_its_token(sessions: Sessions) -> None:
    text = sessions.start(ADA, "10.0.0.7").encode()  # no token has this id
    assert sessions.find(text) is None


def test_a_session_of_a_one_time_code_ends_when_tokens_are_required(sessions: Sessions) -> None:
    assert sessions.find(sessions.start(LOCAL, "10.0.0.7").encode()) is None


def test_sign_ins_of_one_client_do_not_evict_the_session_of_another(
    sessions: Sessions, clock: Clock
) -> None:
    other = sessions.start(EVERYONE, "10.0.0.8").encode()
    used = sessions.start(EVERYONE, "10.0.0.7").encode()
    unused = sessions.start(EVERYONE, "10.0.0.7").encode()
    for _ in range(MAX_SESSIONS_PER_OWNER):
        clock.now += 1
        assert sessions.find(used)
        sessions.start(EVERYONE, "10.0.0.7")
    assert sessions.find(unused) is None
    assert sessions.find(used) is not None
    assert sessions.find(other) is not None


def test_a_full_store_removes_the_oldest_entry_of_the_owner_that_holds_the_most() -> None:
    store: BoundedStore[int] = BoundedStore(limit=5, owner_limit=4)
    store.add("b", "bob", 0)
    for n in range(100):
        store.add(f"a{n}", "ada", n)
        store.add(f"c{n}", "eve", n)
    assert len(store) == 5
    assert store.get("b") == 0
    assert store.pop("b") == 0
    assert store.pop("b") is None
    assert store.get("a0") is None


def test_a_ticket_is_valid_once_and_for_a_short_time(clock: Clock) -> None:
    tickets = Tickets(clock)
    ticket = tickets.issue(ADA, "10.0.0.7").encode()
    assert tickets.redeem(ticket + b"x") is None
    assert tickets.redeem(ticket) == ADA
    assert tickets.redeem(ticket) is None
    late = tickets.issue(ADA, "10.0.0.7").encode()
    clock.now += TICKET_S
    assert tickets.redeem(late) is None
    assert len(tickets) == 0


def test_a_client_cannot_evict_the_tickets_of_another(clock: Clock) -> None:
    tickets = Tickets(clock)
    other = tickets.issue(EVERYONE, "10.0.0.8").encode()
    for _ in range(20_000):
        tickets.issue(ADA, "10.0.0.7")
    assert tickets.redeem(other) is not None
    assert len(tickets) <= 100


def test_a_code_is_valid_once_and_for_a_short_time(clock: Clock) -> None:
    codes = Codes(clock)
    code, late = codes.issue().encode(), codes.issue().encode()
    assert not codes.redeem(b"")
    assert codes.redeem(code)
    assert not codes.redeem(code)
    clock.now += CODE_S
    assert not codes.redeem(late)


def test_wrong_tokens_of_one_client_are_limited(clock: Clock) -> None:
    failures = Failures(clock)
    assert [failures.note("10.0.0.7") for _ in range(CLIENT_BURST)] == [None] * CLIENT_BURST
    wait_s = failures.note("10.0.0.7")
    assert wait_s is not None
    assert failures.note("10.0.0.7") == wait_s  # a refused attempt does not extend the time
    assert failures.note("10.0.0.8") is None
    clock.now += wait_s
    assert failures.note("10.0.0.7") is None
    assert failures.note("10.0.0.7") is not None


def test_wrong_tokens_of_all_clients_are_limited_together(clock: Clock) -> None:
    failures = Failures(clock)
    refused = [failures.note(f"10.0.{n % 250}.7") for n in range(TOTAL_BURST)]
    assert refused == [None] * TOTAL_BURST
    wait_s = failures.note("192.0.2.1")
    assert wait_s is not None
    clock.now += wait_s
    assert failures.note("192.0.2.1") is None


def test_failures_of_many_clients_use_bounded_memory(clock: Clock) -> None:
    failures = Failures(clock)
    for n in range(100_000):
        failures.note(f"2001:db8:{n >> 16:x}:{n & 0xFFFF:x}::/64")
        clock.now += 1.0
    assert len(failures) <= MAX_CLIENTS
