"""The command validator for F Prime: `fprime:RefTopologyDictionary.json`."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from sources.base import Finding, Progress, Severity, SourceError, Step
from sources.fprime.check import SequenceCheck
from sources.fprime.dictionary import read_dictionary
from sources.fprime.sequence_file import SequenceFile
from sources.fprime.usual import UsualForm
from sources.values.languages import check_language
from sources.values.slices import in_slices
from sources.values.tally import Tally
from sources.values.text_blocks import NotText, count_lines, text_blocks
from sources.values.wording import listed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from sources.base import CommandDictionary, Verdict

CONTENT_TYPE = "application/vnd.fprime.sequence"

TIME_CONTEXT = 0xFF
"""The time context that F Prime's tool writes."""

STEPS = (
    Step("syntax", "Syntax"),
    Step("commands", "Commands and arguments"),
    Step("timing", "Times"),
)


NO_COMMANDS = Finding(
    Severity.WARNING, "file.no-commands", "the file contains no command", step="syntax"
)


class FPrimeValidator:
    """Checks sequences (`.seq`) and compiles them as `fprime-seqgen` does.

    It also rejects what that tool accepts: missing and extra arguments, NaN and infinities,
    fractions for whole numbers, texts that are too long in bytes, days that the year does not have,
    and times before those of the commands above.

    Args:
        dictionary: path of the JSON dictionary of the deployment.
        timebase: of the sequence, decimal or hexadecimal; 0xFFFF is any.

    Raises:
        SourceError: the dictionary cannot be read, or an option is not valid.
    """

    suffixes = (".seq",)
    max_bytes = 256 * 2**20

    def __init__(self, dictionary: Path, timebase: str = "0xFFFF") -> None:
        self._dictionary = read_dictionary(Path(dictionary))
        representation, values = self._dictionary.time_base
        try:
            number = int(timebase, 0)
        except ValueError:
            number = -1
        if number not in values:
            known = listed(map(str, sorted(values)))
            raise SourceError(f"timebase={timebase}: must be one of {known}")
        self._time_base = struct.pack(representation.code, number) + struct.pack(
            self._dictionary.time_context.code, TIME_CONTEXT
        )
        self._forms = {
            name: UsualForm(command).encode for name, command in self._dictionary.commands.items()
        }

    @property
    def steps(self) -> tuple[Step, ...]:
        """Syntax, commands and arguments, times."""
        return STEPS

    @property
    def dictionary(self) -> CommandDictionary:
        """The dictionary of the deployment."""
        return self._dictionary.about

    def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a sequence; see `CommandValidator`. Yields 1,000 findings at most; counts all."""
        return in_slices(self._check(path))

    def _check(self, path: Path) -> Generator[Progress | Finding | Verdict]:
        check, tally = SequenceCheck(self._dictionary, self._forms), Tally()
        lines, size = count_lines(path), max(1, path.stat().st_size)
        with SequenceFile(self._time_base) as compiled:
            try:
                for block in text_blocks(path):
                    if block.first == 1:
                        check_language(block, "fprime")
                    compiled.add(check.records(block))
                    yield from tally.reported(check.take_findings())
                    line = block.first + len(block.lines) - 1
                    detail = f"line {line:,} of {lines:,}"
                    fraction = 0.9 * block.end / size
                    yield Progress("syntax", fraction, detail, line=line, lines=lines)
                compiled.add(check.end())
                yield from tally.reported(check.take_findings())
            except NotText as exc:
                yield from tally.reported([exc.error.finding()])
                for step in STEPS[1:]:
                    yield Progress(step.name, 0.95, "not checked, the file is not readable", True)
            else:
                if not check.commands and not tally.errors:
                    yield from tally.reported([NO_COMMANDS])
                for step in STEPS[1:]:
                    yield Progress(step.name, 0.95, step.title)
            plural = "" if check.commands == 1 else "s"
            yield from tally.conclusion(
                f"{check.commands:,} command{plural}",
                {"commands": check.commands, "lines": lines},
                None if tally.errors else compiled.finish(),
                CONTENT_TYPE,
            )
