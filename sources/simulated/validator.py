"""The command validator of the simulated rover: `sim:`, `sim:?rover=cosmic-2`."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
from anyio import CapacityLimiter, to_thread

from sources.base import (
    CommandDictionary,
    Finding,
    Progress,
    Severity,
    SourceError,
    Step,
    Verdict,
)
from sources.simulated.checks.checksum import check_checksum
from sources.simulated.checks.header import HEADERS
from sources.simulated.checks.power import check_power
from sources.simulated.checks.safety import check_safety
from sources.simulated.checks.syntax import parse
from sources.simulated.checks.thermal import check_thermal
from sources.simulated.checks.timing import check_timing
from sources.simulated.compiled import CONTENT_TYPE, compile_sequence
from sources.simulated.dictionary import table
from sources.simulated.findings import STEPS, Check, finding
from sources.simulated.schedule import Schedule
from sources.simulated.sequence import MAX_BYTES, NAME, Sequence, format_duration
from sources.values.files import command_file
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

MAX_FINDINGS_PER_STEP = 150
"""Maximum number of findings that a step reports. Further findings are only counted."""

MIN_PROGRESS = 0.01
"""Minimum difference of the fraction between two progress reports within a step."""

REQUIRED_HEADERS = {"power": ("battery", "local"), "thermal": ("local",)}
"""Header lines that a step requires; without them it is skipped."""


DICTIONARY_SHA256 = sha256(table().encode()).hexdigest()


class SimulatedValidator:
    """Checks command sequences (docs/commands.md) against a simulation of the rover.

    Every step checks the readable part of the file, even if an earlier step found errors, so that
    people see all findings at once. The work runs in a worker thread in slices of some
    milliseconds, one slice at a time for all checks together, because it is bound by the CPU.

    Args:
        pace_s: minimum seconds per step, so that people can follow; 0 to 60.
        rover: name that the `@rover` line of a sequence must have.

    Raises:
        SourceError: an option is not valid.
    """

    simulated = True
    max_bytes = MAX_BYTES

    def __init__(self, pace_s: float = 0.4, rover: str = "cosmic-1") -> None:
        self._pace_s = Range(0, 60, "s").number("pace_s", pace_s)
        if NAME.fullmatch(rover) is None:
            raise SourceError(f"rover={rover!r}: must be {HEADERS['@rover']}")
        self._rover = rover
        self._limiter = CapacityLimiter(1)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Syntax, checksum, power, thermal, timing, safety."""
        return STEPS

    @property
    def dictionary(self) -> CommandDictionary:
        """The commands of the simulated rover."""
        return CommandDictionary("commands of the simulated rover", DICTIONARY_SHA256)

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a sequence; see `CommandValidator`. Yields at most 906 findings, but counts all."""
        run = _SequenceCheck(path, self._rover)
        total: Counter[Severity] = Counter()
        for index, step in enumerate(STEPS):
            started = anyio.current_time()
            reported = index / len(STEPS)
            skipped = run.skipped(step.name)
            yield _progress(step, reported, skipped or "checking", skipped=skipped != "")
            found: Counter[Severity] = Counter()
            check = run.check(step.name)
            share: float | None = 0.0
            while share is not None:
                findings, share = await to_thread.run_sync(_slice, check, limiter=self._limiter)
                for report in findings:
                    found[report.severity] += 1
                    if found.total() <= MAX_FINDINGS_PER_STEP:
                        yield report
                if share is not None and (index + share) / len(STEPS) >= reported + MIN_PROGRESS:
                    reported = (index + share) / len(STEPS)
                    detail = f"{step.title}: {share:.0%}"
                    if step.name == "syntax":
                        line = round(share * run.lines)
                        yield Progress(step.name, reported, detail, line=line, lines=run.lines)
                    else:
                        yield Progress(step.name, reported, detail)
            if (hidden := found.total() - MAX_FINDINGS_PER_STEP) > 0:
                message = f"{hidden:,} more findings of this step are not shown"
                yield finding(f"{step.name}.more", message, hint="correct those above first")
            total += found
            await anyio.sleep(max(0.0, started + self._pace_s - anyio.current_time()))
            outcome = skipped or _counts(found)
            yield _progress(step, (index + 1) / len(STEPS), outcome, skipped=skipped != "")
        artifact = None if total[Severity.ERROR] else await self._compile(run)
        detail = f"rejected: {_counts(total)}" if artifact is None else f"accepted: {run.totals()}"
        yield Verdict(
            accepted=artifact is not None,
            errors=total[Severity.ERROR],
            warnings=total[Severity.WARNING],
            detail=detail,
            summary=run.summary,
            artifact=artifact,
            artifact_type=CONTENT_TYPE,
        )

    async def _compile(self, run: _SequenceCheck) -> bytes:
        pieces, compiled = run.compile(), bytearray()
        while (piece := await to_thread.run_sync(next, pieces, b"", limiter=self._limiter)) != b"":
            compiled += piece
        return bytes(compiled)


class _SequenceCheck:
    """The check of one file. Steps keep their results for later steps, so they run in order."""

    def __init__(self, path: Path, rover: str) -> None:
        self.summary: dict[str, str | int | float | bool | None] = {}
        self._path, self._rover = path, rover
        self._data = b""
        self._sequence = Sequence()
        self._schedule = Schedule(self._sequence.header, [])

    @property
    def lines(self) -> int:
        """Number of lines of the file, once it was read."""
        return self._data.count(b"\n") + 1

    def check(self, step: str) -> Iterator[Finding | float]:
        """The running check of one step; it does nothing if the file is not readable."""
        if step != "syntax" and not self._sequence.readable:
            return
        header = self._sequence.header
        check: Check
        match step:
            case "syntax":
                self._data = _read(self._path)
                check = parse(self._data, self._sequence)
            case "checksum":
                check = check_checksum(self._data, self._sequence)
            case "power":
                self._schedule = Schedule(header, self._sequence.instructions)
                check = check_power(header, self._schedule)
            case "thermal":
                check = check_thermal(header, self._schedule)
            case "timing":
                check = check_timing(header, self._schedule)
            case _:
                check = check_safety(
                    header, self._schedule, self._rover, is_whole=self._sequence.is_whole
                )
        self.summary.update((yield from check))

    def skipped(self, step: str) -> str:
        """Why a step was skipped, or an empty string."""
        if not self._sequence.readable:
            return "not checked, the file is not readable" if step != "syntax" else ""
        missing = [
            f"@{name}"
            for name in REQUIRED_HEADERS.get(step, ())
            if not self._sequence.header.has(name)
        ]
        return f"not checked without {' and '.join(missing)}" if missing else ""

    def totals(self) -> str:
        """Commands, duration, distance and battery charge of an accepted sequence, for people."""
        return (
            f"{self.summary['commands']} commands in {format_duration(self._schedule.end_ms)}, "
            f"{self.summary['distance_m']:g} m, battery at {self.summary['battery_min_percent']} % "
            "or more"
        )

    def compile(self) -> Iterator[bytes]:
        """The compiled sequence in non-empty pieces."""
        return compile_sequence(self._sequence.header, self._schedule, str(self.summary["crc32"]))


def _read(path: Path) -> bytes:
    """The bytes of the file, but at most one byte more than the limit."""
    with command_file(path) as file:
        return file.read(MAX_BYTES + 1)


def _progress(step: Step, fraction: float, detail: str, *, skipped: bool) -> Progress:
    return Progress(step.name, fraction, f"{step.title}: {detail}", skipped)


def _slice(check: Iterator[Finding | float]) -> tuple[list[Finding], float | None]:
    """Run the check to its next share; return its findings and the share, `None` at the end."""
    found: list[Finding] = []
    for report in check:
        if isinstance(report, float):
            return found, report
        found.append(report)
    return found, None


def _counts(found: Counter[Severity]) -> str:
    """The counts for people: `2 errors, 1 warning`."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    counts = [f"{n:,} {words[kind]}{'s' * (n != 1)}" for kind in Severity if (n := found[kind])]
    return ", ".join(counts) or "no findings"
