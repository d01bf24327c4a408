"""`rover config check` and `rover settings`."""

from __future__ import annotations

import os

import click

from rover.cli.setting_options import ServerCommand, chosen_variables, setting_options


@click.group(no_args_is_help=True)
def config() -> None:
    """Explain the configuration."""


@config.command(
    cls=ServerCommand,
    epilog="""\b
Examples:
  rover config check
  rover config check lab.toml && rover serve --config lab.toml
""",
)
@click.argument("file", required=False)
@setting_options
def check(file: str | None, **options: str | None) -> int:
    """Explain what a configuration file and the environment say, and list the mistakes.

    FILE is rover.toml by default, if it exists. The exit status is 2 if anything is wrong.
    """
    from rover.cli.server import find_sources_in_this_folder
    from rover.config import Config
    from rover.config.report import Report, report_on
    from rover.errors import ConfigError, RoverError

    find_sources_in_this_folder()
    try:
        report = report_on(Config.load(file, {**os.environ, **chosen_variables(options)}))
    except ConfigError as exc:
        report = Report([f"file: {exc.path.absolute()}"], problems=list(exc.problems))
    except RoverError as exc:
        report = Report(problems=[str(exc)])
    for line in [*report.lines, *(f"note: {line}" for line in report.notes)]:
        click.echo(line)
    for line in report.problems:
        click.echo(f"error: {line}", err=True)
    return 2 if report.problems else 0


@click.command(
    epilog="""\b
Examples:
  rover settings | grep MAX_
"""
)
def settings() -> None:
    """List the settings of the server, with their variables and defaults."""
    from rover.cli.settings_table import settings_table

    click.echo(settings_table())
