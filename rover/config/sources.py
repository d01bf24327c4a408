"""The sources of a configuration file, one or several of a kind by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from rover.config.table import is_line
from sources.values.names import MAX_NAME_LENGTH, legal_name

if TYPE_CHECKING:
    from pathlib import Path

    from rover.config.table import Table
    from sources.base import SourceKind

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""A source's name: it is a part of URLs, of folders and of parameters' names."""

NAME_RULE = "must have 1 to 40 letters, digits, - or _, and not begin with - or _"


class Location(TypedDict):
    """The arguments of `open_source` that say where a source is."""

    url: str
    setting: str | None
    folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """A source by URL.

    Attributes:
        url: in the syntax of `sources.registry`; empty if it is not configured.
        setting: where it is configured, for errors: a variable, or a place in a file.
        folder: relative paths in the URL start there; `None` for the current folder.
    """

    url: str = ""
    setting: str = ""
    folder: Path | None = None

    @property
    def location(self) -> Location:
        """The arguments of `open_source` for this source."""
        return {"url": self.url, "setting": self.setting or None, "folder": self.folder}


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig(SourceConfig):
    """A telemetry source by URL, and which of its parameters the mission has, by which names.

    Attributes:
        prefix: as for `Translation`, like the following.
        include: patterns of names.
        exclude: patterns of names.
        rename: names by the source's own names.
    """

    prefix: str = ""
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)


EXAMPLES: Mapping[SourceKind, str] = {
    "telemetry": "replay:drive.csv",
    "camera": "dir:images",
    "commands": "sim:",
    "uplink": "dir:outbox",
}

SOURCE_KEYS = ("source",)
TELEMETRY_KEYS = ("source", "prefix", "include", "exclude", "rename")


def read_telemetry(file: Table, path: Path) -> dict[str, TelemetryConfig]:
    """The telemetry sources in the file, by name; the only one has the name `telemetry`."""
    found: dict[str, TelemetryConfig] = {}
    for name, table in _tables("telemetry", file, TELEMETRY_KEYS):
        url, setting, folder = _source("telemetry", table, path)
        found[name] = TelemetryConfig(
            url=url,
            setting=setting,
            folder=folder,
            prefix=_legal(table, "prefix"),
            include=table.texts("include", ("*",)),
            exclude=table.texts("exclude"),
            rename=_rename(table.table("rename")),
        )
    return found


def read_cameras(file: Table, path: Path) -> dict[str, SourceConfig]:
    """The cameras in the file, by name; the only one has the name `camera`."""
    return _plain("camera", file, path)


def read_only(kind: SourceKind, file: Table, path: Path) -> SourceConfig | None:
    """The source of a kind that has no names; `None` if there is none."""
    several = _plain(kind, file, path)
    for name in several.keys() - {kind}:
        file.table(kind).refuse(name, 'no such key; write source = "…"')
    return several.get(kind)


def _plain(kind: SourceKind, file: Table, path: Path) -> dict[str, SourceConfig]:
    found: dict[str, SourceConfig] = {}
    for name, table in _tables(kind, file, SOURCE_KEYS):
        url, setting, folder = _source(kind, table, path)
        found[name] = SourceConfig(url=url, setting=setting, folder=folder)
    return found


def _tables(kind: SourceKind, file: Table, keys: Collection[str]) -> list[tuple[str, Table]]:
    """The table of each source of a kind, by name."""
    if kind not in file:
        return []
    tables = file.table(kind)
    if not tables.values or any(
        key in keys or not isinstance(value, Mapping) for key, value in tables.values.items()
    ):
        tables.allow(keys)
        return [(kind, tables)]
    found = []
    for name in tables.values:
        if NAME.fullmatch(name):
            table = tables.table(name)
            table.allow(keys)
            found.append((name, table))
        else:
            tables.refuse(name, f"the name of a source {NAME_RULE}")
    return found


def _source(kind: SourceKind, table: Table, path: Path) -> tuple[str, str, Path]:
    # a single telemetry source may be named by ROVER_TELEMETRY alone
    if "source" not in table and table.place != "telemetry":
        table.refuse("source", f'must be given, as in source = "{EXAMPLES[kind]}"')
    return table.text("source"), f"{path}: {table.at('source')}", path.absolute().parent


def _legal(table: Table, key: str) -> str:
    name = table.text(key)
    if name and not is_legal(name):
        table.refuse_value(key, f"must be {LEGAL_NAME}")
        return ""
    return name


def _rename(rename: Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, name in rename.values.items():
        if is_line(name) and is_legal(name):
            found[raw] = name
        else:
            rename.refuse_value(raw, f"must be {LEGAL_NAME}")
    return found


LEGAL_NAME = (
    f"a name of 1 to {MAX_NAME_LENGTH} characters without commas or double spaces, and not a "
    "reserved name"
)


def is_legal(name: str) -> bool:
    """Whether a parameter may have that name."""
    return len(name) <= MAX_NAME_LENGTH and legal_name(name) == name
