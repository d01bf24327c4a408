"""The configuration of one mission: settings, sources by name, and the dictionary."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rover.comms.rules import ChannelRules
from rover.config.channels import read_channels
from rover.config.defaults import default_url
from rover.config.file import read_toml
from rover.config.parameters import read_changes, read_derived
from rover.config.settings import read_settings
from rover.config.sources import (
    SourceConfig,
    TelemetryConfig,
    read_cameras,
    read_only,
    read_telemetry,
)
from rover.config.table import Table
from rover.errors import ConfigError, SettingError
from rover.settings import CONFIG_VARIABLE, Settings
from rover.telemetry.derived import Cycle, Derived
from rover.telemetry.translation import Translation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rover.telemetry.derived import DerivedParameter
    from rover.telemetry.translation import ParameterChange

DEFAULT_FILE = "rover.toml"
"""The file in the current folder that is read if no other is named."""

TABLES = ("settings", "telemetry", "camera", "commands", "uplink", "parameters", "derived", "comms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of a mission, from a file and the environment.

    Attributes:
        settings: of the file, overridden by those of the environment.
        telemetry: the sources by name; empty if none is configured. The only one may be called
            `telemetry`.
        camera: the same for cameras.
        commands: the same for the command check, which has no name.
        uplink: the same for the uplink.
        parameters: changes of the sources' dictionaries, by the name of the parameter.
        derived: parameters that are computed from others.
        channels: the comms channels that are always there.
        path: of the file; `None` without one.
    """

    settings: Settings = field(default_factory=Settings)
    telemetry: Mapping[str, TelemetryConfig] = field(default_factory=dict)
    camera: Mapping[str, SourceConfig] = field(default_factory=dict)
    commands: SourceConfig | None = None
    uplink: SourceConfig | None = None
    parameters: Mapping[str, ParameterChange] = field(default_factory=dict)
    derived: Sequence[DerivedParameter] = ()
    channels: ChannelRules = field(default_factory=ChannelRules)
    path: Path | None = None

    @classmethod
    def load(cls, path: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """The configuration of a file, overridden by environment variables.

        A variable with a source's URL replaces all sources of its kind in the file.

        Args:
            path: of the file; by default that in `ROVER_CONFIG`, else `rover.toml` in the current
                folder if it exists, else no file.
            environ: the variables; those of this process by default.

        Raises:
            ConfigError: the file cannot be read, or is wrong.
            SettingError: a variable is wrong.
        """
        environ = os.environ if environ is None else environ
        path = find_file(path, environ)
        problems: list[str] = []
        file = Table(read_toml(path) if path else {}, "", problems)
        path = path or Path(DEFAULT_FILE)
        file.allow(TABLES)
        defaults = read_settings(file.table("settings"), path.absolute().parent)
        found = cls(
            telemetry=read_telemetry(file, path),
            camera=read_cameras(file, path),
            commands=read_only("commands", file, path),
            uplink=read_only("uplink", file, path),
            parameters=read_changes(file.table("parameters")),
            derived=read_derived(file.table("derived")),
            channels=read_channels(file.table("comms")),
            path=path if file.values else None,
        )
        _check_derived(file, found)
        if problems:
            raise ConfigError(path, problems)
        return replace(found, settings=Settings.from_env(environ, defaults))._overridden()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The configuration of these settings alone."""
        return cls(settings=settings)._overridden()

    def recorded(self) -> Self:
        """The configuration of a server of its own, which records its mission by default."""
        return replace(self, settings=replace(self.settings, log=self.settings.log or "sqlite:"))

    def completed(
        self, *, telemetry: object = None, camera: object = None, commands: object = None
    ) -> Self:
        """The configuration with a URL for each source.

        Args:
            telemetry: a source object or several by name, instead of those of the configuration.
            camera: the same for cameras.
            commands: a validator, instead of that of the configuration.
        """
        default = default_url(
            [telemetry or self.telemetry, camera or self.camera, commands or self.commands]
        )
        sources = self.telemetry or {"telemetry": TelemetryConfig()}
        return replace(
            self,
            telemetry={
                name: one if one.url else replace(one, url=default) for name, one in sources.items()
            },
            camera=self.camera or {"camera": SourceConfig(url=default)},
            commands=self.commands or SourceConfig(url=default),
            uplink=self.uplink or SourceConfig(url="none:"),
        )

    def translation(self, name: str, publish_as: Callable[[str], str] | None = None) -> Translation:
        """The translation of one telemetry source.

        Args:
            name: of the source; one that is not in `telemetry` keeps its names.
            publish_as: the name in the mission, by the prefixed name; by default the same.
        """
        source = self.telemetry.get(name, TelemetryConfig())
        return Translation(
            prefix=source.prefix,
            include=source.include,
            exclude=source.exclude,
            rename=source.rename,
            publish_as=publish_as,
            changes=self.parameters,
            taken={one.parameter.name for one in self.derived},
        )

    def _overridden(self) -> Self:
        """The configuration with the URLs of the settings instead of the sources of the file."""
        telemetry, camera = self.telemetry, self.camera
        commands, uplink = self.commands, self.uplink
        if url := self.settings.telemetry:
            only = telemetry.get("telemetry", TelemetryConfig())
            only = replace(only, url=url, setting="ROVER_TELEMETRY", folder=None)
            telemetry = {"telemetry": only}
        if url := self.settings.camera:
            camera = {"camera": SourceConfig(url=url, setting="ROVER_CAMERA")}
        if url := self.settings.commands:
            commands = SourceConfig(url=url, setting="ROVER_COMMANDS")
        if url := self.settings.uplink:
            uplink = SourceConfig(url=url, setting="ROVER_UPLINK")
        return replace(self, telemetry=telemetry, camera=camera, commands=commands, uplink=uplink)


def find_file(path: Path | str | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read; `None` if there is none.

    Args:
        path: a path that was chosen; it need not exist.
        environ: environment variables.

    Raises:
        SettingError: `ROVER_CONFIG` is empty.
    """
    if path is not None:
        return Path(path)
    if CONFIG_VARIABLE in environ:
        if not environ[CONFIG_VARIABLE]:
            raise SettingError(
                CONFIG_VARIABLE, "", f"must not be empty; leave it unset for {DEFAULT_FILE}"
            )
        return Path(environ[CONFIG_VARIABLE])
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def _check_derived(file: Table, config: Config) -> None:
    parameters, derived = file.table("parameters"), file.table("derived")
    for one in config.derived:
        if (name := one.parameter.name) in config.parameters:
            parameters.refuse(name, f"is a derived parameter; describe it in [{derived.at(name)}]")
    try:
        Derived(config.derived)
    except Cycle as exc:
        derived.refuse_text(str(exc))
