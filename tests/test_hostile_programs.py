"""Programs that misbehave fail only their own upload, and no lie of theirs lets a file pass."""

from __future__ import annotations

import json
import sys
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after

from rover.commands.upload_state import Status
from sources.programs import ProgramValidator
from tests.command_files import FILE, chunks, files_of, running

if TYPE_CHECKING:
    from pathlib import Path

    from rover.commands.upload import Upload

pytestmark = pytest.mark.anyio

BEGIN = f"""#!{sys.executable} -S
import json, os, signal, subprocess, sys, time

path = sys.argv[1]

def say(kind, **fields):
    print(json.dumps({{"type": kind, **fields}}), flush=True)

def accept(**fields):
    say("verdict", accepted=True, **fields)

def find(severity, line=1):
    say("finding", severity=severity, message="m", line=line)

"""

FAILS = {
    "an error after its verdict": "accept(); find('error')",
    "counts errors and accepts": "accept(errors=3)",
    "counts more than clients can read": f"accept(warnings={10**300})",
    "progress beyond what clients can read": f"say('progress', line={10**300}); accept()",
    "infinite progress": 'print(\'{"type": "progress", "fraction": 1e400}\'); accept()',
    "no number of progress": 'print(\'{"type": "progress", "fraction": NaN}\'); accept()',
    "a truncated error": 'print(\'{"type": "finding", "severity": "error"\')',
    "an error too long to read": "say('finding', severity='error', message='x' * 10**5)",
    "an error with a number too long to read": (
        'print(\'{"type": "finding", "line": \' + "9" * 5000 + "}"); accept()'
    ),
    "a type that is a list": "say(['verdict']); accept()",
    "a summary nested too deep": (
        'print(\'{"type": "verdict", "accepted": true, "summary": \' + \'{"a": \' * 2000)'
    ),
    "half of a character": "say('finding', message='\\ud800'); accept()",
    "an artifact with a null byte": "accept(artifact='a\\0b')",
    "an artifact with half of a character": "accept(artifact='a\\ud800')",
    "an artifact that is a loop": "os.symlink('a', 'a'); accept(artifact='a')",
    "an artifact that is a folder": "os.mkdir('a'); accept(artifact='a')",
    "an artifact that is the parent folder": "accept(artifact='..')",
    "an artifact with a name too long": "accept(artifact='a' * 5000)",
    "an artifact too large": "open('a', 'wb').truncate(2**28 + 1); accept(artifact='a')",
    "writes to the file": "os.chmod(path, 0o600); open(path, 'a').write('x'); accept()",
    "replaces the file by a link": "os.unlink(path); os.symlink('/etc/passwd', path); accept()",
    "replaces the file by a folder": "os.unlink(path); os.mkdir(path); accept()",
    "replaces the file by a FIFO": "os.unlink(path); os.mkfifo(path); accept()",
    "deletes the file": "os.unlink(path); accept()",
    "kills its group": "accept(); os.kill(0, signal.SIGKILL)",
    "closes its output and fails": "accept(); os.closerange(0, 9); time.sleep(0.1); os._exit(3)",
}

PASSES = {
    "no verdict": "",
    "two equal verdicts": "accept(); accept()",
    "a warning after its verdict": "accept(); find('warning')",
    "lines that do not exist": "[find('info', line) for line in (0, -1, 10**12)]; accept()",
    "no line end": 'sys.stdout.write(\'{"type": "verdict", "accepted": true}\')',
    "bytes that are not text": "os.write(1, b'\\xff\\xfe{\\0\\n'); accept()",
    "a long line": "os.write(1, bytes(10**7)); accept()",
    "much on standard error": "os.write(2, b'x\\n' * 10**5); accept()",
    "closes its output": "accept(); os.closerange(0, 9); time.sleep(0.1); os._exit(0)",
    "deletes itself": "os.unlink(sys.argv[0]); accept()",
    "leaves its folder": "here = os.getcwd(); os.chdir('/'); os.rmdir(here); accept()",
    "a folder nobody may enter": "os.mkdir('a'); os.chmod('a', 0); accept()",
    "folders in each other": "for _ in range(1100): os.mkdir('d'); os.chdir('d')",
    "reads its input": "sys.stdin.read(); accept()",
    "leaves a child": "accept(); subprocess.Popen(['sleep', '9'])",
    "leaves a daemon": "accept(); subprocess.Popen(['sleep', '9'], start_new_session=True)",
}

TIME_OUT = {
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "ignores signals": (
        "for one in signal.valid_signals() - {9, 19}: signal.signal(one, signal.SIG_IGN)\n"
        "time.sleep(60)"
    ),
    "closes its output and hangs": "os.closerange(0, 9); time.sleep(60)",
    "hangs after its verdict": "accept(); time.sleep(60)",
    "endless findings": "while True: find('info')",
    "endless progress": "while True: say('progress', fraction=0.5)",
    "an endless line": "while True: os.write(1, bytes(10**5))",
}


async def checked(tmp_path: Path, program: str, timeout_s: float = 30.0) -> tuple[Upload, bool]:
    """The upload that a program has checked, and whether its file was kept."""
    path = tmp_path / "check"
    path.write_text(BEGIN + program)
    path.chmod(0o700)
    validator = ProgramValidator(str(path), timeout_s=timeout_s)
    async with running(tmp_path, validator=validator) as commands:
        upload = commands.intake.begin("sol-42.seq", None)
        await commands.receive(upload, chunks(FILE))
        with fail_after(40):
            await upload.finished.wait()
        assert commands.open_uploads == 0
        assert list(commands.inbox.incoming.iterdir()) == []
        return upload, bool(files_of(commands))


@pytest.mark.parametrize("program", FAILS.values(), ids=FAILS)
async def test_a_program_that_breaks_its_contract_fails_only_its_upload(
    tmp_path: Path, program: str
) -> None:
    upload, is_kept = await checked(tmp_path, program)
    assert (upload.status, is_kept) == (Status.FAILED, False)
    json.dumps(upload.report).encode()


@pytest.mark.parametrize("program", PASSES.values(), ids=PASSES)
async def test_an_unusual_program_decides_all_the_same(tmp_path: Path, program: str) -> None:
    upload, is_kept = await checked(tmp_path, program)
    assert (upload.status, is_kept) == (Status.COMPLETE, True)


@pytest.mark.parametrize("program", TIME_OUT.values(), ids=TIME_OUT)
async def test_a_program_is_killed_at_its_timeout_whatever_it_does(
    tmp_path: Path, program: str
) -> None:
    began = monotonic()
    upload, is_kept = await checked(tmp_path, program, timeout_s=1.0)
    assert (upload.status, is_kept) == (Status.FAILED, False)
    assert monotonic() - began < 20  # a busy machine starts a process in seconds
