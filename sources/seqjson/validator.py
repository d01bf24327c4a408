"""The command validator for NASA's seq-json: `seqjson:schema.json?dictionary=commands.json`."""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from sources.base import CommandDictionary, Finding, Progress, Severity, SourceError, Step
from sources.seqjson.branches import with_branches_by_constant
from sources.seqjson.commands import Commands, commands_of
from sources.seqjson.conditions import with_guarded_conditions
from sources.seqjson.faults import Fault, faults, true_errors
from sources.seqjson.limit import StepLimit
from sources.values.files import read_json_dictionary
from sources.values.json_text import JsonText, read_json_text
from sources.values.patterns import PATTERN_OPTIONS
from sources.values.slices import in_slices
from sources.values.tally import MAX_FINDINGS, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from sources.base import Verdict

CONTENT_TYPE = "application/json"

MAX_FILE_BYTES = 16 * 2**20

STEPS = (Step("syntax", "JSON"), Step("schema", "Schema"), Step("commands", "Commands"))


class SeqJsonValidator:
    """Checks sequences in seq-json against a JSON schema, and their commands against a dictionary.

    Args:
        schema: path of the JSON schema.
        dictionary: path of a command dictionary in JSON; without it, commands are not checked.

    Raises:
        SourceError: a file cannot be read or is not valid.
    """

    suffixes = (".json",)
    max_bytes = MAX_FILE_BYTES

    def __init__(self, schema: Path, dictionary: Path | None = None) -> None:
        data, content = read_json_dictionary(Path(schema))
        self._schema = with_branches_by_constant(with_guarded_conditions(content))
        try:
            self._validator = jsonschema_rs.validator_for(
                self._schema, offline=True, pattern_options=PATTERN_OPTIONS
            )
        except (ValueError, jsonschema_rs.ValidationError) as exc:
            raise SourceError(f"{Path(schema).name}: is not a JSON schema: {exc!s:.300}") from exc
        self._limit = StepLimit(self._schema)
        self._commands: Commands | None = None
        name = Path(schema).name
        if dictionary is not None:
            more, commands = read_json_dictionary(Path(dictionary))
            self._commands = Commands(Path(dictionary).name, commands)
            data, name = data + more, f"{Path(dictionary).name} with {name}"
        self.dictionary = CommandDictionary(name, sha256(data).hexdigest())

    @property
    def steps(self) -> tuple[Step, ...]:
        """JSON, schema, commands."""
        return STEPS

    def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a sequence; see `CommandValidator`.

        Yields 1,000 findings at most and counts the others; after 1,000 wrong steps, each further
        one counts as one.
        """
        return in_slices(self._check(path))

    def _check(self, path: Path) -> Generator[Progress | Finding | Verdict]:
        tally = Tally()
        yield Progress("syntax", 0.0, "reading the file")
        text, content = None, None
        try:
            text = read_json_text(path, MAX_FILE_BYTES)
            yield from tally.reported(text.mistakes())
            if not tally.errors:
                content = text.parse()
        except ValueError as exc:
            yield from tally.reported(exc.args)
        if text is None or tally.errors:
            for step in STEPS[1:]:
                yield Progress(step.name, 0.9, "not checked, the file is not valid JSON", True)
            yield from tally.conclusion("", {})
            return
        yield Progress("schema", 0.3, "checking the schema")
        limited, left_out = self._limit.apply(content, MAX_FINDINGS)
        found = (
            fault
            for error in true_errors(list(self._validator.iter_errors(limited)))
            for fault in faults(error, self._schema)
        )
        yield from tally.reported(_findings(text, found, "schema"))
        del limited
        tally.count(Severity.ERROR, left_out)
        commands = _count(content)
        if self._commands is None:
            yield Progress("commands", 0.9, "not checked without a dictionary", True)
        else:
            yield Progress("commands", 0.6, "checking the commands")
            yield from tally.reported(_findings(text, self._commands.faults(content), "commands"))
        compact = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        plural = "" if commands == 1 else "s"
        yield from tally.conclusion(
            f"{commands:,} command{plural}",
            {"commands": commands, "lines": text.lines},
            compact.encode(errors="surrogatepass"),
            CONTENT_TYPE,
        )


def _findings(text: JsonText, found: Iterator[Fault], step: str) -> Iterator[Finding]:
    """Yield findings about faults: the first in the order of the text, the rest without places."""
    shown = list(islice(found, MAX_FINDINGS))
    offsets = text.locate_nearest({fault.pointer for fault in shown})
    for fault in sorted(shown, key=lambda fault: offsets[fault.pointer]):
        line, column = text.place(offsets[fault.pointer])
        pointer = "".join(f"/{_escaped(part)}" for part in fault.pointer)
        message = f"{pointer[:200] or '/'}: {fault.message}"
        yield Finding(Severity.ERROR, fault.code, message, line, column, fault.hint, step)
    for fault in found:
        yield Finding(Severity.ERROR, fault.code, fault.message, step=step)


def _escaped(part: str | int) -> str:
    """A part of a JSON pointer (RFC 6901, section 3)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _count(content: Any) -> int:
    """Number of commands of a sequence."""
    return sum(1 for _ in commands_of(content))
