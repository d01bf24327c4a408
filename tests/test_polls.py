"""GO/NO-GO polls and calls: votes, refusals, results, and what a restart keeps."""

from __future__ import annotations

import json
from time import time
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group

from rover.comms import Comms
from rover.comms.channel import MAX_PRESENCE_EVENTS
from rover.comms.events import MessageEvent
from rover.comms.kinds import Content, content_of
from rover.errors import MessageForbidden, MessageRefused, PoolFull
from rover.identity import Identity
from rover.logs import MemoryLog, SqliteLog
from rover.settings import Settings
from rover.wire import iso
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from rover.comms.member import Member
    from rover.logs.base import Log

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0

FD = Identity(name="Ada", role="FD", scopes=frozenset({"view", "say"}))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.t = T

    def __call__(self) -> float:
        return self.t


class Site:
    """Channels with a clock that a test sets."""

    def __init__(self, log: Log | None = None, **settings: Any) -> None:
        self.clock = Clock()
        self.log = log
        self.settings = Settings(**settings)
        self.comms = self.restarted()

    def restarted(self) -> Comms:
        """The channels of the next run, with the same log and clock."""
        self.comms = Comms(self.settings, lambda topic: topic.release(), self.clock, log=self.log)
        return self.comms


def call_poll(member: Member, *roll: str, **more: Any) -> str:
    data = {"roll": list(roll), **(more or {"seconds": 60})}
    return str(member.say("Go for drive?", None, Content("poll", data)))


def vote(member: Member, poll: str, choice: str = "go", **more: Any) -> None:
    member.say("", None, Content("vote", {"poll": poll, "vote": choice, **more}))


def acknowledge(member: Member, call: str) -> None:
    member.say("", None, Content("ack", {"call": call}))


def data_of(member: Member, kind: str) -> list[dict[str, Any]]:
    """The data of all messages of a kind, with the name of their sender."""
    events = member.channel.topic.retained_items()
    return [
        {"from": event.name, **(event.content.data or {})}
        for event in events
        if isinstance(event, MessageEvent) and event.content.kind == kind
    ]


def tally(member: Member) -> tuple[list[str], list[str]]:
    """Who has acknowledged the only call, and who has not."""
    [call] = member.channel.crew.calls.as_json()
    return call["acked"], call["missing"]


def refusal(member: Member, kind: str, data: dict[str, Any], text: str = "x") -> str:
    """The code of the error of a message."""
    with pytest.raises(MessageRefused) as refused:
        member.say(text, None, Content(kind, data))
    return refused.value.code


@pytest.mark.parametrize(
    ("votes", "outcome", "missing"),
    [
        ({"FD": "go", "CAPCOM": "go"}, "go", []),
        ({"FD": "go", "CAPCOM": "no-go"}, "no-go", []),
        ({"CAPCOM": "go"}, "incomplete", ["FD"]),
        ({}, "incomplete", ["FD", "CAPCOM"]),
    ],
)
async def test_a_poll_has_one_result(
    votes: dict[str, str], outcome: str, missing: list[str]
) -> None:
    site = Site()
    with site.comms.join("flight", "FD") as fd, site.comms.join("flight", "CAPCOM") as capcom:
        members = {"FD": fd, "CAPCOM": capcom}
        poll = call_poll(fd, "FD", "CAPCOM")
        for station, choice in votes.items():
            vote(members[station], poll, choice)
        assert len(data_of(fd, "result")) == (not missing)  # the last vote closes the poll at once
        site.clock.t += 60
        for _ in range(2):
            site.comms.close_polls()
        [result] = data_of(fd, "result")
        assert result == {
            "from": "system",
            "poll": poll,
            "outcome": outcome,
            "go": [one for one in ("FD", "CAPCOM") if votes.get(one) == "go"],
            "no_go": [one for one in ("FD", "CAPCOM") if votes.get(one) == "no-go"],
            "missing": missing,
        }


async def test_a_poll_without_a_roll_is_for_the_members_that_may_speak() -> None:
    site = Site()
    listener = Identity(name="PAO", scopes=frozenset({"view"}))
    content = content_of({"kind": "poll", "data": {"seconds": 60}})
    with pytest.raises(MessageRefused):
        await site.comms.say("flight", "Go?", "FD", content=content)
    with site.comms.join("flight", identity=listener), site.comms.join("flight", "EVA") as eva:
        await site.comms.say("flight", "Go?", "FD", content=content)
        assert [one["roll"] for one in data_of(eva, "poll")] == [["EVA"]]


