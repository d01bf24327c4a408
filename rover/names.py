"""Names of people and devices: which are allowed, and which look the same.

Unicode has characters that nobody sees, and letters of several scripts that look the same. With
these, a name could look like that of somebody else.

Source: Unicode 15.1, DerivedCoreProperties.txt (Default_Ignorable_Code_Point); UTS #39, section 4
(confusable characters); UTS #51, annex ED-14a (tags in emoji).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

IGNORABLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
)
"""Code points that most programs do not show."""

BLANK = 0x2800
"""BRAILLE PATTERN BLANK, which looks like a space."""

INVISIBLE = dict.fromkeys((*IGNORABLE, BLANK))

CAPITALS = str.maketrans("АВЕКМНОРСТУХІЈЅԚԜҺӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ", "ABEKMHOPCTYXIJSQWHlABEZHIKMNOPTYXC")
SMALL = str.maketrans(
    "асеорухіјѕһԁԛԝѵӏквмнтαονικρτχυγϲϳıɑɡɩօսհ", "aceopyxijshdqwvlkbmhtaovikptxuycjiagiouh"
)
"""Cyrillic, Greek, Armenian and other letters, and the Latin ones that look the same."""

DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7"), "-")

JOINERS = "\u200c\u200d"
"""ZERO WIDTH NON-JOINER and JOINER. Words of some languages and most emoji of people have them."""

SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""Characters that choose a form of the character before them."""

BLANK_LOOKS = frozenset([""])

TAGS = "\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f"
"""The flag of a region."""

SEQUENCES = re.compile(rf"(?<=\S)(?:[{SELECTORS}]|[{JOINERS}](?=\S))|{TAGS}")
"""Where invisible characters belong to a visible one."""


def name_fault(name: str, max_characters: int) -> str:
    """Why a name is not allowed; empty if it is.

    Args:
        name: without spaces around it.
        max_characters: maximum number of characters.
    """
    if len(name) > max_characters:
        return f"use 1 to {max_characters} characters"
    if name and looks_of(name) == BLANK_LOOKS:
        return "it has no visible character"
    for one in SEQUENCES.sub("", name):
        if not one.isprintable() or ord(one) in INVISIBLE:
            return f"use printable characters, not U+{ord(one):04X}"
    return ""


@lru_cache(2**14)
def looks_of(name: str) -> frozenset[str]:
    """What a name looks like. Two names look the same if they have one of these in common.

    Case, spaces, invisible characters, forms of characters (as in full-width text) and letters of
    several alphabets that look the same make no difference.
    """
    if name.isascii():  # the most frequent case, without the cost of the others
        return frozenset([_without_spaces(name.lower())])
    visible = unicodedata.normalize("NFKC", name).translate(INVISIBLE).translate(DASHES)
    letters = visible.casefold()
    latin = visible.translate(CAPITALS).casefold().translate(SMALL)
    both = (unicodedata.normalize("NFKC", one) for one in (letters, latin))
    return frozenset(map(_without_spaces, both))


def folded(text: str) -> str:
    """The text without differences of case and composition."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _without_spaces(text: str) -> str:
    return "".join(one for one in text if unicodedata.category(one)[0] not in "CZ")
