"""Sources that turn a part of the mission off: `none:`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from anyio import sleep_forever

from sources.base import NotSent, SourceError, UnknownImage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from sources.base import (
        Answer,
        Finding,
        Image,
        Outgoing,
        Parameter,
        Progress,
        Sample,
        Step,
        Verdict,
    )


class Off:
    """Marks a part that is turned off. Its state is `off`, and it is never restarted."""


class Recorded(Off):
    """Marks a part of a recorded mission. Its state is `recorded`, and it never runs."""


class NoTelemetry(Off):
    """No telemetry."""

    parameters: ClassVar[Sequence[Parameter]] = ()

    async def samples(self) -> AsyncIterator[Sample]:
        """Yield nothing, without end."""
        await sleep_forever()
        yield  # type: ignore[misc] # makes it a generator


class NoCamera(Off):
    """No images."""

    async def images(self) -> Sequence[Image]:
        """No images."""
        return ()

    async def image(self, image_id: str) -> Image | None:
        """No image."""
        return None

    def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Raise `UnknownImage`."""
        raise UnknownImage(image_id)

    async def new(self) -> AsyncIterator[str]:
        """Yield nothing, without end."""
        await sleep_forever()
        yield  # type: ignore[misc] # makes it a generator


class RecordedTelemetry(NoTelemetry, Recorded):
    """The dictionary of a recorded mission.

    Args:
        parameters: the dictionary.
        simulated: whether any of its data was simulated.
    """

    def __init__(self, parameters: Sequence[Parameter], *, simulated: bool = False) -> None:
        self.parameters = parameters  # type: ignore[misc] # of this mission
        self.simulated = simulated


class RecordedCamera(NoCamera, Recorded):
    """A camera of a recorded mission; the mission itself has its images.

    Args:
        simulated: whether any of its images were simulated.
    """

    def __init__(self, *, simulated: bool = False) -> None:
        self.simulated = simulated


class NoUplink(Off):
    """No uplink: accepted sequences are kept, and not sent."""

    async def send(self, outgoing: Outgoing) -> None:
        """Raise `NotSent`."""
        raise NotSent("nothing is sent here; set ROVER_UPLINK to the URL of an uplink")

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield nothing, without end."""
        await sleep_forever()
        yield  # type: ignore[misc] # makes it a generator


class NoValidator(Off):
    """No check of command files."""

    steps: ClassVar[Sequence[Step]] = ()

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Raise `SourceError`."""
        raise SourceError(
            "command files are not checked here; set ROVER_COMMANDS to the URL of a validator"
        )
        yield  # type: ignore[unreachable] # makes it a generator
