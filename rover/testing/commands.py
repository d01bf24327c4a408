"""The contract of a command validator."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from rover.testing.cancellation import cancel_everywhere
from rover.testing.clauses import Clause, ContractBroken
from rover.testing.command_files import NO_TEXT, ODD, content_of, laid_out
from rover.testing.lifecycle import live
from rover.testing.reading import Reading
from rover.testing.reports import Report, check_reports, check_steps, outcome_of
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sources.base import CommandValidator


async def check_commands(
    validator: CommandValidator,
    *,
    good: Path | bytes,
    bad: Path | bytes,
    timeout_s: float = 30.0,
    max_stall_s: float = 0.25,
) -> None:
    """Return if the validator keeps its contract; takes about the time of thirty checks.

    Files are checked in a folder of their own, under names without a suffix, as the server does.

    Args:
        validator: not entered yet.
        good: a file, or what is in it, that is accepted.
        bad: one that is rejected.
        timeout_s: in which a check must end.
        max_stall_s: for so long the event loop may stand still at a time.

    Raises:
        ContractBroken: it does not keep it; the text says which clause and what was seen.
        SourceError: as the validator raised it: checks cannot be done.
    """
    contents = {"good": content_of(good), "bad": content_of(bad), **NO_TEXT, **ODD}
    with laid_out(contents) as files:
        trial = _Trial(validator, files, contents, timeout_s)
        await live(validator, trial.run, beside=None, timeout_s=timeout_s, max_stall_s=max_stall_s)


class _Trial:
    """One validator before its files."""

    def __init__(
        self,
        validator: CommandValidator,
        files: Mapping[str, Path],
        contents: Mapping[str, bytes],
        timeout_s: float,
    ) -> None:
        self._validator = validator
        self._files = files
        self._contents = contents
        self._timeout_s = timeout_s

    async def run(self) -> None:
        steps = check_steps(self._validator)
        good, bad = await self._report("good"), await self._report("bad")
        for name, reports, accepted in (("good", good, True), ("bad", bad, False)):
            verdict = check_reports(reports, steps, name)
            Clause.COMMANDS_ACCEPTED.require(
                verdict.accepted is accepted,
                f"the {name} file was {'rejected' if accepted else 'accepted'}: {verdict.detail}",
            )
        for name in NO_TEXT:
            verdict = check_reports(await self._report(name), steps, name)
            Clause.COMMANDS_ANYTHING.require(not verdict.accepted, f"{name} was accepted")
        for name in ODD:
            check_reports(await self._report(name), steps, name)
        Clause.COMMANDS_STEPS.require(
            check_steps(self._validator) == steps, "`steps` are others after some checks"
        )
        await self._at_once({"good": good, "bad": bad})
        await self._without_a_file()
        await cancel_everywhere(
            "validate()",
            lambda: self._validator.validate(self._files["good"]),
            Clause.COMMANDS_VERDICT,
            first_s=0.1,
            timeout_s=self._timeout_s,
        )
        check_reports(await self._report("good"), steps, "good")

    def _begin(self, path: Path, what: str) -> Reading[Report]:
        return Reading(
            f"validate() of {what}", lambda: self._validator.validate(path), Clause.COMMANDS_VERDICT
        )

    async def _end(self, reading: Reading[Report]) -> list[Report]:
        ended = await reading.ended(self._timeout_s)
        if reading.failure is not None and not isinstance(reading.failure, SourceError):
            raise ContractBroken(
                Clause.COMMANDS_OUTCOME, f"{reading.what} raised {reading.failure!r}"
            ) from reading.failure
        reading.require_well()
        Clause.COMMANDS_VERDICT.require(
            ended, f"{reading.what} had not ended after {self._timeout_s:g} s"
        )
        return reading.items

    async def _report(self, name: str) -> list[Report]:
        async with self._begin(self._files[name], name) as reading:
            reports = await self._end(reading)
        self._require_unchanged(name)
        return reports

    def _require_unchanged(self, name: str) -> None:
        file = self._files[name]
        Clause.COMMANDS_UNCHANGED.require(
            file.is_file() and file.read_bytes() == self._contents[name],
            f"the file was changed or removed while it was checked ({name})",
        )

    async def _at_once(self, alone: Mapping[str, list[Report]]) -> None:
        """The same files at the same time, twice each: every report as when it was alone."""
        names = [*alone, *alone]
        async with AsyncExitStack() as stack:
            readings = [
                await stack.enter_async_context(self._begin(self._files[name], name))
                for name in names
            ]
            for name, reading in zip(names, readings, strict=True):
                Clause.COMMANDS_AT_ONCE.require(
                    outcome_of(await self._end(reading)) == outcome_of(alone[name]),
                    f"the {name} file, checked beside others, had another outcome than alone",
                )

    async def _without_a_file(self) -> None:
        missing = self._files["good"].with_name("no-such-file")
        async with self._begin(missing, "a file that is not there") as reading:
            await reading.ended(self._timeout_s)
        Clause.COMMANDS_UNCHECKED.require(
            isinstance(reading.failure, SourceError),
            f"{reading.what} {_told(reading)}; raise a SourceError",
        )


def _told(reading: Reading[Report]) -> str:
    if reading.failure is not None:
        return f"raised {reading.failure!r}"
    return f"ended with {reading.items[-1]!r}" if reading.items else "said nothing"
