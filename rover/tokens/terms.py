"""The words of `rover token add`: names, scopes and times of expiry."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from rover.errors import TokenError
from rover.identity import CHANNEL_SCOPES, SCOPES
from rover.names import name_fault, normalized

MAX_NAME_CHARACTERS = 64

MAX_PATTERN_CHARACTERS = 64

PATTERN = re.compile(r"(?:[A-Za-z0-9_.*?\[\]!-]|[^\x00-\x7f])+")
"""A pattern of names of channels, as of `fnmatch`."""

DURATION = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def checked_name(what: str, name: str) -> str:
    """The name without spaces around it.

    Args:
        what: it names, for the message of the error.
        name: of a person, device or role.

    Raises:
        TokenError: it is empty, too long, or has characters that cannot be shown.
    """
    name = normalized(name).strip()
    limit = f"1 to {MAX_NAME_CHARACTERS} printable characters"
    if fault := name_fault(name, MAX_NAME_CHARACTERS) or ("" if name else "it is empty"):
        raise TokenError(f"{what}={name[:80]!r}: must be {limit}: {fault}")
    return name


def scopes_of(text: str) -> tuple[str, ...]:
    """The scopes in a comma-separated list such as `view,say:flight-*`.

    Raises:
        TokenError: there is none, or one of them does not exist.
    """
    scopes = tuple(dict.fromkeys(scope.strip() for scope in text.split(",")))
    for scope in scopes:
        name, colon, pattern = scope.partition(":")
        if name not in SCOPES:
            choices = ", ".join(SCOPES)
            raise TokenError(
                f"scope={scope[:80]!r}: must be one of {choices}, say:PATTERN or moderate:PATTERN"
            )
        if colon and (
            name not in CHANNEL_SCOPES
            or not PATTERN.fullmatch(pattern)
            or name_fault(pattern, MAX_PATTERN_CHARACTERS)
            or pattern != normalized(pattern)
        ):
            raise TokenError(
                f"scope={scope[:80]!r}: must be say:PATTERN or moderate:PATTERN, and the pattern "
                "is the name of a channel with * for any characters, such as say:flight-*"
            )
    return scopes


def expiry_of(text: str, now: float) -> float:
    """The POSIX seconds at which a token expires.

    Args:
        text: a duration such as `12h`, `30d` or `8w`; the last day such as `2026-12-31`, in UTC;
            or a time with its offset such as `2026-12-31T18:00:00+01:00`.
        now: POSIX seconds.

    Raises:
        TokenError: it is none of these, or in the past.
    """
    if found := DURATION.fullmatch(text):
        return now + int(found[1]) * SECONDS[found[2]]
    try:
        moment = datetime.fromisoformat(text)
        if DATE.fullmatch(text):
            moment = moment.replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        moment = datetime.min
    if moment.tzinfo is None:
        raise TokenError(
            f"expires={text[:80]!r}: must be a duration such as 30d, a day such as 2026-12-31, or "
            "a time such as 2026-12-31T18:00:00Z"
        )
    if moment.timestamp() <= now:
        raise TokenError(f"expires={text!r}: must be in the future")
    return moment.timestamp()
