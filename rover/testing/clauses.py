"""The contract, clause by clause, and the error that says which one a source broke."""

from __future__ import annotations

from dataclasses import dataclass


class ContractBroken(AssertionError):
    """A source does not do what its contract asks.

    Attributes:
        clause: what is asked.
        saw: what the source did instead.
    """

    def __init__(self, clause: Clause, saw: str) -> None:
        self.clause = clause
        self.saw = saw
        super().__init__(
            f"{clause.name}: {saw}\n{clause.where} in sources/base.py asks: {clause.asks}"
        )


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that a source must do.

    Attributes:
        name: short and stable, the kind of source first: `telemetry.names`.
        where: the place in `sources/base.py` that asks for it.
        asks: in its words, so that nothing is asked for here alone.
    """

    name: str
    where: str
    asks: str

    def require(self, kept: object, saw: str) -> None:
        """Return if the clause is kept.

        Raises:
            ContractBroken: it is not; the text says what was seen.
        """
        if not kept:
            raise ContractBroken(self, saw)


# --------------------------------------------------------------------------- of every source

LIFE = Clause(
    "source.life",
    "the module's docstring",
    "is entered before its first use and exited after its last, on the mission's event loop",
)
CANCEL = Clause("source.cancel", "TelemetrySource.samples", "Cancelled at any `await`")
CLEANUP = Clause("source.cleanup", "TelemetrySource.samples", "clean up in `finally`")
BLOCKING = Clause("source.blocking", "TelemetrySource.samples", "Must not block the event loop.")
ERRORS = Clause(
    "source.errors",
    "SourceError",
    "Root of everything a source may raise on purpose; its text is shown to people.",
)

# --------------------------------------------------------------------------------- telemetry

PARAMETERS = Clause(
    "telemetry.parameters",
    "TelemetrySource.parameters",
    "Known before the first sample, or, where only the machine knows, learned as samples come.",
)
NAMES = Clause(
    "telemetry.names", "TelemetrySource.parameters", "names are unique, and none is `RESERVED`"
)
KINDS = Clause(
    "telemetry.kinds",
    "Parameter",
    "what values it takes; `vector` is a mapping of names to numbers",
)
LIMITS = Clause("telemetry.limits", "Parameter", "bounds of a `number` or `integer`.")
RED = Clause("telemetry.red", "Limits", "`(low, high)` of the alarm; it lies outside yellow.")
SAMPLES = Clause(
    "telemetry.samples", "TelemetrySource.samples", "Yield samples as they are measured"
)
TIME = Clause("telemetry.time", "Sample", "when it was measured: POSIX seconds, UTC.")
VALUES = Clause(
    "telemetry.values",
    "Sample",
    "by parameter name. A parameter that was not measured is left out or `None`",
)
RESTART = Clause("telemetry.restart", "TelemetrySource.samples", "called anew at a restart")
UNREACHABLE = Clause(
    "telemetry.unreachable",
    "TelemetrySource.samples",
    "the machine cannot be read; the text says what to do about it.",
)
PERIOD = Clause("telemetry.period", "Paced.period_s", "Seconds expected between two samples")

# ------------------------------------------------------------------------------------ camera

LISTED = Clause("camera.listed", "Camera.images", "Every picture held")
NEWEST = Clause("camera.newest", "Camera.images", "newest first")
IDS = Clause(
    "camera.ids",
    "Image",
    "unique within the camera, at most 200 characters, never `.` or `..`.",
)
VALUE = Clause(
    "camera.value", "Image", "What is known of one picture; a fresh value each time, as it arrives."
)
COMPLETE = Clause(
    "camera.complete", "Image", "every byte is there, and none will change under this `revision`."
)
REVISION = Clause(
    "camera.revision", "Image", "two pictures of one id and one revision have the same bytes"
)
SHA256 = Clause("camera.sha256", "Image", "of the whole, in lower-case hex, when known.")
PATH = Clause("camera.path", "Image", "a plain file with all of it, once complete")
LOOKUP = Clause("camera.lookup", "Camera.image", "The picture of that id as it is now, or `None`.")
ANY_ID = Clause("camera.any-id", "Camera.image", "Any string may be asked for.")
UNKNOWN = Clause("camera.unknown", "Camera.open", "UnknownImage: no such picture is held.")
CHUNKS = Clause("camera.chunks", "Camera.open", "Chunks are at most 1 MiB and never empty.")
START = Clause("camera.start", "Camera.open", "Yield the picture's bytes from `start`")
WHOLE = Clause("camera.whole", "Camera.open", "It ends only when every byte was yielded.")
READERS = Clause("camera.readers", "Camera", "Many readers at once, each at its own position.")
NEW = Clause("camera.new", "Camera.new", "Yield the id of each picture as it begins to arrive")
NEW_FROM = Clause("camera.new-from", "Camera.new", "From the moment of the call on")
ARRIVING = Clause(
    "camera.arriving",
    "Camera.new",
    "pictures that are arriving at that moment are yielded too",
)

# ---------------------------------------------------------------------------------- commands

STEPS = Clause(
    "commands.steps",
    "CommandValidator.steps",
    "The stages in the order they run; the same for every file.",
)
VERDICT = Clause("commands.verdict", "CommandValidator.validate", "end with exactly one `Verdict`")
STEP = Clause("commands.step", "Step", "One named stage of a check, known before it starts.")
FRACTION = Clause("commands.fraction", "Progress", "of the whole check, 0 to 1.")
FINDING = Clause(
    "commands.finding", "Finding", "Something a person should look at, at a place in the file."
)
PLACE = Clause("commands.place", "Finding", "from 1; `None` where it is about the whole file.")
COUNTS = Clause("commands.counts", "Verdict", "findings that reject.")
ACCEPTED = Clause("commands.accepted", "Verdict", "whether the file may go up to the machine.")
OUTCOME = Clause(
    "commands.outcome", "Verdict", "How a check ended. A rejection is a value, not an exception."
)
SUMMARY = Clause(
    "commands.summary",
    "Verdict",
    "figures of interest (commands, duration, energy); JSON values.",
)
ARTIFACT = Clause(
    "commands.artifact", "Verdict", "the compiled product, if there is one, at most a few MiB."
)
ANYTHING = Clause(
    "commands.anything",
    "CommandValidator.validate",
    "may hold anything: a binary file is rejected with a finding.",
)
AT_ONCE = Clause("commands.at-once", "CommandValidator", "Several checks may run at once.")
UNCHANGED = Clause(
    "commands.unchanged",
    "CommandValidator.validate",
    "is complete, is not changed while the check runs",
)
UNCHECKED = Clause(
    "commands.unchecked",
    "CommandValidator.validate",
    "the check itself could not be done, whatever the file holds.",
)
