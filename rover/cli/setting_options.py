"""Options for the settings of the server, made from the fields of `Settings`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from rover.setting_fields import PREFIX, default_text, unit_of
from rover.settings import CONFIG_VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., object]")

NOUNS: Mapping[type, str] = {int: "NUMBER", float: "NUMBER"}

SECRETS = [info.name for info in fields(Settings) if not info.repr]
"""Settings without an option: other users of the machine can read the arguments of a process."""


class SettingOption(click.Option):
    """An option that sets one setting. The settings check its value."""


class ServerCommand(click.Command):
    """A command whose help lists the settings in a section of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the settings."""
        sections: Mapping[str, list[tuple[str, str]]] = {"Options": [], "Settings": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_setting = isinstance(parameter, SettingOption)
                sections["Settings" if is_setting else "Options"].append(record)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


def setting_options(command: F) -> F:
    """Add `--config` and an option for each setting that is not secret."""
    for info in reversed(fields(Settings)):
        if info.name in SECRETS:
            continue
        default = default_text(info).replace("`", "")
        kind = type(info.default)
        noun = unit_of(info) or NOUNS.get(kind, "PATH" if kind is Path else "TEXT")
        command = click.option(
            f"--{info.name.replace('_', '-')}",
            info.name,
            cls=SettingOption,
            metavar=noun.upper(),
            help=_sentence(info.metadata["help"]) + (f"  [default: {default}]" if default else ""),
        )(command)
    return click.option(
        "--config", metavar="FILE", help=f"Configuration file; sets {CONFIG_VARIABLE}."
    )(command)


def _sentence(text: str) -> str:
    """The text in the form of the other options' help."""
    text = text.replace("`", "")
    return f"{text[0].upper()}{text[1:]}."


def chosen_variables(options: Mapping[str, str | None]) -> dict[str, str]:
    """The variables that the options set, such as `ROVER_HEARTBEAT_S`."""
    return {PREFIX + name.upper(): text for name, text in options.items() if text is not None}
