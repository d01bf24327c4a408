"""Characters that nobody sees: which they are, and where text needs them.

Source: Unicode 15.1, DerivedCoreProperties.txt (Default_Ignorable_Code_Point); UTS #51, 2.8 (emoji
sequences) and annex ED-14a (tags); RFC 5892, appendix A.1 and A.2 (joiners).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import category, name

from idna.core import valid_contextj

if TYPE_CHECKING:
    from collections.abc import Iterator

IGNORABLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
    *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
    *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
)
"""Code points that most programs do not show."""

BLANK = (0x2800, 0x13441, 0x13442, 0x1D159)
"""Symbols that look like a space, such as BRAILLE PATTERN BLANK."""

INVISIBLE = dict.fromkeys((*IGNORABLE, *BLANK))

BLANK_CATEGORIES = frozenset(["Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me"])
"""Categories of controls and spaces, and of marks, which show nothing of their own."""

JOINER = "\u200d"

NON_JOINER = "\u200c"

TEXT_STYLE, EMOJI_STYLE = "\ufe0e", "\ufe0f"

KEYCAP = "\u20e3"

FIRST_EMOJI = 0x2190
"""Emoji of sequences with a joiner are symbols from this code point on."""

TAGS = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")
"""The flag of a region."""


def is_blank(text: str) -> bool:
    """Whether a text shows nothing."""
    return all(ord(one) in INVISIBLE or category(one) in BLANK_CATEGORIES for one in text)


def misplaced(text: str) -> Iterator[str]:
    """The invisible characters of a text that its visible ones do not need.

    Sequences of emoji have joiners, and so have words of Persian and of the scripts of India, where
    the joiner changes the letters beside it.
    """
    text = TAGS.sub("", text)
    return (one for at, one in enumerate(text) if ord(one) in INVISIBLE and not _fits(text, at))


def _fits(text: str, at: int) -> bool:
    one, before, after = text[at], text[at - 1 : at], text[at + 1 : at + 2]
    if one in (JOINER, NON_JOINER):
        is_emoji = one == JOINER and _is_emoji(before) and _is_emoji(after)
        has_name = before != "" and name(before, "") != ""  # idna raises for other characters
        return is_emoji or (has_name and valid_contextj(text, at))
    if one in (TEXT_STYLE, EMOJI_STYLE):
        return after == KEYCAP or _is_symbol(before)
    if "\ufe00" <= one <= "\ufe0d" or "\U000e0100" <= one <= "\U000e01ef":
        return name(before, "").startswith("CJK ") if before else False
    if one in "\u180b\u180c\u180d\u180f":
        return "\u1820" <= before <= "\u18aa"
    return False


def _is_symbol(one: str) -> bool:
    """Whether it may be shown as an emoji or as text."""
    return one != "" and (category(one) in ("So", "Sm", "Sk") or one in "\u203c\u2049\u3030\u303d")


def _is_emoji(one: str) -> bool:
    return one == EMOJI_STYLE or (_is_symbol(one) and ord(one) >= FIRST_EMOJI)
