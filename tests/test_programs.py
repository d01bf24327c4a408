"""Programs and isolated validators: whatever they do, the check ends and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from textwrap import dedent
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, move_on_after, open_process, sleep

from sources.base import Finding, Progress, Severity, SourceError, Verdict
from sources.programs import IsolatedValidator, ProgramValidator
from sources.programs.process import CHECK_NICENESS, END_TIMEOUT_S, Process, ProcessLimits
from sources.programs.reports import MAX_LINE_BYTES, json_line, read_line
from sources.programs.validator import memory_bytes
from sources.registry import SourceSettingError, open_source
from tests.command_files import FILE, STORED, files_of, running, uploaded
from tests.waiting import until

if TYPE_CHECKING:
    from sources.base import CommandValidator

pytestmark = pytest.mark.anyio


def script(tmp_path: Path, text: str) -> str:
    """The path of a shell script that is run with the file as `$1`."""
    path = tmp_path / "check.sh"
    path.write_text(f"#!/bin/sh\n{dedent(text)}")
    path.chmod(0o755)
    return str(path)


async def reports(validator: CommandValidator, path: Path) -> list[Any]:
    with fail_after(20):
        return [report async for report in validator.validate(path)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sol 42.seq"
    path.write_bytes(FILE)
    return path


async def test_a_program_reports_in_json_lines(tmp_path: Path, file: Path) -> None:
    lines = [
        {
            "type": "progress",
            "step": "check",
            "fraction": 0.5,
            "detail": "x",
            "line": 1,
            "lines": 2,
        },
        {"type": "finding", "severity": "warning", "code": "low", "message": "9 Wh", "line": 2},
        {
            "type": "verdict",
            "accepted": True,
            "detail": "good",
            "artifact": "out.bin",
            "artifact_type": "application/x-seq",
            "summary": {"commands": 2},
        },
    ]
    text = "\n".join(f"echo '{json.dumps(line)}'" for line in lines)
    program = script(tmp_path, f'cat "$1" | tr a-z A-Z > out.bin\necho not a report\n{text}\n')
    found = await reports(ProgramValidator(program), file)
    assert found == [
        Progress("check", 0.5, "x", False, 1, 2),
        Finding("warning", "low", "9 Wh", 2, step="check"),  # type: ignore[arg-type] # checked later
        Verdict(
            True,
            0,
            1,
            "good",
            {"commands": 2},
            artifact=FILE.upper(),
            artifact_type="application/x-seq",
        ),
    ]


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        (
            "sol 42.seq:3:7: error: no such command [syntax.command]",
            Finding(Severity.ERROR, "syntax.command", "no such command", 3, 7, step="s"),
        ),
        ("/a/sol 42.seq:3: warning: low", Finding(Severity.WARNING, "message", "low", 3, step="s")),
        (
            "sol 42.seq:3:7: note: see above",
            Finding(Severity.INFO, "message", "see above", 3, 7, step="s"),
        ),
        ("sol 42.seq:9: fatal error: eof", Finding(Severity.ERROR, "message", "eof", 9, step="s")),
        (
            "sol 42.seq:9:1: E501 too long",
            Finding(Severity.ERROR, "message", "E501 too long", 9, 1, step="s"),
        ),
        (
            "dict.json:1:2: error: bad",
            Finding(Severity.ERROR, "message", "bad", hint="in dict.json:1", step="s"),
        ),
        ("checking sol 42.seq", None),
        ("12:30:00 started", None),
        ("sol 42.seq:3:", None),
        (
            "sol 42.seq:3: error: unknown[x] [a b] [c]  ",
            Finding(Severity.ERROR, "c", "unknown[x] [a b]", 3, step="s"),
        ),
        (
            "sol 42.seq:3: error: [c]",
            Finding(Severity.ERROR, "message", "[c]", 3, step="s"),
        ),
        ("{not json", None),
    ],
)
def test_messages_of_compilers_are_findings(line: str, finding: Finding | None) -> None:
    assert read_line(line, "s", "/x/sol 42.seq")[0] == finding


@pytest.mark.parametrize("begin", ["a:1:", "a:1: x", "a:1: error: x ", "a:1: x [y"])
@pytest.mark.parametrize("fill", [" ", "[ ", "] ", "[a] ", ":", "error:", "1:"])
def test_a_line_is_read_in_milliseconds_whatever_it_says(begin: str, fill: str) -> None:
    began = process_time()
    read_line(f"{begin}{fill * (60_000 // len(fill))}y", "s", "/x/a")
    assert process_time() - began < 0.5


def test_a_long_finding_fits_into_a_line_that_is_read_whole() -> None:
    long = "x" * 10**6
    line = json_line(Finding(Severity.ERROR, "c", long, 1, hint=long))
    assert len(line) < MAX_LINE_BYTES
    finding, _ = read_line(line, "s", "/x/a")
    assert isinstance(finding, Finding)
    assert (finding.severity, finding.line) == ("error", 1)


async def test_a_linter_decides_by_its_errors_and_its_status(tmp_path: Path, file: Path) -> None:
    program = script(tmp_path, 'echo "$1:2:1: error: bad [x]" >&2; echo "$1:1: warning: w"; exit 1')
    *findings, verdict = await reports(ProgramValidator(program), file)
    assert {finding.severity for finding in findings} == {Severity.ERROR, Severity.WARNING}
    assert (verdict.accepted, verdict.errors, verdict.warnings) == (False, 1, 1)
    [verdict] = await reports(ProgramValidator(script(tmp_path, "exit 0")), file)
    assert (verdict.accepted, verdict.errors) == (True, 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo first >&2; echo the last line >&2; exit 3", "status 3: the last line"),
        ("kill -SEGV $$", "SIGSEGV"),
        ("sleep 60", "0.5 s"),
        ("while :; do :; done", "0.5 s"),
        ("sleep 60 & echo left it", ""),
        ('echo \'{"type": "verdict"}\'', "accepted"),
        ('echo \'{"type": "verdict", "accepted": true}\'; exit 1', "status 1"),
        (
            """for is in false true; do echo '{"type": "verdict", "accepted": '$is'}'; done""",
            "rejected it",
        ),
        ('echo \'{"type": "shout"}\'', "shout"),
        ('echo \'{"type": "verdict", "accepted": true, "artifact": "/etc/passwd"}\'', "artifact"),
        ('echo \'{"type": "verdict", "accepted": true, "artifact": "none"}\'', "artifact"),
        (
            'ln -s /etc/passwd a; echo \'{"type": "verdict", "accepted": true, "artifact": "a"}\'',
            "artifact",
        ),
        ('mkfifo a; echo \'{"type": "verdict", "accepted": true, "artifact": "a"}\'', "artifact"),
    ],
)
async def test_a_program_that_fails_says_why(
    tmp_path: Path, file: Path, text: str, reason: str
) -> None:
    validator = ProgramValidator(script(tmp_path, text), timeout_s=0.5 if "0.5" in reason else 10)
    if not reason:
        assert (await reports(validator, file))[-1].accepted
        return
    with pytest.raises(SourceError, match=reason):
        await reports(validator, file)


async def test_a_program_has_a_limit_of_memory(tmp_path: Path, file: Path) -> None:
    program = tmp_path / "big.py"
    program.write_text(f"#!{sys.executable}\nb = bytearray(1 << 30)\nprint('done')\n")
    program.chmod(0o755)
    with pytest.raises(SourceError, match="MemoryError"):
        await reports(ProgramValidator(str(program), memory="256MiB"), file)


@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": used}) for used in (False, True)]
)
async def test_a_program_has_no_secrets_and_no_sockets(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROVER_TOKENS", "a-secret-of-the-lab")
    sockets = "ls -l /proc/self/fd | grep -cE ' ([3-9]|[0-9]{2,}) -> socket'"  # uvloop: 0 to 2
    text = f'echo "tokens=$ROVER_TOKENS" >&2; {sockets} >&2; pwd >&2; exit 3'
    program = script(tmp_path, text)
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    try:
        process = Process("x", [program], ProcessLimits(10, 2**30), tmp_path)
        found = [line.text async for line in process.lines()]
    finally:
        os.close(reader)
        os.close(writer)
    assert found == ["tokens=", "0", str(tmp_path)]
    assert process.status == 3


def processes_of(mark: str) -> list[int]:
    """The processes whose command line has this text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark in (folder / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


def open_files() -> int:
    """Number of open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def children_of_this_process() -> str:
    """The ids of its child processes."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


async def test_a_cancelled_check_kills_the_whole_group(tmp_path: Path, file: Path) -> None:
    mark = f"6{os.getpid()}"  # as long as nothing else sleeps for that time
    validator = ProgramValidator(script(tmp_path, f"sleep {mark} & sleep {mark} & echo x; wait"))
    with fail_after(10):
        async with create_task_group() as tasks:
            tasks.start_soon(reports, validator, file)
            while len(processes_of(f"sleep\0{mark}")) < 2:
                await sleep(0.02)
            tasks.cancel_scope.cancel()
        while processes_of(f"sleep\0{mark}"):
            await sleep(0.02)


async def test_a_check_has_a_lower_priority_than_the_server(tmp_path: Path, file: Path) -> None:
    validator = ProgramValidator(script(tmp_path, f"nice > {tmp_path}/nice"))
    await reports(validator, file)
    niceness = int((tmp_path / "nice").read_text())
    assert niceness == min(os.nice(0) + CHECK_NICENESS, 19)


@pytest.mark.parametrize("rest", ["setsid sleep 3 & sleep 60", "yes '{}'"], ids=["pipe", "output"])
async def test_a_cancelled_check_does_not_wait_for_open_pipes(
    tmp_path: Path, file: Path, rest: str
) -> None:
    validator = ProgramValidator(script(tmp_path, f"touch {tmp_path}/begun; {rest}"))
    task = asyncio.create_task(reports(validator, file))
    await until(lambda: (tmp_path / "begun").exists())
    task.cancel()
    async with asyncio.timeout(END_TIMEOUT_S + 2):
        await asyncio.wait([task])


@pytest.mark.parametrize("turns", range(6))
async def test_a_check_that_is_cancelled_while_its_program_starts_leaves_nothing(
    tmp_path: Path, file: Path, turns: int
) -> None:
    mark = f"8{os.getpid()}{turns}"
    validator = ProgramValidator(script(tmp_path, f"setsid sleep 8 & sleep {mark}"))
    files = open_files()
    children = children_of_this_process()
    task = asyncio.create_task(reports(validator, file))
    await until(lambda: children_of_this_process() != children)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(END_TIMEOUT_S + 2):
        await asyncio.wait([task])
    await until(lambda: not processes_of(f"sleep\0{mark}"))
    await until(lambda: open_files() <= files)


async def test_a_killed_server_leaves_no_program_behind(tmp_path: Path, file: Path) -> None:
    mark = f"7{os.getpid()}"
    server = f"""
import anyio
from pathlib import Path
from sources.programs import ProgramValidator

async def main():
    async for _ in ProgramValidator({script(tmp_path, f"sleep {mark} & sleep {mark}")!r}).validate(
        Path({str(file)!r})
    ):
        pass

anyio.run(main)
"""
    async with await open_process([sys.executable, "-c", server]) as process:
        with fail_after(20):
            while len(processes_of(f"sleep\0{mark}")) < 2:
                await sleep(0.02)
            process.kill()
            while processes_of(f"sleep\0{mark}"):
                await sleep(0.02)


async def test_the_file_may_be_anywhere_in_the_arguments(tmp_path: Path, file: Path) -> None:
    program = script(tmp_path, 'echo "$#:$1:$2:$3" >&2; exit 3')
    for url, shown in (
        (f"cmd:{program}?arg=-a&arg=b%20c", f"3:-a:b c:{file}"),
        (f"cmd:{program}?arg=--in={{file}}&arg=-o&arg=out", f"3:--in={file}:-o:out"),
    ):
        with pytest.raises(SourceError, match=shown):
            await reports(open_source("commands", url), file)


@pytest.mark.parametrize(
    "url",
    [
        "cmd:/nowhere/program",
        "cmd:/bin/true?memory=1KiB",
        "cmd:/bin/true?memory=much",
        "cmd:/bin/true?timeout_s=0",
        "sim:?isolate=perhaps",
        "sim:?isolate=1&timeout_s=x",
        "sim:?isolate=1&memory=x",
    ],
)
def test_a_wrong_option_is_refused(url: str) -> None:
    with pytest.raises(SourceSettingError):
        open_source("commands", url)


def test_sizes_of_memory() -> None:
    assert memory_bytes("512MiB") == memory_bytes("512 M") == 2**29
    assert memory_bytes("1G") == memory_bytes(str(2**30)) == 2**30


async def test_an_upload_is_checked_by_a_program(tmp_path: Path) -> None:
    program = script(tmp_path, 'cp "$1" out; grep -q DRIVE "$1"')
    validator = open_source("commands", f"cmd:{program}?artifact=out&artifact_type=text/x-seq")
    async with running(tmp_path, validator=validator) as commands:
        upload = await uploaded(commands)
        assert files_of(commands) == [STORED]
        failed = await uploaded(commands, b"TURN\n")
    assert upload.artifact is not None
    assert (commands.inbox.artifacts / upload.artifact.sha256).read_bytes() == FILE
    assert (upload.artifact.type, failed.report["status"]) == ("text/x-seq", "FAILED")


HOSTILE = """
import os
from sources.base import *

class Hostile:
    steps = [Step("one", "One")]
    suffixes = (".seq",)

    async def validate(self, path):
        text = path.read_text()
        print("noise on standard output")
        if "spin" in text:
            while True:
                pass
        if "twice" in text:
            yield Verdict(True, 0, 0, "fine")
        if "exit" in text:
            os._exit(7)
        if "lie" in text:
            yield Finding(Severity.ERROR, "x", "bad", 1)
        if "silent" in text:
            return
        if "quits" in text:
            yield Finding(Severity.WARNING, "x", "low", 1)
            os._exit(0)
        if "prints" in text:
            print('{"type": "verdict", "accepted": true}', flush=True)
            return
        if "moves" in text:
            os.chdir("/")
        yield Progress("one", 0.5, "fine")
        yield Verdict(True, 0, 0, "fine", artifact=text.encode(), artifact_type="a/b")
"""


HURTS = ("spin", "exit", "lie", "silent", "quits", "prints", "twice")


async def test_an_isolated_validator_cannot_hurt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hostile_validator.py").write_text(HOSTILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    url = "hostile_validator:Hostile?isolate=1&timeout_s=2"
    validator = open_source("commands", url)
    assert isinstance(validator, IsolatedValidator)
    async with validator, running(tmp_path, validator=validator) as commands:
        assert [step.name for step in validator.steps] == ["one"]
        assert commands.intake.accepts.suffixes == (".seq",)
        statuses = {}
        for word in ("good", "moves", *HURTS):
            with move_on_after(15):
                upload = await uploaded(commands, word.encode())
                statuses[word] = upload.report["status"]
        artifacts = {path.read_bytes() for path in commands.inbox.artifacts.iterdir()}
    assert artifacts == {b"good", b"moves"}
    assert statuses == {"good": "COMPLETE", "moves": "COMPLETE", **dict.fromkeys(HURTS, "FAILED")}


async def test_an_isolated_validator_that_cannot_be_made_refuses_to_start() -> None:
    validator: Any = open_source("commands", "no_such_module_here.x:Factory?isolate=1")
    with pytest.raises(SourceError, match="no_such_module_here"):
        await validator.__aenter__()
