"""Options with a time."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite, nan

import click


def moment(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """POSIX seconds of an option.

    Raises:
        click.BadParameter: it is not a time.
    """
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
            found = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            found = nan
    if not isfinite(found):
        raise click.BadParameter(
            f"{text}: must be a time such as 2026-11-28T09:00:00Z, or seconds since 1970"
        )
    return found
