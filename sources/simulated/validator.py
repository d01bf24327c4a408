"""The command check of the simulated rover: six steps over one sequence, told as they go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
from anyio import CapacityLimiter, to_thread

from sources.base import Finding, Progress, Severity, SourceError, Step, Verdict
from sources.simulated.checks.checksum import check_checksum
from sources.simulated.checks.header import HEADERS
from sources.simulated.checks.power import check_power
from sources.simulated.checks.safety import check_safety
from sources.simulated.checks.syntax import parse
from sources.simulated.checks.thermal import check_thermal
from sources.simulated.checks.timing import check_timing
from sources.simulated.compiled import CONTENT_TYPE, compile_sequence
from sources.simulated.findings import STEPS, Check, finding
from sources.simulated.schedule import Schedule
from sources.simulated.sequence import MAX_BYTES, NAME, Sequence, format_duration
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

MAX_FINDINGS_PER_STEP = 150
"""More are counted, not shown; so a step with a flood of them does not hide the next one's."""

MIN_ADVANCE = 0.01
"""Of the whole check, between two tellings of how far it is."""

NEEDS = {"power": ("battery", "local"), "thermal": ("local",)}
"""SequenceHeader lines without which a step has nothing to start from."""


class SimulatedValidator:
    """Checks rover command sequences (`docs/commands.md`) as the simulated rover would run them.

    Every step looks at what could be read, even when an earlier one found errors, so that a
    person sees everything at once. The work is done in slices of some milliseconds in a worker
    thread, one at a time however many checks run, since they all want the same CPU.

    Args:
        pace_s: seconds a step takes at least, so that people can follow; 0 to 60.
        rover: the name that a sequence's `@rover` must have.

    Raises:
        SourceError: an option is not what it must be.
    """

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

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a sequence; see `CommandValidator`. All findings count, at most 906 are yielded."""
        run = _Run(path, self._rover)
        total: Counter[Severity] = Counter()
        for index, step in enumerate(STEPS):
            began = anyio.current_time()
            told = index / len(STEPS)
            yield Progress(step.name, told, f"{step.title}: checking")
            found: Counter[Severity] = Counter()
            check = run.check(step.name)
            share: float | None = 0.0
            while share is not None:
                findings, share = await to_thread.run_sync(_slice, check, limiter=self._limiter)
                for report in findings:
                    found[report.severity] += 1
                    if found.total() <= MAX_FINDINGS_PER_STEP:
                        yield report
                if share is not None and (index + share) / len(STEPS) >= told + MIN_ADVANCE:
                    told = (index + share) / len(STEPS)
                    yield Progress(step.name, told, f"{step.title}: {share:.0%}")
            if (hidden := found.total() - MAX_FINDINGS_PER_STEP) > 0:
                more = f"{hidden:,} more findings of this step are not shown"
                yield finding(f"{step.name}.more", more, hint="correct those above first")
            total += found
            await anyio.sleep(max(0.0, began + self._pace_s - anyio.current_time()))
            outcome = run.skipped(step.name) or _told(found)
            yield Progress(step.name, (index + 1) / len(STEPS), f"{step.title}: {outcome}")
        artifact = None if total[Severity.ERROR] else await self._compile(run)
        yield Verdict(
            accepted=artifact is not None,
            errors=total[Severity.ERROR],
            warnings=total[Severity.WARNING],
            detail=f"rejected: {_told(total)}" if artifact is None else f"accepted: {run.told()}",
            summary=run.figures,
            artifact=artifact,
            artifact_type=CONTENT_TYPE,
        )

    async def _compile(self, run: _Run) -> bytes:
        pieces, compiled = run.compile(), bytearray()
        while (piece := await to_thread.run_sync(next, pieces, b"", limiter=self._limiter)) != b"":
            compiled += piece
        return bytes(compiled)


class _Run:
    """One file on its way through the steps; what each leaves for those after it."""

    def __init__(self, path: Path, rover: str) -> None:
        self.figures: dict[str, str | int | float | bool | None] = {}
        self._path, self._rover = path, rover
        self._data = b""
        self._sequence = Sequence()
        self._timeline = Schedule(self._sequence.header, [])

    def check(self, step: str) -> Iterator[Finding | float]:
        """The work of one step, begun when it is iterated; steps are taken in their order."""
        if step != "syntax" and not self._sequence.readable:
            return
        header, schedule = self._sequence.header, self._timeline
        check: Check
        match step:
            case "syntax":
                self._data = _read(self._path)
                check = parse(self._data, self._sequence)
            case "checksum":
                check = check_checksum(self._data, self._sequence)
            case "power":
                self._timeline = Schedule(header, self._sequence.instructions)
                check = check_power(header, self._timeline)
            case "thermal":
                check = check_thermal(header, schedule)
            case "timing":
                check = check_timing(header, schedule)
            case _:
                check = check_safety(header, schedule, self._rover)
        self.figures.update((yield from check))

    def skipped(self, step: str) -> str:
        """Why a step had nothing to go by, or nothing."""
        if not self._sequence.readable:
            return "not checked, the file is no sequence" if step != "syntax" else ""
        lacking = [
            f"@{name}" for name in NEEDS.get(step, ()) if not self._sequence.header.has(name)
        ]
        return f"not checked without {' and '.join(lacking)}" if lacking else ""

    def told(self) -> str:
        """What an accepted sequence comes to, for people."""
        return (
            f"{self.figures['commands']} commands in {format_duration(self._timeline.end_ms)}, "
            f"{self.figures['distance_m']:g} m, battery at {self.figures['battery_min_percent']} % "
            "or more"
        )

    def compile(self) -> Iterator[bytes]:
        """The compiled sequence in pieces, none of them empty."""
        return compile_sequence(self._sequence.header, self._timeline, str(self.figures["crc32"]))


def _read(path: Path) -> bytes:
    """The file's bytes, as far as one byte beyond what is allowed."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise SourceError(f"the file to check cannot be read: {exc.strerror or exc}") from exc


def _slice(check: Iterator[Finding | float]) -> tuple[list[Finding], float | None]:
    """Work until the check tells how far it is: what it found, and that; `None` when done."""
    found: list[Finding] = []
    for report in check:
        if isinstance(report, float):
            return found, report
        found.append(report)
    return found, None


def _told(found: Counter[Severity]) -> str:
    """The counts for people: `2 errors, 1 warning`."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    told = [f"{n:,} {words[kind]}{'s' * (n != 1)}" for kind in Severity if (n := found[kind])]
    return ", ".join(told) or "no findings"
