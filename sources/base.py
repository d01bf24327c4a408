"""The contracts between a mission and its sources, and the values that cross them.

Three ports, all structural: any object with these attributes is a source, without importing
anything from here. What a source yields are the frozen values below.

An object that also has ``__aenter__`` and ``__aexit__`` is entered before its first use and
exited after its last, on the mission's event loop: open devices and start tasks there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

# --------------------------------------------------------------------------------- errors


class SourceError(Exception):
    """Root of everything a source may raise on purpose; its text is shown to people."""


class UnknownImage(SourceError):
    """No image of that id is held (it never was, or has been dropped)."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(f"no image has the id {image_id!r}; GET /images lists those held")


class ImageBroken(SourceError):
    """An image broke off while it arrived: what came is not the whole of it."""

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        self.reason = reason
        super().__init__(f"image {image_id!r} broke off: {reason}")


# ------------------------------------------------------------------------------ telemetry

Value = float | int | bool | str | Mapping[str, float] | None
"""One parameter's value. A mapping is a position or vector: `{"lat": 18.4, "lon": 77.5}`."""

RESERVED = ("t", "late", "folded")
"""Keys of a sample that the server adds itself; no parameter has such a name."""

Kind = Literal["number", "integer", "boolean", "text", "vector"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds outside of which a value is out of limits.

    Attributes:
        yellow: `(low, high)` of the warning; `None` leaves that side open.
        red: `(low, high)` of the alarm; it lies outside yellow.
    """

    yellow: tuple[float | None, float | None] = (None, None)
    red: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the telemetry dictionary.

    Attributes:
        name: the key in a sample's values.
        unit: as a person reads it (`"%"`, `"°C"`, `"m/s"`); empty when it has none.
        kind: what values it takes; `vector` is a mapping of names to numbers.
        description: one line for people.
        limits: bounds of a `number` or `integer`.
    """

    name: str
    unit: str = ""
    kind: Kind = "number"
    description: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a machine said of itself at one moment.

    Attributes:
        t: when it was measured: POSIX seconds, UTC.
        values: by parameter name. A parameter that was not measured is left out or `None`; NaN
            and infinities are taken as not measured.
    """

    t: float
    values: Mapping[str, Value]


class TelemetrySource(Protocol):
    """Yields what a machine measures. One reader at a time: the mission fans out, not the source.

    Whoever runs it restarts it, with growing pauses, when `samples()` ends or raises; the streams
    of the mission's readers stay open meanwhile. So a driver need not retry: it raises and says
    why.
    """

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The dictionary; names are unique, and none is `RESERVED`.

        Known before the first sample, or, where only the machine knows, learned as samples come.
        """
        ...

    def samples(self) -> AsyncIterator[Sample]:
        """Yield samples as they are measured, usually in order of time; called anew at a restart.

        A late sample (older than the newest) is legal. Cancelled at any `await`; clean up in
        `finally`. Must not block the event loop.

        Raises:
            SourceError: the machine cannot be read; the text says what to do about it.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """A telemetry source that knows how often it speaks, so that its silence can be noticed."""

    @property
    def period_s(self) -> float:
        """Seconds expected between two samples; several of them without one is `stale`."""
        ...


# --------------------------------------------------------------------------------- camera


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of one image; a fresh value each time, as it arrives.

    Attributes:
        id: names it in URLs; unique within the camera, at most 200 characters, never `.` or `..`.
        content_type: such as `image/png`.
        size: bytes of the whole; `None` while unknown.
        received: bytes that have arrived.
        complete: every byte is there, and none will change under this `revision`.
        revision: changes when the bytes under this id are *replaced*, not when they grow. Strong:
            two images of one id and one revision have the same bytes (RFC 9110, 8.8.1).
        taken_at: POSIX seconds when the shutter opened; `None` when unknown.
        received_at: POSIX seconds of the last byte so far; `None` when nothing has come.
        width: pixels; `None` when unknown.
        height: pixels; `None` when unknown.
        sha256: of the whole, in lower-case hex, when known.
        path: a plain file with all of it, once complete, where there is one: the fast way to serve.
        metadata: more for people (instrument, pointing, sol); JSON values.
    """

    id: str
    content_type: str
    size: int | None = None
    received: int = 0
    complete: bool = False
    revision: str = ""
    taken_at: float | None = None
    received_at: float | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    path: Path | None = None
    metadata: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class Camera(Protocol):
    """Holds images, some still arriving. Many readers at once, each at its own position."""

    async def images(self) -> Sequence[Image]:
        """Every image held, newest first; those still arriving too. An empty one is legal."""
        ...

    async def image(self, image_id: str) -> Image | None:
        """The image of that id as it is now, or `None`. Any string may be asked for."""
        ...

    def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the image's bytes from `start`, as they arrive, until it is complete.

        Chunks are at most 1 MiB and never empty. It ends only when every byte was yielded.

        Raises:
            UnknownImage: no such image is held.
            ImageBroken: it was cut off, dropped or replaced before its end.
        """
        ...

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each image as it begins to arrive, or begins to arrive anew.

        From the moment of the call on; images that are arriving at that moment are yielded too.
        One reader at a time. Restarted like `TelemetrySource.samples`.
        """
        ...


# ------------------------------------------------------------------------------- commands


class Severity(StrEnum):
    """How bad a finding is. Only an error rejects."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Step:
    """One named stage of a check, known before it starts.

    Attributes:
        name: short and stable, as clients see it (`"power"`).
        title: for people (`"Power budget"`).
    """

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check has come.

    Attributes:
        step: the name of the step that this is about.
        fraction: of the whole check, 0 to 1.
        detail: one line for people.
    """

    step: str
    fraction: float
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should look at, at a place in the file.

    Attributes:
        severity: only `error` rejects.
        code: stable, for machines (`"power.budget"`).
        message: what is wrong, with the values.
        line: from 1; `None` where it is about the whole file.
        column: from 1, in characters; `None` where it is about the whole line.
        hint: what to do about it; may be empty.
        step: the name of the step that found it.
    """

    severity: Severity
    code: str
    message: str
    line: int | None = None
    column: int | None = None
    hint: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a check ended. A rejection is a value, not an exception.

    Attributes:
        accepted: whether the file may go up to the machine.
        errors: findings that reject.
        warnings: findings that do not.
        detail: one line for people.
        summary: figures of interest (commands, duration, energy); JSON values.
        artifact: the compiled product, if there is one, at most a few MiB.
        artifact_type: its media type.
    """

    accepted: bool
    errors: int
    warnings: int
    detail: str
    summary: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    artifact: bytes | None = None
    artifact_type: str = "application/octet-stream"


class CommandValidator(Protocol):
    """Checks a command file. Several checks may run at once."""

    @property
    def steps(self) -> Sequence[Step]:
        """The stages in the order they run; the same for every file."""
        ...

    def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check the file at `path`, yielding as it goes, and end with exactly one `Verdict`.

        The file is complete, is not changed while the check runs, and may hold anything: a binary
        file is rejected with a finding. Work that needs the CPU for longer than some milliseconds
        runs off the event loop.

        Raises:
            SourceError: the check itself could not be done, whatever the file holds.
        """
        ...


Source = TelemetrySource | Camera | CommandValidator
"""Any of the three ports."""

SourceKind = Literal["telemetry", "camera", "commands"]
"""The three ports by name."""
