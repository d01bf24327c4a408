"""A member that comes back after a cut is the same member again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from rover import errors
from rover.comms.frames import plain_message
from rover.comms.seats import MAX_SEATS
from rover.identity import Identity
from tests.comms_site import closed, comms, receive, say
from tests.test_comms import comms_of

if TYPE_CHECKING:
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def test_a_member_takes_its_place_from_a_half_open_connection(serve: Serve) -> None:
    async with (
        comms(serve) as server,
        server.join("eva?name=lin") as other,
        server.join("eva?name=ada") as ghost,
    ):
        welcome = await receive(ghost)
        while (await receive(other)).get("name") != "ada":
            pass
        await say(other, "while it is away")
        query = f"?name=x&after={welcome['last_id']}&resume={welcome['resume']}"
        async with server.join(f"eva{query}") as back:
            again = await receive(back)
            assert (again["you"], again["member_count"]) == ("ada", 2)
            assert again["resume"] == welcome["resume"]
            assert (await receive(back))["text"] == "while it is away"
            assert (await closed(ghost))[0] == 1008
            await say(back, "here again")
            assert (await receive(other))["text"] == "while it is away"
            assert (await receive(other))["text"] == "here again"
        assert (await receive(other))["type"] == "leave"


async def test_a_member_that_left_gets_its_name_back_if_it_is_free() -> None:
    site = comms_of()
    with site.join("eva", "ada") as first:
        token = first.resume_token
        with site.join("eva", "ada") as second:
            assert second.name == "ada-2"
            second_token = second.resume_token
    with site.join("eva", "", resume_token=second_token) as back:
        assert (back.name, back.requested_name) == ("ada-2", "ada")
        with site.join("eva", "lin", resume_token=token) as other:
            assert other.name == "ada"
    with site.join("eva", "ada"), site.join("eva", "", resume_token=token) as third:
        assert third.name == "ada-2"


async def test_a_token_is_of_one_channel_and_one_identity() -> None:
    site = comms_of()
    lin = Identity(name="lin", scopes=frozenset({"view", "say:*"}))
    with site.join("eva", "ada") as ada, site.join("eva", identity=lin) as named:
        with site.join("eva", "x", resume_token=ada.resume_token, identity=lin) as other:
            assert other.name == "lin"
        with site.join("eva", "x", resume_token=named.resume_token) as stranger:
            assert stranger.name == "x"
        with site.join("odo", "x", resume_token=ada.resume_token) as elsewhere:
            assert elsewhere.name == "x"
        assert (ada.close_reason, named.close_reason) == (None, None)


async def test_a_full_channel_has_the_place_of_the_half_open_connection() -> None:
    site = comms_of(max_members=1, client_share=1)
    with suppress(errors.Replaced), site.join("eva", "ada", client="a") as ghost:
        with site.join("eva", "", client="b", resume_token=ghost.resume_token) as back:
            assert back.name == "ada"
            with pytest.raises(errors.PoolFull), site.join("eva", "lin"):
                pass
        assert isinstance(ghost.close_reason, errors.Replaced)
    with site.join("eva", "lin", client="c") as later:
        assert later.member_count == 1


async def test_the_seats_are_limited() -> None:
    site = comms_of()
    with site.join("eva", "first") as first:
        for _ in range(MAX_SEATS + 5):
            with site.join("eva", "guest"):
                pass
        seats = first.channel._seats
        assert len(seats._seats) == MAX_SEATS
        assert seats.find(first.resume_token, "") is not None


async def test_a_text_that_is_too_long_is_an_error_and_the_member_goes_on(serve: Serve) -> None:
    async with comms(serve, max_message_bytes=100) as server, server.join("eva") as ada:
        assert (await receive(ada))["limits"]["message_bytes"] == 100
        for text, kind in (("中" * 33, "ack"), ("y" * 101, "error"), ("z", "ack")):
            await say(ada, text, ref=text[:1])
            answer = await receive(ada)
            assert (answer["type"], answer["ref"]) == (kind, text[:1])
            if kind == "ack":
                assert (await receive(ada))["text"] == text
            else:
                assert answer["code"] == "too_long"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("go", "go"),
        ("é 漢字 👩\u200d🚀 x", "é 漢字 👩\u200d🚀 x"),
        ("a\nMessage: b", "a\n    Message: b"),
        ("a\r\nb\rc\u2028d", "a\n    b\n    c\n    d"),
        ("\x1b]0;owned\x07\x1b[2J", "\ufffd]0;owned\ufffd\ufffd[2J"),
        ("a\tb\x9b31m\x08", "a       b\ufffd31m\ufffd"),
        ("go \u202eog on", "go \ufffdog on"),
    ],
)
def test_plain_text_is_safe_in_a_terminal(text: str, shown: str) -> None:
    assert plain_message(text) == f"Message: {shown}"
