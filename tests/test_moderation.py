"""Corrections and moderation: who may edit, retract, mute and remove, and what stays in the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever

from rover.comms import Comms
from rover.comms.files import encode_page
from rover.comms.history import Query
from rover.comms.kinds import Content
from rover.errors import MessageRefused, Removed
from rover.events import EventId
from rover.identity import EVERYONE, Identity
from rover.logs import MemoryLog
from rover.settings import Settings
from tests.waiting import until

if TYPE_CHECKING:
    from rover.comms.member import Member

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0

ADA = Identity(name="Ada", scopes=frozenset({"view", "say"}))
BO = Identity(name="Bo", scopes=frozenset({"view", "say"}))
MO = Identity(name="Mo", scopes=frozenset({"view", "say", "moderate:flight-*"}))
MAX = Identity(name="Max", scopes=frozenset({"view", "say", "moderate"}))

CHANNEL = "flight-1"


def comms_of() -> Comms:
    return Comms(Settings(), lambda topic: topic.release(), lambda: T, log=MemoryLog())


def act(member: Member, kind: str, text: str = "", /, **data: Any) -> EventId:
    return member.say(text, None, Content(kind, data))


def refusal(member: Member, kind: str, text: str = "", /, **data: Any) -> str:
    """The code of the error of a message."""
    with pytest.raises(MessageRefused) as refused:
        act(member, kind, text, **data)
    return refused.value.code


async def page(comms: Comms, **query: Any) -> list[dict[str, Any]]:
    """The messages as `GET` returns them."""
    found = await comms.messages(CHANNEL, Query(**query))
    messages: list[dict[str, Any]] = json.loads(encode_page(found, "json"))["messages"]
    return messages


async def test_a_changed_message_stays_and_names_its_changes() -> None:
    comms = comms_of()
    with comms.join(CHANNEL, identity=ADA) as ada:
        first, other = str(ada.say("Go at 12:00")), str(ada.say("Hello"))
        act(ada, "edit", "Go at 12:30", message=first)
        edit = str(act(ada, "edit", "Go at 13:00", message=first))
        retract = str(act(ada, "retract", message=other))
        rows = await page(comms)
        assert [row["text"] for row in rows[:4]] == [
            "Go at 12:00",
            "Hello",
            "Go at 12:30",
            "Go at 13:00",
        ]
        assert (rows[0]["edited"], "retracted" in rows[0]) == (edit, False)
        assert (rows[1]["retracted"], "edited" in rows[1]) == (retract, False)
        assert [row["kind"] for row in rows[2:]] == ["edit", "edit", "retract"]
        for query in (
            {"limit": 1, "before": EventId.parse(other)},
            {"limit": 1, "after": EventId(EventId.parse(first).epoch, 1)},
            {"text": "12:00"},
        ):
            [row] = await page(comms, **query)  # the changes are not on the page
            assert (row["id"], row["edited"]) == (first, edit)


@pytest.mark.parametrize(
    ("identity", "code"),
    [(BO, "not_author"), (EVERYONE, "not_author"), (MO, ""), (MAX, "")],
    ids=["other", "anonymous", "moderator-of-channel", "moderator"],
)
@pytest.mark.parametrize("kind", ["edit", "retract"])
async def test_only_the_author_or_a_moderator_changes_a_message(
    identity: Identity, code: str, kind: str
) -> None:
    comms = comms_of()
    with comms.join(CHANNEL, identity=ADA) as ada, comms.join(CHANNEL, identity=identity) as other:
        message = str(ada.say("Go at 12:00"))
        if code:
            assert refusal(other, kind, "x", message=message) == code
        else:
            act(other, kind, "x", message=message)
        if not code and kind == "retract":
            assert refusal(ada, "edit", "y", message=message) == "retracted"
        else:
            act(ada, "edit", "y", message=message)


async def test_a_member_without_a_token_changes_the_messages_of_its_name() -> None:
    comms = comms_of()
    with comms.join(CHANNEL, "bo") as bo, comms.join(CHANNEL, "cy") as cy:
        message = str(bo.say("Go at 12:00"))
        assert refusal(cy, "retract", message=message) == "not_author"
        with comms.join(CHANNEL, "bo") as again:  # as bo-2
            act(again, "edit", "Go at 13:00", message=message)


async def test_messages_of_a_procedure_and_unknown_ones_cannot_be_changed() -> None:
    comms = comms_of()
    with comms.join(CHANNEL, identity=ADA) as ada:
        poll = str(act(ada, "poll", "Go?", roll=["Ada"], seconds=60))
        vote = str(act(ada, "vote", poll=poll, vote="go"))
        for target in (vote, poll):
            assert refusal(ada, "edit", "x", message=target) == "not_changeable"
        assert refusal(ada, "retract", message=vote) == "not_changeable"
        assert refusal(ada, "retract", message=str(ada.joined)) == "unknown_id"
        assert refusal(ada, "retract", message="nosuch-1") == "unknown_id"


async def test_a_muted_member_is_refused_until_a_moderator_allows_it() -> None:
    comms = comms_of()
    with comms.join(CHANNEL, identity=MO) as mo:
        with comms.join(CHANNEL, identity=ADA) as ada:
            ada.say("one")
            act(mo, "mute", member="Ada")
            assert refusal(ada, "", "hello") == "muted"
            assert mo.channel.crew.open_state(T)["muted"] == ["Ada"]
        with comms.join(CHANNEL, identity=ADA) as again:
            assert refusal(again, "", "hello") == "muted"
            with pytest.raises(MessageRefused):
                await comms.say(CHANNEL, "by HTTP", identity=ADA)
            act(mo, "allow", member="ADA")
            again.say("two")


async def test_a_mute_may_have_an_end() -> None:
    now = T
    comms = Comms(Settings(), lambda topic: topic.release(), lambda: now)
    with comms.join(CHANNEL, identity=MO) as mo, comms.join(CHANNEL, "bo") as bo:
        act(mo, "mute", member="bo", seconds=60)
        now += 59
        assert refusal(bo, "", "hello") == "muted"
        now += 1
        bo.say("again")


async def test_a_removed_member_is_closed_and_cannot_come_back_for_some_time() -> None:
    now = T
    comms = Comms(Settings(), lambda topic: topic.release(), lambda: now)
    closed: list[str] = []

    async def stay(name: str, identity: Identity) -> None:
        try:
            with comms.join(CHANNEL, name, identity=identity) as member:
                tokens.append(member.resume_token)
                await sleep_forever()
        except Removed:
            closed.append(name)

    tokens: list[str] = []
    with comms.join(CHANNEL, identity=MO) as mo, fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(stay, "bo", EVERYONE)
            for _ in range(2):  # two devices of one member
                tasks.start_soon(stay, "Ada", ADA)
            await until(lambda: len(tokens) == 3)
            act(mo, "remove", member="BO")  # a name in any case
            act(mo, "remove", member="Ada", seconds=60)
        assert sorted(closed) == ["Ada", "Ada", "bo"]
        for again in (("bo", EVERYONE, ""), ("x", EVERYONE, tokens[0]), ("", ADA, "")):
            name, identity, token = again
            with (
                pytest.raises(Removed),
                comms.join(CHANNEL, name, identity=identity, resume_token=token),
            ):
                pass
        with comms.join("flight-2", "bo"):
            pass
        now += 60
        with comms.join(CHANNEL, identity=ADA):
            pass
        act(mo, "allow", member="bo")
        with comms.join(CHANNEL, "bo"):
            pass


@pytest.mark.parametrize(
    ("identity", "channel"), [(ADA, CHANNEL), (EVERYONE, CHANNEL), (MO, "eva")]
)
async def test_only_a_moderator_of_the_channel_moderates(identity: Identity, channel: str) -> None:
    comms = comms_of()
    with comms.join(channel, "x", identity=identity) as member, comms.join(channel, "bo") as bo:
        assert refusal(member, "mute", member="bo") == "not_moderator"
        assert not member.may_moderate
        bo.say("hello")


async def test_a_moderator_cannot_silence_another_one() -> None:
    comms = comms_of()
    with comms.join(CHANNEL, identity=MO) as mo, comms.join(CHANNEL, identity=MAX) as other:
        assert refusal(mo, "mute", member="Max") == "not_allowed"
        assert refusal(other, "remove", member="Mo") == "not_allowed"
