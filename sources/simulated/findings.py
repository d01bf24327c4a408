"""The codes of all findings that the validator reports, with severity and meaning.

The part of a code before the dot is the step that reports it. The table in docs/commands.md is the
output of `table()`; a test compares them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

from sources.base import Finding, Severity, Step

if TYPE_CHECKING:
    from sources.simulated.schedule import ScheduledCommand

STEPS = (
    Step("syntax", "Syntax"),
    Step("checksum", "Checksum"),
    Step("power", "Power budget"),
    Step("thermal", "Thermal"),
    Step("timing", "Timing"),
    Step("safety", "Safety"),
)
"""The steps in the order in which they run."""

Summary = Mapping[str, str | int | float | bool | None]
"""Values that a check adds to the summary of the verdict."""

Check = Generator[Finding | float, None, Summary]
"""A running check: yields findings and the share of its work that is done, and returns a summary.

It yields a share (0 to 1) at least every `SLICE_LINES` lines or intervals, so that the caller can
run it in short slices.
"""

SLICE_LINES = 200
"""Maximum number of lines or intervals that a check processes between two shares."""

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

MEANINGS: Mapping[str, tuple[Severity, str]] = {
    "syntax.too-big": (ERROR, "The file is larger than 1 MiB. It was not checked."),
    "syntax.too-many-lines": (ERROR, "The file has more than 20,000 lines. It was not checked."),
    "syntax.binary": (ERROR, "The file contains NUL bytes, so it is not text. It was not checked."),
    "syntax.language": (
        ERROR,
        "The file is JSON, a sequence of F Prime or in another language. It was not checked.",
    ),
    "syntax.empty": (ERROR, "The file contains no command, and no other error."),
    "syntax.encoding": (ERROR, "The line is not valid UTF-8. It was skipped."),
    "syntax.control": (
        ERROR,
        "The line contains a control character, or one that reorders text on screen.",
    ),
    "syntax.line-length": (ERROR, "The line is longer than 256 characters. It was skipped."),
    "syntax.directive": (ERROR, "The line starts with an unknown `@` word."),
    "syntax.header-missing": (ERROR, "A header line is missing. Steps that need it are skipped."),
    "syntax.header-twice": (ERROR, "A header line is a duplicate. The first one counts."),
    "syntax.header-late": (ERROR, "A header line comes after the first command."),
    "syntax.header-value": (ERROR, "The value of a header line is not valid."),
    "syntax.time": (ERROR, "The line does not start with a time. It was skipped."),
    "syntax.no-command": (ERROR, "The line has a time, but no command."),
    "syntax.command": (ERROR, "The command is not in the dictionary."),
    "syntax.arguments": (ERROR, "The command has too few or too many arguments."),
    "syntax.type": (
        ERROR,
        "An argument is not a number, not a whole number, or not one of the choices.",
    ),
    "syntax.decimal-comma": (
        ERROR,
        "A number has a decimal comma, or two arguments have no blank after their comma.",
    ),
    "syntax.unit": (ERROR, "An argument has a wrong unit."),
    "syntax.range": (ERROR, "An argument is out of range."),
    "checksum.missing": (ERROR, "The file does not end with an `@crc32` line."),
    "checksum.malformed": (ERROR, "The checksum is not 8 hexadecimal digits."),
    "checksum.mismatch": (ERROR, "The file was changed after it was sealed."),
    "checksum.twice": (ERROR, "The file has several `@crc32` lines. The last one counts."),
    "checksum.not-last": (
        ERROR,
        "Lines follow the `@crc32` line. The checksum does not cover them.",
    ),
    "power.reserve": (ERROR, "The battery falls below its reserve."),
    "power.low": (WARNING, "The battery comes close to its reserve."),
    "power.peak": (ERROR, "The total load is above the limit of the power bus."),
    "thermal.cold-start": (ERROR, "A command starts while its zone is too cold to move."),
    "thermal.hot": (ERROR, "A zone exceeds its maximum temperature."),
    "thermal.warm": (WARNING, "A zone comes within 5 °C of its maximum temperature."),
    "thermal.frozen": (ERROR, "The electronics fall below their minimum temperature."),
    "timing.before-start": (ERROR, "The time of a command is before the start of the sequence."),
    "timing.backwards": (ERROR, "The time of a command is before that of the command above it."),
    "timing.overlap": (ERROR, "A command needs a resource that a command above it still uses."),
    "timing.pass": (ERROR, "A `COMM` is not inside the window of its pass."),
    "timing.length": (
        ERROR,
        "The sequence is longer than one sol. Power and thermal check one sol only.",
    ),
    "timing.idle": (INFO, "The rover is awake and idle for more than an hour."),
    "safety.rover": (ERROR, "The sequence is for another rover."),
    "safety.arm-out": (ERROR, "The rover moves with the arm deployed."),
    "safety.arm-stowed": (ERROR, "`DRILL` starts with the arm stowed."),
    "safety.moving": (ERROR, "The arm moves or drills while the rover moves."),
    "safety.blurred": (WARNING, "Images are taken while the rover moves."),
    "safety.slope": (ERROR, "The slope is too steep: the rover may slide or tip over."),
    "safety.speed": (ERROR, "The speed is too high for the slope."),
    "safety.distance": (ERROR, "The sequence drives farther than one sequence may."),
    "safety.asleep": (ERROR, "A command starts while the rover is asleep, and would be lost."),
    "safety.no-wake": (ERROR, "The sequence ends with the rover asleep."),
    "safety.arm-left-out": (ERROR, "The sequence ends with the arm deployed."),
    "safety.heater-left-on": (ERROR, "The sequence ends with a heater on."),
    "safety.no-effect": (WARNING, "A command has no effect: the rover is already in that state."),
    "safety.no-comm": (WARNING, "The sequence has no `COMM`, so it reports no result."),
} | {f"{step.name}.more": (INFO, "The step has more findings than are shown.") for step in STEPS}
"""Severity and meaning by code, in the order of the table."""


def finding(
    code: str, message: str, line: int | None = None, column: int | None = None, hint: str = ""
) -> Finding:
    """A finding with the severity and the step of its code; in column 1 of a line by default."""
    severity, _ = MEANINGS[code]
    if line is not None and column is None:
        column = 1
    return Finding(severity, code, message, line, column, hint, code.partition(".")[0])


def finding_at(
    code: str, command: ScheduledCommand | None, message: str, hint: str, line: int | None = None
) -> Finding:
    """A finding at the name of a command, or at `line` if `command` is `None`."""
    if command is None:
        return finding(code, message, line, hint=hint)
    return finding(code, message, command.line, command.column, hint)


def table() -> str:
    """The codes as a Markdown table, for docs/commands.md."""
    rows = ["| code | severity | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{code}` | {severity} | {text} |" for code, (severity, text) in MEANINGS.items()]
    return "\n".join(rows) + "\n"