async def test_votes_that_do_not_count_are_refused_with_their_reason() -> None:
    site = Site()
    with site.comms.join("flight", "FD") as fd, site.comms.join("flight", "EVA") as eva:
        poll = call_poll(fd, "FD", "CAPCOM")
        vote(fd, poll)
        assert refusal(fd, "vote", {"poll": poll, "vote": "no-go"}) == "already_voted"
        assert refusal(eva, "vote", {"poll": poll, "vote": "go"}) == "not_on_roll"
        station = {"poll": poll, "vote": "go", "station": "CAPCOM"}
        assert refusal(fd, "vote", station) == "not_on_roll"
        content = Content("vote", station)
        with pytest.raises(MessageForbidden, match="you vote for FD"):
            fd.say("", content=content)
        assert refusal(fd, "vote", {"poll": "nosuch-1", "vote": "go"}) == "unknown_id"
        with site.comms.join("flight", "CAPCOM") as capcom:
            site.clock.t += 60  # the result is not published yet
            assert refusal(capcom, "vote", {"poll": poll, "vote": "go"}) == "late"
            site.comms.close_polls()
            assert refusal(capcom, "vote", {"poll": poll, "vote": "go"}) == "late"
        assert data_of(fd, "vote") == [{"from": "FD", "poll": poll, "station": "FD", "vote": "go"}]


@pytest.mark.parametrize(
    ("offset_s", "code"), [(-3600, "late"), (0, "late"), (90_000, "malformed")]
)
async def test_a_deadline_is_of_the_clock_of_the_server(offset_s: float, code: str) -> None:
    with Site().comms.join("flight", "FD") as fd:
        deadline = iso(T + offset_s)
        assert refusal(fd, "poll", {"roll": ["FD"], "deadline": deadline}) == code
        call_poll(fd, "FD", deadline=iso(T + 60))
        call_poll(fd, "FD", seconds=60)
        assert [one["deadline"] for one in data_of(fd, "poll")] == [iso(T + 60)] * 2


@pytest.mark.parametrize("more", [{}, {"station": "FD"}], ids=["first station", "named station"])
async def test_a_vote_that_is_sent_again_with_its_ref_counts_once(more: dict[str, str]) -> None:
    with Site().comms.join("flight", "FD") as fd:
        poll = call_poll(fd, "FD", "CAPCOM")
        content = Content("vote", {"poll": poll, "vote": "go", **more})
        assert fd.say("", "v1", content) == fd.say("", "v1", content)
        assert len(data_of(fd, "vote")) == 1


async def test_a_station_is_a_role_or_a_name_in_any_case() -> None:
    comms = Site().comms
    with comms.join("flight", identity=FD) as ada, comms.join("flight", "capcom") as capcom:
        poll = call_poll(ada, "fd", "CAPCOM", "Ada")
        vote(ada, poll, station="Ada")
        vote(ada, poll)
        vote(capcom, poll)
        [result] = data_of(ada, "result")
        assert result["go"] == ["fd", "CAPCOM", "Ada"]


async def test_a_retracted_poll_has_no_result() -> None:
    site = Site()
    with site.comms.join("flight", "FD") as fd:
        poll = call_poll(fd, "FD")
        fd.say("", None, Content("retract", {"message": poll}))
        assert refusal(fd, "vote", {"poll": poll, "vote": "go"}) == "unknown_id"
        site.clock.t += 60
        site.comms.close_polls()
        assert data_of(fd, "result") == []


async def test_the_number_of_open_polls_is_limited() -> None:
    with Site().comms.join("flight", "FD") as fd:
        for _ in range(8):
            call_poll(fd, "FD")
        assert refusal(fd, "poll", {"roll": ["FD"], "seconds": 60}) == "too_many"


async def test_a_new_member_receives_the_tally_of_open_polls_and_calls() -> None:
    site = Site(welcome_events=0)
    with site.comms.join("flight", "FD") as fd:
        poll = call_poll(fd, "FD", "CAPCOM")
        vote(fd, poll)
        call = str(fd.say("Storm at 12:00", None, Content("call", {"roll": ["FD", "CAPCOM"]})))
        acknowledge(fd, call)
        with site.comms.join("flight", "CAPCOM") as capcom:
            state = capcom.channel.crew.open_state(T)
    assert state["now"] == iso(T)
    assert state["polls"] == [
        {
            "id": poll,
            "text": "Go for drive?",
            "by": "FD",
            "roll": ["FD", "CAPCOM"],
            "deadline": iso(T + 60),
            "votes": {"FD": "go"},
            "outcome": None,
            "missing": ["CAPCOM"],
        }
    ]
    assert [(one["id"], one["acked"], one["missing"]) for one in state["calls"]] == [
        (call, ["FD"], ["CAPCOM"])
    ]


