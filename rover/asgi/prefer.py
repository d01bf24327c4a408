"""The preferences of a client, from the header `Prefer`.

Source: RFC 7240. `wait` without a number of seconds is an extension: wait for the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

MAX_WAIT_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a request.

    Attributes:
        wait_s: seconds to wait for the result; infinite for `wait`, 0 for `respond-async`, `None`
            if the client states neither.
        applied: value of `Preference-Applied`; empty without a preference.
    """

    wait_s: float | None = None
    applied: str = ""

    @classmethod
    def of(cls, request: HTTPConnection) -> Self:
        """The preferences of a request; those that are unknown or malformed are ignored."""
        stated: dict[str, str] = {}
        for field in request.headers.getlist("prefer"):
            for preference in field.split(","):
                word = preference.partition(";")[0]
                name, _, value = word.partition("=")
                stated.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = stated.get("wait")
        if wait == "":
            return cls(inf, "wait")
        if wait is not None and wait.isdecimal() and len(wait) <= MAX_WAIT_DIGITS:
            return cls(float(wait), f"wait={int(wait)}")
        if "respond-async" in stated:
            return cls(0.0, "respond-async")
        return cls()
