"""The sources of one mission, and the state of each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rover.config import Config, SourceConfig
from rover.named_sources import named_sources
from rover.setting_fields import PREFIX
from rover.supervise import State
from rover.watchdog import Watched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rover.commands import Commands
    from rover.images import Cameras
    from rover.named_sources import Given, NamedSource, NamedSources
    from rover.telemetry import Telemetry
    from sources.base import Camera, CommandValidator, TelemetrySource, Uplink

logger = logging.getLogger("rover.sources")


class MissionSources:
    """All sources of a mission. The arguments are those of `MissionControl`.

    Attributes:
        telemetry: by name.
        cameras: by name.
        validator: checks command files.
        uplink: sends accepted command files.
    """

    def __init__(
        self,
        config: Config,
        telemetry: Given[TelemetrySource] | None,
        camera: Given[Camera] | None,
        commands: CommandValidator | str | None,
        uplink: Uplink | str | None,
    ) -> None:
        self.telemetry: NamedSources[TelemetrySource] = named_sources(
            "telemetry", telemetry, config.telemetry
        )
        self.cameras: NamedSources[Camera] = named_sources("camera", camera, config.camera)
        only = config.commands or SourceConfig()
        validators: NamedSources[CommandValidator] = named_sources(
            "commands", commands, {"commands": only}
        )
        self.validator = validators["commands"]
        uplinks: NamedSources[Uplink] = named_sources(
            "uplink", uplink, {"uplink": config.uplink or SourceConfig(url="none:")}
        )
        self.uplink = uplinks["uplink"]

    @property
    def all(self) -> Sequence[NamedSource[Any]]:
        """All sources."""
        return [*self.telemetry.values(), *self.cameras.values(), self.validator, self.uplink]


class SourceStates:
    """The state of each source in one run of a mission.

    Args:
        sources: of the mission.
        telemetry: of the run.
        cameras: of the run.
        commands: of the run.
    """

    def __init__(
        self, sources: MissionSources, telemetry: Telemetry, cameras: Cameras, commands: Commands
    ) -> None:
        self._sources = sources
        self._feeds = telemetry.feeds
        self._images = cameras.images
        self._commands = commands

    def as_json(self) -> Mapping[str, Mapping[str, object]]:
        """Each source and its state, as `/readyz` shows them."""
        shown = {}
        for name, one in self._sources.telemetry.items():
            feed = self._feeds[name]
            last = feed.last_unusable and str(feed.last_unusable)
            shown[one.key] = one.as_json(feed.health, unusable=feed.unusable, last_unusable=last)
        for name, camera in self._sources.cameras.items():
            shown[camera.key] = camera.as_json(self._images[name].health)
        validator, uplink = self._sources.validator, self._sources.uplink
        shown[validator.key] = validator.as_json(self._commands.health)
        shown[uplink.key] = uplink.as_json(self._commands.sender.health)
        return shown

    def failures(self) -> Mapping[str, int]:
        """How often each source of telemetry or images ended or raised, and was restarted."""
        supervisors = [feed.supervisor for feed in self._feeds.values()]
        supervisors += [one.receiver.supervisor for one in self._images.values()]
        return {supervisor.name: supervisor.failures for supervisor in supervisors}

    def watched(self) -> Sequence[Watched]:
        """The sources for the watchdog, which reports those that block the event loop."""
        commands, sources = self._commands, self._sources
        record = {one.key: self._feeds[name].supervisor for name, one in sources.telemetry.items()}
        for name, camera in sources.cameras.items():
            record[camera.key] = self._images[name].receiver.supervisor
        record[sources.uplink.key] = commands.sender.answers.supervisor
        return [
            Watched(
                one.key,
                one.source,
                record[one.key].record_blocked if one.key in record else commands.record_blocked,
            )
            for one in sources.all
        ]

    def log(self) -> None:
        """Log what each source is: simulated ones are labelled."""
        for name, about in self.as_json().items():
            note = ""
            if about["simulated"]:
                note = " (simulated)"
            elif about["state"] == State.OFF:
                setting = PREFIX + name.partition(".")[0].upper()
                note = f" (turned off; {setting} turns it on)"
            logger.info(
                "%s: the source is %s%s", name, about["source"], note, extra={"source": name}
            )
