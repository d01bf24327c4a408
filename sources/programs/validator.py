"""Any program as a validator: `cmd:/usr/bin/checker?arg=--strict&timeout_s=60&memory=512MiB`."""

from __future__ import annotations

import re
import shutil
from contextlib import aclosing
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from sources.base import CommandDictionary, SourceError, Step
from sources.programs.check import check_with
from sources.programs.process import CHECK_NICENESS, ProcessLimits
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sources.base import Finding, Progress, Verdict

SIZE = re.compile(r"(\d{1,12})\s*(|K|KiB|M|MiB|G|GiB)")
UNITS = {"": 0, "K": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30}

MIN_MEMORY_BYTES = 16 * 2**20

FILE = "{file}"
"""In an argument, the path of the file to check."""

STEP = Step("check", "Check")


class ProgramValidator:
    """Checks a file with a program, which runs apart from the server.

    The program receives the path of a read-only copy of the file as its last argument, or instead
    of `{file}` in an argument. It writes JSON lines (`progress`, `finding`, `verdict`), or messages
    such as `FILE:LINE:COLUMN: error: TEXT [CODE]`, to standard output or standard error. Its
    working folder is private and deleted afterwards.

    Args:
        program: its path, or its name to look for in PATH.
        arg: an argument; several are separated by NUL characters (`arg=a&arg=b` in a URL).
        timeout_s: seconds until it is killed, 0.1 to 86,400.
        memory: maximum size of its address space: bytes, or with K, M or G.
        artifact: the file in its working folder that it writes for an accepted file.
        artifact_type: the media type of that file.
        suffixes: ends of the names of files that it checks, separated by commas: `.seq,.txt`.
        max_bytes: maximum size of a file.

    Raises:
        SourceError: the program does not exist, or an option is out of range.
    """

    def __init__(
        self,
        program: str,
        *,
        arg: str = "",
        timeout_s: float = 300.0,
        memory: str = "1GiB",
        artifact: str = "",
        artifact_type: str = "application/octet-stream",
        suffixes: str = "",
        max_bytes: int = 64 * 2**20,
    ) -> None:
        found = shutil.which(program)
        if found is None:
            raise SourceError(f"{program}: not found, or not a program that can be run")
        self._program = str(Path(found).absolute())
        self._arguments = arg.split("\0") if arg else []
        self._limits = ProcessLimits(
            Range(0.1, 86_400, "s").number("timeout_s", timeout_s),
            memory_bytes(memory),
            niceness=CHECK_NICENESS,
        )
        self._artifact = (artifact, artifact_type) if artifact else None
        self.suffixes = [suffix.strip() for suffix in suffixes.split(",") if suffix.strip()]
        self.max_bytes = max_bytes
        with open(self._program, "rb") as file:  # noqa: PTH123 # `file_digest` needs a file
            digest = file_digest(file, "sha256").hexdigest()
        self.dictionary = CommandDictionary(Path(self._program).name, digest)

    @property
    def steps(self) -> Sequence[Step]:
        """One step."""
        return (STEP,)

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a file; see `CommandValidator`."""
        reports = check_with(
            Path(self._program).name,
            lambda _: self._command(path),
            path,
            self._limits,
            step=STEP.name,
            artifact=self._artifact,
        )
        async with aclosing(reports):
            async for report in reports:
                yield report

    def _command(self, path: Path) -> list[str]:
        file = str(path.absolute())
        arguments = [argument.replace(FILE, file) for argument in self._arguments]
        has_file = any(FILE in argument for argument in self._arguments)
        return [self._program, *arguments, *([] if has_file else [file])]


def memory_bytes(text: str) -> int:
    """The bytes of a size such as `512MiB`.

    Raises:
        SourceError: it is none, or out of range.
    """
    match = SIZE.fullmatch(text.strip())
    size = int(match[1]) << UNITS[match[2]] if match else 0
    if size < MIN_MEMORY_BYTES:
        raise SourceError(f"memory={text}: must be a size of at least 16MiB, such as 512MiB")
    return size
