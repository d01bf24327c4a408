"""The names of channels: one channel for all spellings of a name, in every path that takes one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import normalize

import pytest

from rover.comms import Comms
from rover.comms.names import ChannelNames
from rover.errors import ChannelRefused, ScopeRequired
from rover.identity import Identity
from rover.settings import Settings
from tests.test_comms_messages import client_of, page, said, texts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

PERSIAN = "می\u200cخواهم"  # noqa: RUF001
"""A word with ZERO WIDTH NON-JOINER."""


@pytest.mark.parametrize(
    "first", ["Flight", "Größe", "Связь", "管制", "مهمة", "हिन्दी", PERSIAN, "eva-2_b.c"]
)
def test_all_cases_and_compositions_of_a_name_are_the_channel_with_the_first_spelling(
    first: str,
) -> None:
    names = ChannelNames()
    assert names.find(first) == normalize("NFC", first)
    names.add(names.find(first))
    for other in (first, first.upper(), first.lower(), normalize("NFD", first)):
        assert names.find(other) == normalize("NFC", first)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "-a",
            "_a",
            ".",
            "a/b",
            "a b",
            "a\u200b",
            "\u200d",
            "a\0",
            "a\x1b[31m",
            "a" * 65,
            "🚀",
        ),
        *("\ufdfa" * 20_000, "e\u0301" * 20_000, "\u1100\u1161\u11a8" * 20_000),
        *("fli\u200dght", "fli\u200cght", "a\ufe0f", "flіght", "\u0301", "½"),  # noqa: RUF001
    ],
)
def test_a_name_that_cannot_be_seen_or_typed_is_refused(name: str) -> None:
    with pytest.raises(ChannelRefused):
        ChannelNames().find(name)


def test_a_name_that_looks_like_that_of_another_channel_is_refused() -> None:
    names = ChannelNames(["flight"])
    with pytest.raises(ChannelRefused):
        names.find("flіght")  # noqa: RUF001 # a Cyrillic letter
    names.remove("flight")
    assert names.find("Flight") == "Flight"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(("flight-10", "flight-1O"), ("lab1", "labl"), ("labI", "lab1"), ("modem", "modern")),
        *(("کیان", "كيان"), ("اتاق۴", "اتاق٤"), ("می\u200cخواهم", "میخواهم")),  # noqa: RUF001
        *(("eva", "еvа".replace("v", "ѵ")), ("ADA", "ᎪᎠᎪ"), ("on", "օո")),  # noqa: RUF001
    ],
)
def test_the_refusal_names_the_channel_that_looks_the_same(first: str, second: str) -> None:
    for one, other in ((first, second), (second, first)):
        with pytest.raises(ChannelRefused, match=re.escape(repr(one))):
            ChannelNames([one]).find(other)


def test_names_that_differ_visibly_are_channels() -> None:
    names = ChannelNames()
    for name in (
        "flight-10",
        "flight-11",
        "flight-O2",
        "lab1",
        "labi",
        "lab2",
        "Lab",
        "Zoë",
        "Zoe",
    ):
        assert names.find(name) == name
        names.add(name)


@pytest.mark.parametrize("first", ["Flight", "Ｆｌｉｇｈｔ"])  # noqa: RUF001
def test_full_width_and_plain_letters_are_one_channel(first: str) -> None:
    names = ChannelNames()
    assert names.find(first) == "Flight"
    names.add("Flight")
    assert names.find("ＦLIGHT") == "Flight"  # noqa: RUF001


def test_channels_of_earlier_versions_keep_their_exact_names() -> None:
    old = ["Flight", "flight", "lab1", "labl", "fli\u200dght"]
    names = ChannelNames(old)
    assert [names.find(one) for one in old] == old
    assert [names.find(one) for one in ("FLIGHT", "LAB1", "LABL")] == ["Flight", "lab1", "labl"]


async def test_members_messages_and_pages_have_one_channel_also_after_a_restart(
    tmp_path: Path,
) -> None:
    async with client_of(tmp_path) as client:
        await said(client, "one", path="/comms/Flight/messages")
        await said(client, "two", path="/comms/FLIGHT/messages")
        assert texts(await page(client)) == ["one", "two"]
    async with client_of(tmp_path) as client:
        await said(client, "three", path="/comms/flIght/messages")
        assert texts(await page(client)) == ["one", "two", "three"]
        channels = (await client.get("/comms")).json()["channels"]
        assert [channel["name"] for channel in channels] == ["Flight"]


async def test_members_with_two_spellings_meet_in_one_channel() -> None:
    comms = Comms(Settings())
    with comms.join("Flight", "ada") as ada, comms.join("flight", "Zoe\u0301") as zoe:
        assert ada.channel is zoe.channel
        assert zoe.name == "Zo\u00e9"
        with comms.join("FLIGHT", "zo\u00c9") as other:
            assert other.name == "zo\u00c9-2"


async def test_a_scope_applies_to_all_spellings_of_a_channel() -> None:
    comms = Comms(Settings())
    identity = Identity("Ada", frozenset(["view", "say:Flight-*"]))
    with comms.join("FLIGHT-2", identity=identity) as ada:
        assert ada.may_say
    await comms.say("flight-3", "GO", identity=identity)
    with pytest.raises(ScopeRequired):
        await comms.say("Flights", "GO", identity=identity)


async def test_a_member_whose_name_looks_like_that_of_another_is_refused() -> None:
    comms = Comms(Settings(max_members=2))
    with comms.join("flight", "Al"):
        for name in ("AI", "A1", "АӀ", "A l"):  # noqa: RUF001
            with (
                pytest.raises(ChannelRefused, match="'Al'"),
                comms.join("flight", name),
            ):
                pass
            with pytest.raises(ChannelRefused, match="'Al'"):
                await comms.say("flight", "GO", name)
        with comms.join("flight", "AL") as second, comms.join("science", "AI") as elsewhere:
            assert (second.name, elsewhere.name) == ("AL-2", "AI")


async def test_full_width_letters_of_a_member_become_plain_ones() -> None:
    with Comms(Settings()).join("flight", " Ａｄａ ") as ada:  # noqa: RUF001
        assert ada.name == "Ada"
