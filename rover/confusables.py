"""The looks of a text, by the data of Unicode about characters that look the same.

Source: UTS #39, 4 (Confusable Detection).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from unicodedata import normalize

ORDER_MARK = "\u200e"
"""LEFT-TO-RIGHT MARK, which the data has around characters that are written from right to left."""


def skeleton(text: str) -> str:
    """The text with one character for all that look like it. It is for comparison only.

    The order of the characters is that of the text, even if it is written from right to left.
    """
    return normalize("NFD", normalize("NFD", text).translate(_prototypes()))


@cache
def _prototypes() -> dict[int, str]:
    """For each character, that which stands for all that look like it.

    The data pairs each one with its prototype, in both directions. The prototype is the one that
    has several pairs. If both have one, it is the longer one, as `rn` for `m`, or the first one.
    """
    data = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_bytes())
    found = {}
    for text, others in data.items():
        one, other = _bare(text), others[0]["c"]
        if len(one) == 1 and len(others) == 1:
            is_pair = len(data[other]) == 1
            other = _bare(other)
            if not is_pair or len(other) > 1 or other < one:
                found[ord(one)] = other
    return {one: normalize("NFD", other).translate(found) for one, other in found.items()}


def _bare(text: str) -> str:
    return text.replace(ORDER_MARK, "")
