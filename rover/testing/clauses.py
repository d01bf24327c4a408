"""The clauses of the source contract, and the error for a source that breaks one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sources.rules import Mistake


class ContractBroken(AssertionError):
    """A source breaks a clause of the contract.

    Attributes:
        clause: the clause; it compares equal to its code, such as `"telemetry.time"`.
        observed: the behaviour of the source and, where known, how to fix it.
    """

    def __init__(self, clause: Clause, observed: str) -> None:
        self.clause = clause
        self.observed = observed
        super().__init__(f"{clause}: {observed}\nThe contract (sources/base.py): {clause.rule}")


class Clause(StrEnum):
    """One rule that a source must keep; the value is its stable code, such as `telemetry.time`.

    A code begins with the kind of source, or with `source` if the rule is for every kind.

    Attributes:
        rule: one sentence for people that says what a source must do.
    """

    rule: str

    def __new__(cls, code: str, rule: str) -> Self:
        """Create a member from its row in the table below."""
        clause = str.__new__(cls, code)
        clause._value_ = code
        clause.rule = rule
        return clause

    SOURCE_LIFE = "source.life", "A source is entered and exited without an error"
    SOURCE_CANCEL = (
        "source.cancel",
        "An iterator of a source ends when it is cancelled at any `await`",
    )
    SOURCE_CLEANUP = (
        "source.cleanup",
        "A source leaves no task, file or socket open after a cancellation or its exit",
    )
    SOURCE_BLOCKING = "source.blocking", "A source does not block the event loop"
    SOURCE_ERRORS = "source.errors", "A source raises only `SourceError` and its subclasses"

    TELEMETRY_PARAMETERS = (
        "telemetry.parameters",
        "TelemetrySource.parameters is a sequence of `Parameter`, known before the first sample"
        " unless the source learns it",
    )
    TELEMETRY_NAMES = (
        "telemetry.names",
        "Parameter.name is not empty, unique within the dictionary, and not in `RESERVED`",
    )
    TELEMETRY_KINDS = "telemetry.kinds", "Parameter.kind is one of `Kind`"
    TELEMETRY_LIMITS = (
        "telemetry.limits",
        "Parameter.limits are for a `number` or `integer`, as `(low, high)` with low below high;"
        " `hysteresis` and `min_duration_s` are at least 0",
    )
    TELEMETRY_RED = "telemetry.red", "Limits.red lies outside the yellow limits"
    TELEMETRY_SAMPLES = (
        "telemetry.samples",
        "TelemetrySource.samples is an async iterator of `Sample`, yielded as they are measured",
    )
    TELEMETRY_TIME = "telemetry.time", "Sample.t is the time of the measurement: POSIX seconds, UTC"
    TELEMETRY_VALUES = (
        "telemetry.values",
        "Sample.values maps names in the dictionary to values of their kind, or to `None`",
    )
    TELEMETRY_EVENTS = (
        "telemetry.events",
        "An Event has a time in POSIX seconds, a `Severity`, a name, and a message for people",
    )
    TELEMETRY_RESTART = (
        "telemetry.restart",
        "TelemetrySource.samples yields samples each time it is called, after a restart too",
    )
    TELEMETRY_UNREACHABLE = (
        "telemetry.unreachable",
        "TelemetrySource.samples raises a `SourceError` if the machine cannot be read; the text"
        " says how to fix it",
    )
    TELEMETRY_PERIOD = (
        "telemetry.period",
        "Paced.period_s is the expected number of seconds between two samples",
    )

    CAMERA_LISTED = "camera.listed", "Camera.images returns all images, also those still arriving"
    CAMERA_NEWEST = "camera.newest", "Camera.images returns the newest image first"
    CAMERA_IDS = (
        "camera.ids",
        "Image.id is unique within the camera, at most 200 characters, and never `.` or `..`",
    )
    CAMERA_VALUE = "camera.value", "Image describes the image as it is now, in the documented types"
    CAMERA_COMPLETE = "camera.complete", "Image.complete is true once every byte has arrived"
    CAMERA_REVISION = (
        "camera.revision",
        "Image.revision changes when bytes are replaced, and does not change when they grow",
    )
    CAMERA_SHA256 = (
        "camera.sha256",
        "Image.sha256 is the SHA-256 of the complete image, in lower-case hex",
    )
    CAMERA_PATH = "camera.path", "Image.path is a regular file with the complete image"
    CAMERA_LOOKUP = "camera.lookup", "Camera.image returns the image with that id as it is now"
    CAMERA_ANY_ID = (
        "camera.any-id",
        "Camera.image accepts any string, and returns `None` if unknown",
    )
    CAMERA_UNKNOWN = "camera.unknown", "Camera.open raises `UnknownImage` for an unknown id"
    CAMERA_CHUNKS = "camera.chunks", "Camera.open yields `bytes`, at most 1 MiB and never empty"
    CAMERA_START = "camera.start", "Camera.open yields the image's bytes from `start`"
    CAMERA_WHOLE = "camera.whole", "Camera.open ends only after it has yielded every byte"
    CAMERA_READERS = (
        "camera.readers",
        "Camera has many readers at once, each at its own position",
    )
    CAMERA_NEW = "camera.new", "Camera.new yields the id of each image when it starts to arrive"
    CAMERA_NEW_FROM = (
        "camera.new-from",
        "Camera.new yields the id of every image that starts to arrive after the call",
    )
    CAMERA_ARRIVING = "camera.arriving", "Camera.new also yields images that are arriving already"

    COMMANDS_STEPS = (
        "commands.steps",
        "CommandValidator.steps are a sequence of `Step`, at least one, the same for every file",
    )
    COMMANDS_STEP = "commands.step", "Step.name is unique, and reports have no other step"
    COMMANDS_VERDICT = (
        "commands.verdict",
        "CommandValidator.validate yields progress and findings, and at the end one `Verdict`",
    )
    COMMANDS_FRACTION = "commands.fraction", "Progress.fraction grows from 0 to 1"
    COMMANDS_FINDING = "commands.finding", "Finding has a `Severity`, a code and a message"
    COMMANDS_PLACE = (
        "commands.place",
        "Finding.line and `column` are whole numbers from 1, and a column has a line",
    )
    COMMANDS_COUNTS = (
        "commands.counts",
        "Verdict.errors and `warnings` count all findings, and only errors reject the file",
    )
    COMMANDS_ACCEPTED = (
        "commands.accepted",
        "Verdict.accepted is true for the good file, and false for the bad file",
    )
    COMMANDS_OUTCOME = "commands.outcome", "Verdict is the result of a check, also of a rejection"
    COMMANDS_SUMMARY = "commands.summary", "Verdict.summary is a mapping from names to JSON values"
    COMMANDS_ARTIFACT = (
        "commands.artifact",
        "Verdict.artifact is bytes, at most 16 MiB, or the path of a file",
    )
    COMMANDS_ANYTHING = (
        "commands.anything",
        "CommandValidator.validate checks a file with any content, and a rejection has a finding",
    )
    COMMANDS_AT_ONCE = (
        "commands.at-once",
        "CommandValidator runs several checks at once, each with the same result as alone",
    )
    COMMANDS_UNCHANGED = (
        "commands.unchanged",
        "CommandValidator.validate changes no file, and writes none beside it",
    )
    COMMANDS_UNCHECKED = (
        "commands.unchecked",
        "CommandValidator.validate raises a `SourceError` if the check could not be done",
    )

    UPLINK_SEND = "uplink.send", "Uplink.send returns when the sequence has left"
    UPLINK_BYTES = (
        "uplink.bytes",
        "Uplink.send sends the bytes of the file unchanged, and does not change the file",
    )
    UPLINK_NOT_SENT = (
        "uplink.not-sent",
        "Uplink.send raises `NotSent` if the sequence has certainly not left",
    )
    UPLINK_ANSWERS = (
        "uplink.answers",
        "Uplink.answers is an async iterator of `Answer`, each with the `id` and the `attempt` of"
        " a sequence that was sent",
    )
    UPLINK_ANSWERED = (
        "uplink.answered",
        "Uplink.answers yields each answer of the machine, also to sequences sent before a restart",
    )

    def require(self, kept: object, observed: str) -> None:
        """Return if the clause is kept.

        Raises:
            ContractBroken: the clause is broken; `observed` describes the behaviour.
        """
        if not kept:
            raise ContractBroken(self, observed)


CLAUSES = {clause.value: clause for clause in Clause}
"""The clauses by code."""


def require_no_mistake(mistake: Mistake | None, context: str = "") -> None:
    """Return if the check of a rule has found no mistake.

    Args:
        mistake: as a function of `sources.rules` returned it.
        context: names the file or the call, for the message.

    Raises:
        ContractBroken: there is a mistake.
    """
    if mistake is not None:
        where = f"{context}: " if context else ""
        raise ContractBroken(CLAUSES[mistake.rule], f"{where}{mistake.text}")
