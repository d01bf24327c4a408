"""Which names are allowed, and which look the same."""

from __future__ import annotations

import json
from importlib.resources import files
from unicodedata import is_normalized

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.invisible import IGNORABLE, is_blank
from rover.names import looks_of, name_fault, normalized

LIMIT = 64
PILOT = "\U0001f469\u200d\U0001f680"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "name",
    [
        *("Ada", "Ada L.", "名前", "Zoë", "Zoe\u0308", "Вера", "Νίκη", "עדה", "x" * LIMIT),
        *(
            PILOT,
            f"Ada {PILOT}",
            "\u2764\ufe0f",
            SCOTLAND,
            "می\u200cخواهم",
            "क्\u200dष",
            "葛\U000e0100",
        ),
        *("ᠠ\u180b", "1\ufe0f\u20e3", "\u2764\ufe0f\u200d\U0001f525", "Nadır", "GPSノート"),
        *("flight-10", "ΔV-team", "Ω-meter", "Ada 管制", "Ольга-2", "O’Brien", "اتاق٤"),
    ],
)
def test_names_in_any_script_and_with_emoji_are_allowed(name: str) -> None:
    assert name_fault(name, LIMIT) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "x" * (LIMIT + 1),
            "a\0b",
            "a\nb",
            "a\u2028b",
            "a\ud800",
            "a\ue000",
            "\u2800",
            "a\u2800b",
        ),
        *(
            "\u200dAda",
            "Ada\u200d",
            "Ada \u200dL.",
            "\ufe0fAda",
            "Ada\U000e0041",
            "\U0001f3f4\U000e0067",
        ),
        *("\U0003fffd\u200dx", "\ud800\u200cx", "\x85\u200d\x85"),
        *("A\u200dda", "fli\u200cght", "क\u200da", "\u00b0\u200d\u00a9", "a\ufe0fb", "a\U000e0100"),
        *("\u0301", "\u200b\u2003", "\u3164", "flіght", "Аda", "Ꭺda", "Adа-2", "α-rover", "աb"),
        *("Nvi\u034few", "Nvi\u17b4ew", "Nvi\u202eew", "Nvi\xadew", "Nvi\ufeffew", "Nvi\u3164ew"),
    ],
)
def test_names_with_characters_that_nobody_sees_are_not_allowed(name: str) -> None:
    assert name_fault(name, LIMIT)


NAME_CHARACTERS = st.characters() | st.sampled_from("\u200c\u200d\ufe0fका\u094dم\U0001f468a")


@given(st.text(NAME_CHARACTERS, max_size=8))
def test_a_name_without_a_fault_is_visible_and_has_looks(text: str) -> None:
    name = normalized(text)
    if name and not name_fault(name, LIMIT):
        assert not is_blank(name)
        assert "" not in looks_of(name)


def test_no_ignorable_character_makes_a_name_or_a_difference() -> None:
    for one in map(chr, IGNORABLE):
        assert name_fault(one, LIMIT)
        assert looks_of(f"Nvi{one}ew") == looks_of("Nview")


@pytest.mark.parametrize(
    "other",
    [
        *("Nview", "NVIEW", "nview", " N view ", "N\u2003view", "N v i e w", "Ｎｖｉｅｗ", "𝐍𝐯𝐢𝐞𝐰"),
        *("Nvi\u2800ew", "Nvi\ufe0f\u200dew"),
        *("Nviеw", "Νview", "Nνiew", "Nѵіеԝ", "Nvıew", "NvⅠew", "Nv1ew".replace("1", "ɩ")),
    ],
)
def test_names_that_look_like_another(other: str) -> None:
    assert looks_of(other) & looks_of("Nview")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Вера", "ВЕРА", True),
        ("ΝΙΚΗ", "νικη", True),
        ("Zoë", "Zoe\u0308", True),
        ("Ada-2", "Ada‐2", True),
        ("Straße", "STRASSE", True),
        ("Вера", "Bepa", True),
        ("Zoë", "Zoe", False),
        ("Ada", "Adam", False),
        ("Ada-2", "Ada-3", False),
        ("Al", "AI", True),
        ("flight-10", "flight-1O", True),
        ("flight-10", "flight-11", False),
        ("lab1", "labl", True),
        ("lab1", "labI", True),
        ("lab1", "labi", False),
        ("modern", "modem", True),
        ("کیان", "كيان", True),
        ("اتاق۴", "اتاق٤", True),
        ("اتاق٣", "اتاق٤", False),
        ("ᎪᎠᎪ", "ADA", True),
        ("ϲomms", "comms", True),
        ("օո", "on", True),
        (PILOT, "\U0001f468\u200d\U0001f680", False),
    ],
)
def test_looks_do_not_depend_on_case_or_script(one: str, other: str, same: bool) -> None:
    assert bool(looks_of(one) & looks_of(other)) is same


def test_all_pairs_in_the_data_of_unicode_look_the_same() -> None:
    data = files("confusable_homoglyphs").joinpath("confusables.json").read_text("utf-8")
    pairs = [
        (one.replace("\u200e", ""), other["c"].replace("\u200e", ""))
        for one, others in json.loads(data).items()
        for other in others
        if is_normalized("NFD", one + other["c"])  # the data is for text in NFD
    ]
    assert len(pairs) > 10_000
    assert [pair for pair in pairs if looks_of(pair[0]).isdisjoint(looks_of(pair[1]))] == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("Ｆｌｉｇｈｔ", "Flight"), ("Zoe\u0308", "Zoë"), ("ﾛﾎﾞｯﾄ", "ロボット"), (PILOT, PILOT)],
)
def test_a_name_has_one_form(text: str, name: str) -> None:
    assert normalized(text) == name
    assert looks_of(text) & looks_of(name)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b", "\u2060\u00a0", "\u0301", "\u3164", "\u2800", "\x07", "\ufe0f"]
)
def test_a_text_that_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}.")


@pytest.mark.parametrize("text", ["a", "0", "é", "\u0301a", "🚀", "\u0903", "\ue0b0", "\U0003fffd"])
def test_a_text_that_may_show_something_is_not_blank(text: str) -> None:
    assert not is_blank(text)
