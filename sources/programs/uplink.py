"""Any program as an uplink: `cmd:/usr/bin/send-to-rover?arg=--port&arg=3&timeout_s=60`."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sources.base import NotSent, SourceError
from sources.programs.check import MAX_REASON_CHARACTERS, working_folder
from sources.programs.process import Process, ProcessLimits
from sources.programs.validator import FILE, memory_bytes
from sources.rules.describe import describe
from sources.values.answers import read_answer
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sources.base import Answer, Outgoing

NOT_SENT_STATUS = 75
"""Exit status of a program that has certainly sent nothing: `EX_TEMPFAIL` of sysexits.h."""

MAX_ANSWERS = 100
"""Maximum number of answers that wait to be read."""


class ProgramUplink:
    """Sends each sequence with a run of a program.

    The program receives the path of the file as its last argument, or instead of `{file}` in an
    argument; `{id}`, `{attempt}` and `{name}` stand for the other facts. Status 0 says that the
    sequence has left, and 75 (`EX_TEMPFAIL`) that it certainly has not. A program that cannot be
    run has certainly sent nothing either. After any other end nobody knows. It may write the
    answer of the machine to standard output as one line of JSON:
    `{"accepted": true, "detail": "…"}`.

    Args:
        program: its path, or its name to look for in PATH.
        arg: an argument; several are separated by NUL characters (`arg=a&arg=b` in a URL).
        timeout_s: seconds until it is killed, 0.1 to 86,400.
        memory: maximum size of its address space: bytes, or with K, M or G.

    Raises:
        SourceError: the program does not exist, or an option is out of range.
    """

    def __init__(
        self, program: str, *, arg: str = "", timeout_s: float = 60.0, memory: str = "1GiB"
    ) -> None:
        found = shutil.which(program)
        if found is None:
            raise SourceError(f"{program}: not found, or not a program that can be run")
        self._program = str(Path(found).absolute())
        self._arguments = arg.split("\0") if arg else []
        self._limits = ProcessLimits(
            Range(0.1, 86_400, "s").number("timeout_s", timeout_s), memory_bytes(memory)
        )
        self._answers: asyncio.Queue[Answer] = asyncio.Queue(MAX_ANSWERS)

    async def send(self, outgoing: Outgoing) -> None:
        """Run the program; see `Uplink`."""
        name, last, answer = Path(self._program).name, "", None
        process: Process | None = None
        try:
            async with working_folder() as folder:
                process = Process(name, self._command(outgoing), self._limits, folder)
                async with aclosing(process.lines()) as lines:
                    async for line in lines:
                        if line.is_error:
                            last = line.text.strip()[:MAX_REASON_CHARACTERS] or last
                        elif line.text.startswith("{"):
                            with suppress(ValueError):  # it is other output
                                answer = read_answer(line.text, outgoing.id, outgoing.attempt)
        except Exception as exc:
            if process is not None and process.may_have_run:
                raise
            cause = "" if isinstance(exc, SourceError) else f"{name} cannot be started: "
            raise NotSent(f"{cause}{describe(exc)}") from exc
        reason = f": {last}" if last else ""
        if not process.may_have_run:
            raise NotSent(last or f"{name} cannot be started")
        if process.status == NOT_SENT_STATUS:
            raise NotSent(f"{name} has sent nothing (status {NOT_SENT_STATUS}){reason}")
        if process.status != 0:
            raise SourceError(f"{name} ended with status {process.status}{reason}")
        if answer is not None:
            await self._answers.put(answer)

    async def answers(self) -> AsyncIterator[Answer]:
        """Yield the answers that the program has written; see `Uplink`."""
        while True:
            yield await self._answers.get()

    def _command(self, outgoing: Outgoing) -> list[str]:
        facts = {
            FILE: str(outgoing.path),
            "{id}": outgoing.id,
            "{attempt}": str(outgoing.attempt),
            "{name}": outgoing.name,
        }
        arguments = []
        for argument in self._arguments:
            filled = argument
            for mark, fact in facts.items():
                filled = filled.replace(mark, fact)
            arguments.append(filled)
        has_file = any(FILE in argument for argument in self._arguments)
        return [self._program, *arguments, *([] if has_file else [facts[FILE]])]
