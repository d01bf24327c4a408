"""The contract of a command validator."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from rover.testing.cancellation import check_cancellation
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.command_files import REJECTED_FILES, UNUSUAL_FILES, create_files
from rover.testing.lifecycle import run_check
from rover.testing.reading import Reading
from rover.testing.reports import Report, check_reports, check_steps, result_of
from rover.testing.timeouts import Timeouts
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rover.testing.command_files import CommandFiles
    from sources.base import CommandValidator


async def check_commands(
    validator: CommandValidator,
    *,
    good: Path | bytes,
    bad: Path | bytes,
    timeout_s: float = 30.0,
    cancel_timeout_s: float = 2.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if a command validator keeps the contract.

    The check enters the validator, checks a good and a bad file, alone and both at once, and files
    with unusual content, cancels a check at many moments, and exits the validator. It takes about
    as long as thirty checks of the good file.

    Args:
        validator: the validator; not entered yet.
        good: the path or the content of a file that the validator must accept.
        bad: the path or the content of a file that the validator must reject.
        timeout_s: Seconds in which each check must end.
        cancel_timeout_s: Seconds in which a check and its tasks must end after a cancellation.
        max_stall_s: Seconds for which the validator may block the event loop at a time.

    Raises:
        ContractBroken: it breaks a clause; the text has the code and the observed behaviour.
        SourceError: as the validator raised it: a check could not be done.
    """
    timeouts = Timeouts(timeout_s, cancel_timeout_s, max_stall_s)
    given = {"good": good, "bad": bad, **REJECTED_FILES, **UNUSUAL_FILES}
    with create_files(given) as files:
        check = _ValidatorCheck(validator, files, timeouts)
        await run_check(validator, check.run, timeouts)


class _ValidatorCheck:
    def __init__(
        self, validator: CommandValidator, files: CommandFiles, timeouts: Timeouts
    ) -> None:
        self._validator = validator
        self._files = files
        self._timeouts = timeouts

    async def run(self) -> None:
        steps = check_steps(self._validator)
        good, bad = await self._reports("good"), await self._reports("bad")
        for name, reports, accepted in (("good", good, True), ("bad", bad, False)):
            verdict = check_reports(reports, steps, name)
            Clause.COMMANDS_ACCEPTED.require(
                verdict.accepted is accepted,
                f"accepted={verdict.accepted} for the {name} file: must be {accepted}; the verdict"
                f" says {verdict.detail!r}",
            )
        for name in REJECTED_FILES:
            verdict = check_reports(await self._reports(name), steps, name)
            Clause.COMMANDS_ANYTHING.require(
                not verdict.accepted, f"accepted=True for the {name} file: must be False"
            )
        for name in UNUSUAL_FILES:
            check_reports(await self._reports(name), steps, name)
        now = check_steps(self._validator)
        Clause.COMMANDS_STEPS.require(
            now == steps, f"steps={now!r} after some checks: must stay {steps!r}"
        )
        await self._check_at_once({"good": good, "bad": bad})
        await self._check_missing_file()
        await check_cancellation(
            "validate()",
            lambda: self._validator.validate(self._files.path("good")),
            Clause.COMMANDS_VERDICT,
            self._timeouts,
            first_s=0.1,
        )
        check_reports(await self._reports("good"), steps, "good")

    def _validate(self, path: Path, name: str) -> Reading[Report]:
        return Reading(
            f"validate() of the {name} file",
            lambda: self._validator.validate(path),
            Clause.COMMANDS_VERDICT,
            self._timeouts,
        )

    async def _reports(self, name: str) -> list[Report]:
        """Return what `validate()` yields for a file."""
        async with self._validate(self._files.path(name), name) as reading:
            reports = await self._wait_for_reports(reading)
        self._files.require_unchanged(name)
        return reports

    async def _wait_for_reports(self, reading: Reading[Report]) -> list[Report]:
        ended = await reading.wait_until_done()
        if reading.failure is not None and not isinstance(reading.failure, SourceError):
            raise ContractBroken(
                Clause.COMMANDS_OUTCOME,
                f"{reading.name} raised {reading.failure!r}; reject the file with a verdict",
            ) from reading.failure
        reading.raise_failure()
        Clause.COMMANDS_VERDICT.require(
            ended, f"{reading.name} did not end within {self._timeouts.wait_s:g} s"
        )
        return reading.items

    async def _check_at_once(self, alone: Mapping[str, list[Report]]) -> None:
        """Check each file twice at the same time, and compare the results with those before."""
        names = [*alone, *alone]
        async with AsyncExitStack() as stack:
            readings = [
                await stack.enter_async_context(self._validate(self._files.path(name), name))
                for name in names
            ]
            for name, reading in zip(names, readings, strict=True):
                result, expected = result_of(await self._wait_for_reports(reading)), alone[name]
                Clause.COMMANDS_AT_ONCE.require(
                    result == result_of(expected),
                    f"several checks at once gave {result!r} for the {name} file: must be"
                    f" {result_of(expected)!r}, as for one check",
                )

    async def _check_missing_file(self) -> None:
        async with self._validate(self._files.missing_path(), "missing") as reading:
            await reading.wait_until_done()
        Clause.COMMANDS_UNCHECKED.require(
            isinstance(reading.failure, SourceError),
            f"{reading.name} raised {reading.shown_failure} and yielded {reading.items!r}: must"
            " raise a SourceError",
        )
