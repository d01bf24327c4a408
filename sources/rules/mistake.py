"""A rule that a source breaks."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """A broken rule of a contract.

    Attributes:
        rule: its stable code, such as `telemetry.names`; see `rover.testing.Clause`.
        text: the value and the rule, on one line.
    """

    rule: str
    text: str


def shown(value: object, max_characters: int = 80) -> str:
    """The `repr` of a value, of bounded length; the name of its type if `repr` raises."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"
