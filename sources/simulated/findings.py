"""Every finding the validator can report: its code, how bad it is, and what it means.

The part of a code before the dot is the step that finds it. The table in `docs/commands.md` is
`table()` (a test compares them).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

from sources.base import Finding, Severity, Step

STEPS = (
    Step("syntax", "Syntax"),
    Step("checksum", "Checksum"),
    Step("power", "Power budget"),
    Step("thermal", "Thermal"),
    Step("timing", "Timing"),
    Step("safety", "Safety"),
)
"""In the order they run."""

Summary = Mapping[str, str | int | float | bool | None]
"""What a check adds to the verdict's summary."""

Check = Generator[Finding | float, None, Summary]
"""A check under way: yields findings, and now and then the share of its work that is done (0 to 1).

Between two shares lie a few hundred lines at most, so whoever drives it can do so in short slices.
Returns its figures.
"""

SLICE_LINES = 200
"""Lines, or spans of time, that a check works through between two shares."""

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

MEANINGS: Mapping[str, tuple[Severity, str]] = {
    "syntax.too-big": (ERROR, "The file is over 1 MiB; none of it was checked."),
    "syntax.too-many-lines": (ERROR, "The file has over 20,000 lines; none of it was checked."),
    "syntax.binary": (ERROR, "The file is not text: it holds NUL bytes. Nothing else was checked."),
    "syntax.empty": (ERROR, "The file holds no command."),
    "syntax.encoding": (ERROR, "A byte is not UTF-8. The line was left out."),
    "syntax.control": (ERROR, "A control character, or one that reorders text on the screen."),
    "syntax.line-length": (ERROR, "A line is over 256 characters. It was left out."),
    "syntax.directive": (ERROR, "A line starts with an `@` word that does not exist."),
    "syntax.header-missing": (ERROR, "A header line is missing; what needs it is not checked."),
    "syntax.header-twice": (ERROR, "A header line stands there twice; the first one counts."),
    "syntax.header-late": (ERROR, "A header line comes after the first command."),
    "syntax.header-value": (ERROR, "A header line's value is not what it must be."),
    "syntax.time": (ERROR, "A line does not start with a time. It was left out."),
    "syntax.no-command": (ERROR, "A line has a time, but no command."),
    "syntax.command": (ERROR, "The dictionary has no such command."),
    "syntax.arguments": (ERROR, "Too few or too many arguments."),
    "syntax.type": (ERROR, "An argument is not a number, not whole, or not one of the words."),
    "syntax.unit": (ERROR, "A number carries a unit that is not the argument's."),
    "syntax.range": (ERROR, "An argument is outside of its range."),
    "checksum.missing": (ERROR, "There is no `@crc32` line."),
    "checksum.malformed": (ERROR, "The checksum is not 8 hexadecimal digits."),
    "checksum.mismatch": (ERROR, "The bytes are not those that were sealed."),
    "checksum.twice": (ERROR, "There are several `@crc32` lines; the last one counts."),
    "checksum.not-last": (ERROR, "Something follows the `@crc32` line, so nothing protects it."),
    "power.reserve": (ERROR, "The battery falls under its reserve."),
    "power.low": (WARNING, "The battery comes near its reserve."),
    "power.peak": (ERROR, "Everything on at once draws more than the bus can carry."),
    "thermal.cold-start": (ERROR, "A command moves a zone that is too cold to move."),
    "thermal.hot": (ERROR, "A zone gets hotter than it may."),
    "thermal.warm": (WARNING, "A zone comes within 5 °C of the hottest it may get."),
    "thermal.frozen": (ERROR, "The electronics get colder than they may."),
    "timing.before-start": (ERROR, "A command is set before the sequence starts."),
    "timing.backwards": (ERROR, "A command is set before the one above it."),
    "timing.overlap": (ERROR, "A command needs what a command above it still uses."),
    "timing.pass": (ERROR, "A `COMM` is not inside its pass's window."),
    "timing.length": (ERROR, "The sequence is longer than one sol; nothing after that is checked."),
    "timing.idle": (INFO, "The rover is awake for over an hour with nothing to do."),
    "safety.rover": (ERROR, "The sequence is for another rover."),
    "safety.arm-out": (ERROR, "The rover would move with the arm deployed."),
    "safety.arm-stowed": (ERROR, "`DRILL` with the arm stowed."),
    "safety.moving": (ERROR, "The arm would move, or drill, while the rover moves."),
    "safety.blurred": (WARNING, "Pictures while the rover moves."),
    "safety.slope": (ERROR, "A slope that the rover may slide or tip on."),
    "safety.speed": (ERROR, "Too fast for the slope."),
    "safety.distance": (ERROR, "Further than one sequence may drive without people looking."),
    "safety.asleep": (ERROR, "A command while the rover sleeps: it would be lost."),
    "safety.no-wake": (ERROR, "The sequence ends asleep, with no `WAKE` to come."),
    "safety.arm-left-out": (ERROR, "The sequence ends with the arm deployed."),
    "safety.heater-left-on": (ERROR, "The sequence ends with a heater on."),
    "safety.no-effect": (WARNING, "A command changes nothing: it is so already."),
    "safety.no-comm": (WARNING, "No `COMM`: nobody hears how it went."),
} | {f"{step.name}.more": (INFO, "The step found more than is shown.") for step in STEPS}
"""By code, in the order of the table."""


def finding(
    code: str, message: str, line: int | None = None, column: int | None = None, hint: str = ""
) -> Finding:
    """A finding of that code, with the severity and the step that belong to it."""
    severity, _ = MEANINGS[code]
    return Finding(severity, code, message, line, column, hint, code.partition(".")[0])


def table() -> str:
    """The codes as a Markdown table, as it stands in `docs/commands.md`."""
    rows = ["| code | severity | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{code}` | {severity} | {text} |" for code, (severity, text) in MEANINGS.items()]
    return "\n".join(rows) + "\n"
