"""The contracts between a mission and its sources, and the values that sources yield.

The four contracts are structural: any object with these attributes is a source, without importing
anything from here. Values are frozen dataclasses.

A source that also has ``__aenter__`` and ``__aexit__`` is entered before its first use and exited
after its last use, on the mission's event loop. Open devices and start tasks there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path


class SourceError(Exception):
    """Base class of errors that a source raises on purpose; the text is shown to people."""


class UnknownImage(SourceError):
    """The camera holds no image with that id: it never did, or has deleted the image."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(f"no image has the id {image_id!r}; GET /images lists all images")


class ImageBroken(SourceError):
    """An image stopped arriving before it was complete, or was replaced."""

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        self.reason = reason
        super().__init__(f"image {image_id!r} is broken: {reason}")


Value = float | int | bool | str | Mapping[str, float] | None
"""One parameter's value. A mapping is a position or vector: `{"lat": 18.4, "lon": 77.5}`."""

RESERVED = ("t", "late", "folded", "details", "resolution_s")
"""Keys of a sample that the server adds itself; no parameter has such a name."""

Kind = Literal["number", "integer", "boolean", "text", "vector"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The ranges that a value is compared with.

    Attributes:
        yellow: `(low, high)` of the warning; `None` leaves that side open.
        red: `(low, high)` of the alarm; it lies outside yellow.
        hysteresis: how far inside a limit the value must be for its level to end, in the
            parameter's unit, at least 0. `None`: 2 % of the range between the limits.
        min_duration_s: seconds that values must be outside before a level begins, by the values'
            own times, at least 0.
    """

    yellow: tuple[float | None, float | None] = (None, None)
    red: tuple[float | None, float | None] = (None, None)
    hysteresis: float | None = None
    min_duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """One entry of the telemetry dictionary.

    Attributes:
        name: the key in a sample's values.
        unit: as people read it (`"%"`, `"°C"`, `"m/s"`); empty for a parameter without a unit.
        kind: the type of its values; a `vector` is a mapping of names to numbers.
        description: one line for people.
        limits: of a `number` or `integer`.
        period_s: expected seconds between two values; several periods without one make it stale.
            `None` if it is unknown: the server then measures it.
        group: of related parameters, for people; empty to group by the name up to its first dot.
    """

    name: str
    unit: str = ""
    kind: Kind = "number"
    description: str = ""
    limits: Limits = field(default_factory=Limits)
    period_s: float | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The values that a machine measured at one time.

    Attributes:
        t: time of the measurement: POSIX seconds, UTC.
        values: by parameter name. A parameter that was not measured is left out or `None`; NaN
            and infinities count as not measured.
    """

    t: float
    values: Mapping[str, Value]


class Severity(StrEnum):
    """The severity of a finding or of an event. A finding of severity `error` rejects its file."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a machine, for people: a fault, a change of mode, a restart.

    Attributes:
        t: time at which it happened: POSIX seconds, UTC.
        severity: `error`, `warning` or `info`.
        name: stable, for filters (`"battery.fault"`); the server keeps 200 characters.
        message: one line for people; may be empty; the server keeps 1,000 characters.
    """

    t: float
    severity: Severity
    name: str
    message: str = ""


class TelemetrySource(Protocol):
    """Yields the measurements of a machine.

    It has one reader at a time: the mission distributes samples, not the source. The mission calls
    `samples()` again, with exponential backoff, when it ends or raises; the streams to clients
    stay open. So a source needs no retries of its own: it raises an error that gives the reason.
    """

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The dictionary; names are unique, and none of them is in `RESERVED`.

        It is known before the first sample, or, if only the machine knows it, grows as samples
        arrive.
        """
        ...

    def samples(self) -> AsyncIterator[Sample | Event]:
        """Yield samples as they are measured, usually in order of time, and events.

        Called again after each restart. A late sample (older than the newest) is allowed. It may be
        cancelled at any `await`; clean up in `finally`. It must not block the event loop.

        Raises:
            SourceError: the machine cannot be read; the text says how to fix it.
        """
        ...


@runtime_checkable
class Simulated(Protocol):
    """A source of any kind whose data is not real. It is labelled wherever its data appears."""

    @property
    def simulated(self) -> bool:
        """Whether the data is simulated."""
        ...


class Counted(Protocol):
    """A count of messages with a problem."""

    @property
    def count(self) -> int:
        """Number of messages."""
        ...

    @property
    def last(self) -> str:
        """The newest reason, in one line; empty before the first message."""
        ...


@runtime_checkable
class Lossy(Protocol):
    """A source that counts messages which it received and could not read. `/readyz` shows them."""

    @property
    def losses(self) -> Counted:
        """The messages that it could not read."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A source that counts samples whose time was not true, so that they have another."""

    @property
    def replaced_times(self) -> Counted:
        """The samples that have their time of arrival instead of the time in them."""
        ...


@runtime_checkable
class Paced(Protocol):
    """A telemetry source with a known period, so that missing samples can be noticed."""

    @property
    def period_s(self) -> float:
        """Expected seconds between two samples; several periods without one mean `stale`."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it is now; a camera returns a new value whenever it has changed.

    Attributes:
        id: its name in URLs; unique within the camera, at most 200 characters, never `.` or `..`.
        content_type: such as `image/png`.
        size: bytes of the complete image; `None` while unknown.
        received: bytes that have arrived.
        complete: every byte has arrived, and none will change under this `revision`.
        revision: changes when the bytes of this id are *replaced*, not when they grow. It is a
            strong validator: the same id and revision mean the same bytes (RFC 9110, 8.8.1).
        taken_at: POSIX seconds when the shutter opened; `None` if unknown.
        received_at: POSIX seconds of the last byte received; `None` before the first byte.
        width: pixels; `None` if unknown.
        height: pixels; `None` if unknown.
        sha256: of the complete image, in lower-case hex; `None` if unknown.
        path: a regular file with the complete image, if there is one: the fastest way to serve it.
        metadata: more facts for people (instrument, pointing, sol); JSON values.
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
    """Holds images, including some that are still arriving.

    It has many readers at once, each at its own position.
    """

    async def images(self) -> Sequence[Image]:
        """All images, newest first, including those still arriving. The list may be empty."""
        ...

    async def image(self, image_id: str) -> Image | None:
        """The image with that id as it is now, or `None`. `image_id` may be any string."""
        ...

    def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the image's bytes from `start`, as they arrive, until it is complete.

        Chunks are at most 1 MiB and never empty. It ends only after every byte was yielded.

        Raises:
            UnknownImage: the camera holds no such image.
            ImageBroken: the image was truncated, deleted or replaced before its end.
        """
        ...

    def new(self) -> AsyncIterator[str]:
        """Yield the id of each image when it starts to arrive, or starts again.

        It begins at the call: images that are arriving at that time are yielded too. It has one
        reader at a time, and is restarted like `TelemetrySource.samples`.
        """
        ...


@runtime_checkable
class HasVideo(Protocol):
    """A camera with a video, whose frames are shown and not kept."""

    async def frame(self) -> Image | None:
        """The frame that the video shows now; `None` to show the newest complete image.

        It is complete, and has a `revision` that no frame had before. `image` and `open` know it
        for the next frames at least, and `images` need not list it.
        """
        ...


@runtime_checkable
class HasContact(Protocol):
    """A camera that knows when its machine answered last, with or without a new image.

    After a failure, it is live again only when its machine has answered. Another camera is, once
    `new()` has run for 10 s.
    """

    @property
    def contact_at(self) -> float | None:
        """POSIX seconds of the last answer; `None` before the first one."""
        ...


@runtime_checkable
class HasMemory(Protocol):
    """A camera that does not send its earlier images again after a restart of the server."""

    def remember(self, images: Sequence[Image]) -> None:
        """Note its images of earlier runs that the server still has, before the first `new()`.

        Args:
            images: complete, newest first, with the ids and revisions that the camera gave them.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One named stage of a check, known before the check starts.

    Attributes:
        name: short and stable, for clients (`"power"`).
        title: for people (`"Power budget"`).
    """

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a check.

    Of several steps, one that has no progress and no finding counts as skipped, never as passed.
    A validator with one step need not report it: its verdict is the result of that step.

    Attributes:
        step: the name of the current step.
        fraction: of the whole check, 0 to 1.
        detail: one line for people.
        skipped: the step does not run for this file; `detail` gives the reason.
        line: number of lines that the step has checked; `None` if it does not go line by line.
        lines: number of lines that it will check; `None` if unknown.
    """

    step: str
    fraction: float
    detail: str
    skipped: bool = False
    line: int | None = None
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at, with its place in the file.

    Attributes:
        severity: only `error` rejects the file.
        code: stable, for programs (`"power.budget"`).
        message: the problem, with its values.
        line: from 1; `None` if the finding is about the whole file.
        column: from 1, in characters; `None` if the finding is about the whole line.
        hint: how to fix it; may be empty.
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
    """The result of a check. A rejection is a value, not an exception.

    Attributes:
        accepted: whether the file may be sent to the machine.
        errors: number of findings that reject the file.
        warnings: number of findings that are warnings.
        detail: one line for people.
        summary: figures of interest (commands, duration, energy); JSON values.
        artifact: the compiled product, if there is one: at most 16 MiB, or the path of a file of at
            most 256 MiB, which the server copies before it takes the next item.
        artifact_type: its media type.
    """

    accepted: bool
    errors: int
    warnings: int
    detail: str
    summary: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    artifact: bytes | Path | None = None
    artifact_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class CommandDictionary:
    """The dictionary that a validator checks against.

    Attributes:
        name: for people, such as a file name and a version.
        sha256: of its bytes, in lower-case hex.
    """

    name: str
    sha256: str


@runtime_checkable
class HasDictionary(Protocol):
    """A validator that checks against a dictionary. The report of each upload names it."""

    @property
    def dictionary(self) -> CommandDictionary:
        """The dictionary that the next check uses."""
        ...


@runtime_checkable
class LimitsSize(Protocol):
    """A validator with a size limit. The server refuses larger files before it reads them."""

    @property
    def max_bytes(self) -> int:
        """Maximum size of a file, in bytes."""
        ...


@runtime_checkable
class LimitsNames(Protocol):
    """A validator for some kinds of files. The server refuses others before it reads them."""

    @property
    def suffixes(self) -> Sequence[str]:
        """Ends of the names of files, such as `.rcs`, in any case; empty for any name."""
        ...


class CommandValidator(Protocol):
    """Checks a command file. Several checks may run at once.

    It may also have a `dictionary`, `max_bytes` and `suffixes`.
    """

    @property
    def steps(self) -> Sequence[Step]:
        """The stages in the order in which they run; the same for every file."""
        ...

    def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check the file at `path`; yield progress and findings, and at the end one `Verdict`.

        The file is a read-only copy with the suffix of the uploaded file. It is complete, does not
        change during the check, and may have any content: a binary file is rejected with a
        finding. A check that changes the copy fails. Work that needs the CPU for longer than some
        milliseconds runs off the event loop.

        Raises:
            SourceError: the check could not be done, for a reason other than the file's content.
        """
        ...


class NotSent(SourceError):
    """A sequence has certainly not left this machine, so it can be sent again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An accepted sequence on its way to the machine.

    Attributes:
        id: of its upload: letters, digits, `-` and `_`.
        attempt: from 1. A person who has a sequence sent again begins the next attempt.
        name: of the uploaded file, for people.
        path: a regular file with the bytes to send, which nobody changes: the compiled product, or
            the uploaded file if the validator compiles none.
        sha256: of these bytes, in lower-case hex.
        size: number of these bytes.
        content_type: their media type.
        light_time_s: one-way light time to the machine, as the server knows it.
    """

    id: str
    attempt: int
    name: str
    path: Path
    sha256: str
    size: int
    content_type: str
    light_time_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the machine to a sequence that it received.

    Attributes:
        id: of the upload.
        attempt: which attempt it answers.
        accepted: whether the machine accepts the sequence.
        detail: one line for people; may be empty.
    """

    id: str
    attempt: int
    accepted: bool
    detail: str = ""


class Uplink(Protocol):
    """Sends accepted sequences to a machine, one at a time.

    The server records on disk that it is about to send before it calls `send`, and never calls
    `send` again without a person's word unless `send` raised `NotSent`.
    """

    async def send(self, outgoing: Outgoing) -> None:
        """Send one sequence. Returns when it has left; an answer arrives by `answers`.

        It may be cancelled at any `await`, and must not block the event loop.

        Raises:
            NotSent: it has certainly not left.
            SourceError: it may have left, or not; so does any other exception say.
        """
        ...

    def answers(self) -> AsyncIterator[Answer]:
        """Yield the answers of the machine, also those to sequences sent before a restart.

        An answer may be yielded more than once. It has one reader at a time, and is restarted like
        `TelemetrySource.samples`.
        """
        ...


Source = TelemetrySource | Camera | CommandValidator | Uplink
"""A source of any of the four kinds."""

SourceKind = Literal["telemetry", "camera", "commands", "uplink"]
"""The four kinds of source."""
