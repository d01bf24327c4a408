"""Results of checks, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from rover.cli.connection import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

Level = Literal["ok", "warn", "fail", "skip"]

COLORS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "blue"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    Attributes:
        check: the name of the check.
        level: `ok`, `warn`, `fail`, or `skip` if it could not be checked.
        found: the measurement, for people.
        fix: the remedy; empty if there is nothing to do.
        weight: points that the check is worth.
    """

    check: str
    level: Level
    found: str
    fix: str = ""
    weight: int = 1


def show(result: Result) -> None:
    """Print a result at once."""
    level = click.style(f"{result.level:<5}", fg=COLORS[result.level])
    click.echo(f"{level} {result.check}: {printable(result.found)}")
    if result.fix:
        click.echo(f"      {printable(result.fix)}")


def score(results: Sequence[Result]) -> tuple[int, int]:
    """The points reached and the points that could be checked. A warning is half of a check."""
    parts = {"ok": 2, "warn": 1, "fail": 0}
    counted = [result for result in results if result.level != "skip"]
    reached = sum(parts[result.level] * result.weight for result in counted)
    return reached // 2, sum(result.weight for result in counted)


def as_json(results: Sequence[Result], **more: object) -> str:
    """The results as a JSON object."""
    return json.dumps({**more, "results": [asdict(result) for result in results]}, indent=1)
