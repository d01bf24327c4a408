"""Recognises command files in another language than the validator's, for a hint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sources.values.text_blocks import LineError, NotText

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sources.values.text_blocks import Block

FPRIME_LINE = re.compile(
    r"\s*(?:A\d{4}-\d{3}T|R)\d\d:\d\d:\d\d(?:\.\d{1,6})?[ \t]+[A-Za-z_]\w*(?:\.\w+)+(?:\s|$)",
    re.ASCII,
)
"""A time and a command with its component, as in `R00:00:01 cmdDisp.CMD_NO_OP`."""

SIMULATED_LINE = re.compile(r"\s*@(?:rover|sequence|start|local|battery|crc32)\b")

XTCE_FILE = re.compile(r"\s*<(?:\?xml|[\w:]*SpaceSystem)")


OTHER_LANGUAGE = "the file is in another language than this validator checks"

HINTS = {
    "json": "this looks like JSON, such as seq-json, which the validator seqjson: checks",
    "fprime": "this looks like an F Prime sequence, which the validator fprime: checks",
    "sim": "this looks like a sequence for the simulated rover, which the validator sim: checks",
    "xml": "this looks like XML, not like a command file",
}


def language(text: str) -> str:
    """The language that a line looks like, as a key of `HINTS`; empty if it is unknown."""
    if text.lstrip()[:1] in ("{", "["):
        return "json"
    if FPRIME_LINE.match(text):
        return "fprime"
    if SIMULATED_LINE.match(text):
        return "sim"
    return "xml" if XTCE_FILE.match(text) else ""


def first_language(lines: Iterable[str]) -> tuple[int, str]:
    """The number of the first line after the comments, from 1, and its language."""
    for number, line in enumerate(lines, 1):
        if (start := line.lstrip()) and start[0] not in ";#":
            return number, language(line)
    return 1, ""


def check_language(block: Block, own: str) -> None:
    """Check that the first block of a file is not in another language than `own`.

    Raises:
        NotText: it is.
    """
    number, found = first_language(block.lines)
    if found not in ("", own):
        raise NotText(LineError("file.language", OTHER_LANGUAGE, number, None, HINTS[found]))
