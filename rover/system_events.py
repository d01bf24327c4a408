"""Messages of the mission in channels: about alarms, images, command files and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import sleep

from rover.comms.system import SystemEvent
from rover.supervise import State
from rover.telemetry.limits import RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rover.commands.upload import Upload
    from rover.images.arrivals import Arrival
    from rover.logs.base import Log
    from rover.telemetry.alarm import Action, Alarm
    from rover.telemetry.limits import Level

CHECK_PERIOD_S = 1.0
"""Seconds between two checks of the states of sources. Shorter changes are not reported."""

KEY = "sources/down/"
"""The prefix of the names in the log of sources that were reported as down."""


def alarm_event(alarm: Alarm, action: Action, was: Level) -> SystemEvent | None:
    """The event of an alarm that was raised, became more severe or ended; `None` for others.

    Shelved alarms have no events.
    """
    is_news = action in ("raised", "ended") or (
        action == "changed" and RANK[alarm.level] > RANK[was]
    )
    if not is_news or alarm.shelved is not None:
        return None
    what = "Alarm" if alarm.is_active else "Alarm cleared"
    subject = f"{alarm.parameter} {alarm.side}"
    return SystemEvent("alarms", subject, f"{what}: {alarm}", {"alarm": alarm.id})


def image_event(arrival: Arrival) -> SystemEvent | None:
    """The event of an image that is complete; `None` for others."""
    if arrival.state != "complete":
        return None
    text = f"Image {arrival.image.id} of {arrival.camera} is complete"
    link = {"image": arrival.image.id, "camera": arrival.camera}
    return SystemEvent("images", arrival.camera, text, link)


def upload_event(upload: Upload) -> SystemEvent:
    """The event of a command file that has a verdict."""
    text = f"Command file {upload.name}: {upload.report['detail']}"
    return SystemEvent("commands", upload.id, text, {"upload": upload.id})


class SourceWatch:
    """Reports sources that go down, and those that deliver data again.

    The log has the sources that were reported as down, so that a restart reports nothing again.

    Args:
        sources: the state of each source, as `MissionControl.sources`.
        log: of the mission.
        add: called with each event.
    """

    def __init__(
        self,
        sources: Callable[[], Mapping[str, Mapping[str, object]]],
        log: Log,
        add: Callable[[SystemEvent], None],
    ) -> None:
        self._sources = sources
        self._log = log
        self._add = add

    async def run(self) -> None:
        """Report changes until cancelled."""
        while True:
            for event in self.changes():
                self._add(event)
            await sleep(CHECK_PERIOD_S)

    def changes(self) -> Iterator[SystemEvent]:
        """The changes since the last call, also of a run before."""
        down = self._log.values(KEY)
        for name, about in self._sources().items():
            key, state = KEY + name, about["state"]
            if state == State.LIVE and key in down:
                self._log.put(key, None)
                yield self._event(name, about, "is up")
            elif state in (State.DOWN, State.STALE, State.DEGRADED) and key not in down:
                self._log.put(key, str(state))
                yield self._event(name, about, f"is {state}: {about['detail']}")

    def _event(self, name: str, about: Mapping[str, object], text: str) -> SystemEvent:
        return SystemEvent("sources", name, f"Source {name} {text}", {"t": str(about["since"])})
