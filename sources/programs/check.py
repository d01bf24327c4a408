"""One check by a program: what it writes, and what its end means."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections import Counter
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from sources.base import Finding, Severity, SourceError, Verdict
from sources.programs.process import Process
from sources.programs.reports import read_line
from sources.rules.reports import MAX_ARTIFACT_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from sources.programs.process import ProcessLimits
    from sources.programs.reports import Report

MAX_ARTIFACT_FILE_BYTES = 256 * 2**20

MAX_REASON_CHARACTERS = 300
"""Maximum length of the last line of standard error in a reason."""

ERROR_WORDS = ("error", "err", "fatal", "fatal error", "critical")

Artifact = tuple[str, str]
"""The name of a file in the working folder, and a media type."""


@asynccontextmanager
async def working_folder() -> AsyncIterator[Path]:
    """A private folder for one run of a program, deleted afterwards."""
    folder = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="rover-check-")))
    try:
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_delete, folder)


def _delete(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:  # a program has made thousands of folders in each other
        subprocess.run(["/bin/rm", "-rf", "--", folder], check=False, stderr=subprocess.DEVNULL)  # noqa: S603 # our own folder


async def check_with(
    name: str,
    arguments: Callable[[Path], Sequence[str]],
    path: Path,
    limits: ProcessLimits,
    *,
    step: str,
    stdin: bytes = b"",
    artifact: Artifact | None = None,
    environment: Mapping[str, str] | None = None,
    is_worker: bool = False,
) -> AsyncGenerator[Report]:
    """Yield what a program reports about a file, and the verdict at the end.

    Without a verdict of its own, a program accepts a file if it ends with status 0 and reported no
    error, and rejects it if it reported errors.

    Args:
        name: of the program, for errors.
        arguments: returns the program and its arguments, given its working folder.
        path: the file.
        limits: what the program may use.
        step: the name of the step that its findings belong to.
        stdin: its standard input.
        artifact: the file that it writes, if no verdict names one.
        environment: further variables.
        is_worker: whether it runs an isolated validator: its last report must be a verdict,
            and standard error has no reports.

    Raises:
        SourceError: it crashed, was killed, or contradicts itself; with its last line of standard
            error.
    """
    async with working_folder() as folder:
        process = Process(name, arguments(folder), limits, folder, environment)
        found: Counter[Severity] = Counter()
        verdict: Verdict | None = None
        last = ""
        async with aclosing(process.lines(stdin)) as lines:
            async for line in lines:
                report, fields = None, dict[str, Any]()
                if not (line.is_error and is_worker):
                    report, fields = read_line(line.text, step, str(path))
                if is_worker and verdict is not None and report is not None:
                    raise SourceError(f"{name} yielded another item after its verdict")
                if isinstance(report, Verdict):
                    if verdict is not None and verdict.accepted != report.accepted:
                        raise SourceError(f"{name} accepted the file, and rejected it")
                    verdict, artifact = report, _named(fields) or artifact
                elif report is not None:
                    if isinstance(report, Finding):
                        found[_severity(report)] += 1
                    yield report
                if line.is_error and line.text.strip():
                    last = line.text.strip()[:MAX_REASON_CHARACTERS]
        if is_worker and verdict is None and process.status == 0:
            raise SourceError(f"{name} ended without a verdict")
        verdict = _conclude(name, process.status, verdict, found, last)
        if verdict.accepted and artifact is not None:
            read = await anyio.to_thread.run_sync(_read_artifact, folder, artifact[0])
            verdict = replace(verdict, artifact=read, artifact_type=artifact[1])
        yield verdict


def _conclude(
    name: str, status: int | None, verdict: Verdict | None, found: Counter[Severity], last: str
) -> Verdict:
    """The verdict, from the program's own one, its findings and its exit status."""
    reason = f": {last}" if last else ""
    if status is None or status < 0:
        raise SourceError(f"{name} was ended by {_signal(status)}{reason}")
    errors, warnings = found[Severity.ERROR], found[Severity.WARNING]
    if verdict is not None:
        if verdict.accepted and status:
            raise SourceError(f"{name} accepted the file, but ended with status {status}{reason}")
        return replace(
            verdict,
            errors=max(verdict.errors, errors) if type(verdict.errors) is int else verdict.errors,
            warnings=max(verdict.warnings, warnings)
            if type(verdict.warnings) is int
            else verdict.warnings,
        )
    if status and not errors:
        raise SourceError(f"{name} ended with status {status}{reason}")
    words = [
        f"{count} {word}{'s' * (count != 1)}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    return Verdict(not errors, errors, warnings, ", ".join(words) or "no findings")


def _signal(status: int | None) -> str:
    try:
        return signal.Signals(-(status or 0)).name
    except ValueError:
        return "a signal"


def _severity(finding: Finding) -> Severity:
    """The severity, also if it is a plain text."""
    word: Any = finding.severity
    if isinstance(word, str) and word.strip().lower() in ERROR_WORDS:
        return Severity.ERROR
    return Severity.WARNING if word == Severity.WARNING else Severity.INFO


def _named(fields: dict[str, Any]) -> Artifact | None:
    """The artifact that a verdict names."""
    file = fields.get("artifact")
    if not isinstance(file, str) or not file:
        return None
    return file, str(fields.get("artifact_type") or "application/octet-stream")


def _open_plain(path: str, flags: int) -> int:
    """Open a file, but not through a link; a FIFO does not block."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _read_artifact(folder: Path, name: str) -> bytes | Path:
    """The file that a program wrote into its working folder, or its path if it is large.

    Raises:
        SourceError: it is not there, too large, or not a regular file in the folder.
    """
    path = folder / name
    if Path(name).name != name:
        raise SourceError(f"artifact={name!r}: must be a file in the working folder of the program")
    try:
        with open(path, "rb", opener=_open_plain) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_ARTIFACT_FILE_BYTES:
                raise SourceError(
                    f"artifact={name!r}: must be a regular file of at most "
                    f"{MAX_ARTIFACT_FILE_BYTES:,} bytes"
                )
            return file.read() if about.st_size <= MAX_ARTIFACT_BYTES else path
    except OSError as exc:
        raise SourceError(f"artifact={name[:80]!r}: cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise SourceError(f"artifact={name[:80]!r}: is not a name of a file: {exc}") from exc