async def test_a_call_without_a_roll_asks_the_members_that_may_speak() -> None:
    comms = Site().comms
    listener = Identity(name="Lin", scopes=frozenset({"view"}))
    with (
        comms.join("flight", "FD") as fd,
        comms.join("flight", "CAPCOM") as capcom,
        comms.join("flight", identity=listener),
        comms.join("flight", "late") as late,
    ):
        call = str(fd.say("Storm at 12:00", None, Content("call", {})))
        assert data_of(fd, "call") == [{"from": "FD", "roll": ["CAPCOM", "late"]}]
        acknowledge(capcom, call)
        assert refusal(capcom, "ack", {"call": call}) == "already_acknowledged"
        assert refusal(capcom, "ack", {"call": "nosuch-1"}) == "unknown_id"
        assert tally(fd) == (["CAPCOM"], ["late"])
        acknowledge(late, call)
        acknowledge(fd, call)  # it was not asked, and is listed too
        assert tally(fd) == (["CAPCOM", "late", "FD"], [])


async def test_a_restart_keeps_votes_deadlines_acks_and_mutes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.open()
    moderator = Identity(name="Mo", scopes=frozenset({"view", "say", "moderate:fl*"}))
    site = Site(log, room_events=10)
    with (
        site.comms.join("flight", "FD") as fd,
        site.comms.join("flight", identity=moderator) as mo,
    ):
        poll = call_poll(fd, "FD", "CAPCOM")
        vote(fd, poll)
        call = str(fd.say("Storm at 12:00", None, Content("call", {"roll": ["FD", "CAPCOM"]})))
        acknowledge(fd, call)
        mo.say("", None, Content("mute", {"member": "Troll"}))
        for number in range(MAX_PRESENCE_EVENTS + 20):  # so these messages are not loaded again
            fd.say(str(number))
        await log.sync()
        comms = site.restarted()  # as after kill -9: nobody has left

    await comms.channels.load("flight")
    with comms.join("flight", "Troll") as troll, comms.join("flight", "CAPCOM") as capcom:
        assert refusal(troll, "", {}) == "muted"
        acknowledge(capcom, call)
        assert tally(capcom) == (["FD", "CAPCOM"], [])
        vote(capcom, poll, "no-go")
        [result] = data_of(capcom, "result")
        assert (result["go"], result["no_go"]) == (["FD"], ["CAPCOM"])
    await log.close()


async def test_a_poll_whose_deadline_passes_while_the_server_is_down_gets_its_result() -> None:
    site = Site(MemoryLog())
    with site.comms.join("flight", "FD") as fd:
        call_poll(fd, "FD")
        comms = site.restarted()
    site.clock.t += 60
    await comms.channels.open_needed()
    comms.close_polls()
    assert site.log is not None
    kept = await site.log.read("comms/flight", kinds=("message",))
    assert [json.loads(one.data).get("kind") for one in kept] == ["poll", "result"]


async def test_a_channel_with_an_open_poll_is_not_closed_for_another_one() -> None:
    site = Site(max_channels=1)
    with site.comms.join("flight", "FD") as fd:
        call_poll(fd, "FD")
    assert site.comms.channels.pool.is_full(None)
    with pytest.raises(PoolFull), site.comms.join("eva"):
        pass
    site.clock.t += 60
    site.comms.close_polls()
    with site.comms.join("eva"):
        pass


async def test_run_closes_a_poll_at_its_deadline() -> None:
    comms = Comms(Settings(), lambda topic: topic.release(), time)
    async with create_task_group() as tasks:
        tasks.start_soon(comms.run)
        with comms.join("flight", "FD") as fd:
            call_poll(fd, "FD", "CAPCOM", deadline=iso(time() + 0.05))
            await until(lambda: data_of(fd, "result"))
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("poll", None),
        ("poll", {"roll": [], "seconds": 60}),
        ("poll", {"roll": ["FD"]}),
        ("poll", {"roll": ["FD"], "seconds": 60, "deadline": iso(T + 60)}),
        ("poll", {"roll": ["FD", "fd"], "seconds": 60}),
        ("poll", {"roll": ["FD", 1], "seconds": 60}),
        ("poll", {"roll": ["FD"] * 33, "seconds": 60}),
        ("poll", {"roll": ["FD"], "seconds": True}),
        ("poll", {"roll": ["FD"], "seconds": 0}),
        ("poll", {"roll": ["FD"], "seconds": float("nan")}),
        ("poll", {"roll": ["FD"], "seconds": 60, "extra": 1}),
        ("vote", {"poll": "a-1", "vote": "maybe"}),
        ("vote", {"poll": ["a-1"], "vote": "go"}),
        ("ack", {}),
        ("edit", {"message": 7}),
        ("mute", {"member": ""}),
        ("result", {"poll": "a-1", "outcome": "go"}),
    ],
)
def test_data_that_does_not_fit_its_kind_is_refused(kind: str, data: Any) -> None:
    with pytest.raises(MessageRefused) as refused:
        content_of({"kind": kind, "data": data})
    assert refused.value.code == ("not_allowed" if kind == "result" else "malformed")
