"""The table `settings` of a configuration file."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rover.config.table import is_line, is_list_of_lines
from rover.errors import SettingError
from rover.setting_fields import range_of
from rover.settings import Settings
from sources.base import SourceKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.config.table import Table


def read_settings(settings: Table, folder: Path) -> Mapping[str, Any]:
    """The settings in the table `settings`, by name, with their types.

    Args:
        settings: the table.
        folder: relative paths start there.
    """
    known = {info.name: info for info in fields(Settings)}
    settings.allow(known.keys())
    found: dict[str, Any] = {}
    for name in settings.values:
        if name in get_args(SourceKind):
            settings.refuse(name, f'must be outside of settings; write [{name}] and source = "…"')
        elif name in known:
            try:
                value = _typed(known[name], settings.values[name], folder)
                Settings(**{name: value})
            except SettingError as exc:
                # a secret is not shown
                refuse = settings.refuse_value if known[name].repr else settings.refuse
                refuse(name, exc.reason)
            else:
                found[name] = value
    return found


def _typed(info: Field[Any], value: object, folder: Path) -> Any:
    """The value with the type of the setting.

    Raises:
        SettingError: it has another type.
    """
    match info.default, value:
        case _, bool():
            pass
        case Path(), str() if is_line(value):
            return folder / Path(value).expanduser()
        case str(), list() if "" in value:
            raise SettingError(info.name, "…", "must not have empty entries; remove them")
        case str(), list() if is_list_of_lines(value):
            return ",".join(value)
        case float(), float() | int():
            return float(value)
        case (str(), str()) | (int(), int()):
            return value
    nouns = {int: "a whole number", float: "a number"}
    kind = type(info.default)
    must_be = range_of(info).must_be(nouns[kind]) if kind in nouns else "must be a text, in quotes"
    raise SettingError(info.name, value, must_be)
