"""Names of people, devices and channels: which are allowed, and which look the same.

Unicode has characters that nobody sees, and letters of several alphabets that look the same. With
these, a name could look like that of somebody else.

Source: UTS #39, 4 (Confusable Detection); UAX #15 (NFKC).
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import category, name, normalize

from rover.confusables import skeleton
from rover.invisible import INVISIBLE, is_blank, misplaced

MAX_CHARACTERS = 1_000
"""Maximum number of characters that are normalized: some become 18 characters."""

NO_CHARACTER = "it has no visible character"


def normalized(text: str) -> str:
    """The name as it is stored: full-width letters and other forms become the character.

    The result of a text of more than `MAX_CHARACTERS` is shorter, but longer than any allowed name.
    """
    return normalize("NFKC", text[:MAX_CHARACTERS])


def name_fault(text: str, max_characters: int) -> str:
    """Why a name is not allowed; empty if it is.

    Args:
        text: the name, without spaces around it.
        max_characters: maximum number of characters.
    """
    if len(text) > max_characters:
        return f"use 1 to {max_characters} characters"
    if text and is_blank(text):
        return NO_CHARACTER
    for one in misplaced(text):
        return f"nobody sees the character U+{ord(one):04X} in it; leave it out"
    for one in text.translate(INVISIBLE):
        if not one.isprintable():
            return f"use printable characters, not U+{ord(one):04X}"
    return _mixture_fault(text)


def _mixture_fault(text: str) -> str:
    """Why a name is not allowed whose letters are of several alphabets.

    Latin letters and others may be together, as in `ΔV`, but not if all of the others look like
    Latin ones, as in `flight` with a Cyrillic letter for the `i`.
    """
    if text.isascii():
        return ""
    others = [one for one in normalize("NFKC", text) if one.isalnum() and not _is_latin(one)]
    looks = skeleton(text.translate(INVISIBLE))
    is_mixed = any(map(str.isalpha, filter(str.isascii, text)))
    if others and is_mixed and looks.isascii() and all(skeleton(one).isalnum() for one in others):
        return f"{others[0]!r} in it looks like a Latin letter; use letters of one alphabet"
    return ""


def _is_latin(one: str) -> bool:
    return one.isascii() or name(one, "").startswith("LATIN ")


@lru_cache(2**14)
def looks_of(text: str) -> frozenset[str]:
    """The looks of a name. Two names look the same if they have one of these in common.

    Case, spaces, invisible characters, forms of characters (as in full-width text) and characters
    that look the same, such as `1`, `l` and `I`, make no difference.
    """
    visible = text.translate(INVISIBLE)
    composed = {visible, normalize("NFKC", visible)}
    looks = {skeleton(one) for form in composed for one in (form, form.casefold())}
    return frozenset(_without_spaces(normalize("NFC", one.casefold())) for one in looks)


def folded(text: str) -> str:
    """The text without differences of case and composition."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def _without_spaces(text: str) -> str:
    return "".join(one for one in text if category(one)[0] not in "CZ")
