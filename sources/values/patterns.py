"""Regular expressions of dictionaries and schemas, matched in bounded time.

A pattern without lookaround and references to groups is matched in time proportional to the text.
The others backtrack, up to a limit. (`re` of Python has none: `(a+)+` takes hours.)
"""

from __future__ import annotations

import jsonschema_rs

BACKTRACK_LIMIT = 10_000
"""Maximum number of backtracking steps for one text: about 0.5 ms."""

PATTERN_OPTIONS = jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACK_LIMIT)

TOO_MANY_STEPS = jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded
"""The kind of the error of a text whose match takes too many steps."""


class Pattern:
    """A pattern that a whole text must match.

    Args:
        text: the regular expression, as in JSON schemas (ECMA-262).

    Raises:
        ValueError: it is not a regular expression, or takes too much memory.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            for pattern in (text, f"^(?:{text})$"):  # `a)|(b` is one only in parentheses
                self._validator = jsonschema_rs.validator_for(
                    {"pattern": pattern}, offline=True, pattern_options=PATTERN_OPTIONS
                )
        except jsonschema_rs.ValidationError as exc:
            raise ValueError("it is not a regular expression, or is too large") from exc

    def fault(self, value: str) -> str:
        """Why a text is refused; empty if it matches."""
        try:
            errors = list(self._validator.iter_errors(value))
        except UnicodeEncodeError:
            return "must have no half of a surrogate pair"
        for error in errors:
            if isinstance(error.kind, TOO_MANY_STEPS):
                return f"cannot be checked: to match {self.text[:80]} takes too many steps"
            return f"must match {self.text[:80]}"
        return ""
