"""The options of `rover export`, which its subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rover.cli.moment import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bound="Callable[..., Any]")


def file_options(noun: str) -> Callable[[F], F]:
    """The options for the content and the place of a file.

    Args:
        noun: name of the parts of a file.
    """

    def add(command: F) -> F:
        for option in reversed(
            (
                click.option(
                    "-o",
                    "--output",
                    default="-",
                    type=click.Path(),
                    metavar="FILE",
                    help="File, or - for the output, the default.",
                ),
                click.option(
                    "--since", callback=moment, metavar="TIME", help=f"Time of the first {noun}."
                ),
                click.option(
                    "--until",
                    callback=moment,
                    metavar="TIME",
                    help=f"Time before which the last {noun} is.",
                ),
                click.option(
                    "--from",
                    "path",
                    type=click.Path(path_type=Path),
                    metavar="PATH",
                    help="Data folder or .rover file, instead of a server.",
                ),
                click.option("--force", is_flag=True, help="Replace FILE if it exists."),
            )
        ):
            command = option(command)
        return command

    return add


def format_of(name: str | None, output: str, formats: Sequence[str]) -> str:
    """The format of a file: the given one, that of its name, or the first.

    Raises:
        click.UsageError: its name has the suffix of another format.
    """
    if name is not None:
        return name
    suffix = Path(output).suffix.lower().removeprefix(".")
    if output == "-" or not suffix:
        return formats[0]
    if suffix not in formats:
        raise click.UsageError(f"{output}: give --format, one of {', '.join(formats)}")
    return suffix
