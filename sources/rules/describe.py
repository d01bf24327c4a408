"""Texts of exceptions, on one line of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DETAIL_CHARACTERS = 300
"""Maximum length of the text of an exception in states, log lines and responses."""

MAX_DESCRIBED = 3
"""Maximum number of exceptions of a group that a description lists."""


def one_line(text: str, max_characters: int = MAX_DETAIL_CHARACTERS) -> str:
    """The text on one line of bounded length, without control characters and surrogates."""
    start = " ".join(text[: 4 * max_characters].split())
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in start)
    if len(shown) <= max_characters and len(text) <= 4 * max_characters:
        return shown
    return shown[: max_characters - 1] + "…"


def describe(exc: BaseException) -> str:
    """The exception as one line of bounded length, for people."""
    leaves = list(leaves_of(exc))
    if len(leaves) == 1:
        return one_line(_text(leaves[0]))
    listed = "; ".join(one_line(_text(leaf), 80) for leaf in leaves[:MAX_DESCRIBED])
    more = ", …" if len(leaves) > MAX_DESCRIBED else ""
    return one_line(f"{len(leaves)} exceptions: {listed}{more}")


def leaves_of(exc: BaseException) -> Iterator[BaseException]:
    """The exception, or all exceptions of a group, which may be nested thousands of levels deep."""
    stack = [exc]
    while stack:
        top = stack.pop()
        if isinstance(top, BaseExceptionGroup):
            stack.extend(reversed(top.exceptions))
        else:
            yield top


def _text(exc: BaseException) -> str:
    try:
        text = str(exc)
    except BaseException as broken:
        text = f"its text cannot be read ({type(broken).__name__})"
    if isinstance(exc, SourceError) and text:
        return text
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
