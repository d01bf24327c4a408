"""Standard output that is closed, full, or has lost its reader: a status and at most one line."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from rover.cli import main
from rover.cli.connection import BROKEN_PIPE, FAILED
from tests.comms_site import comms
from tests.cutting import events, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

LOCAL: Sequence[Sequence[str]] = [
    ["--help"],
    ["--version"],
    ["settings"],
    ["config", "check"],
    ["completion", "bash"],
    ["token", "list"],
]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path))


@contextmanager
def standard_output(kind: str) -> Iterator[tuple[int, int]]:
    """Replaces standard output; the status and the number of lines that a command ends with."""
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    with os.fdopen(descriptor, "w") as file, redirect_stdout(file):
        yield (FAILED, 1) if kind == "full" else (BROKEN_PIPE, 0)


@pytest.mark.parametrize("kind", ["full", "pipe"])
@pytest.mark.parametrize("command", LOCAL, ids=" ".join)
def test_a_local_command_ends(
    command: Sequence[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with standard_output(kind) as (status, lines):
        assert main(command) == status
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("kind", ["full", "pipe"])
async def test_a_command_with_a_server_ends(
    serve: Serve, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with comms(serve) as at:
        command = ["say", "flight", "hello", "--url", at.url]
        with standard_output(kind) as (status, lines):
            assert await to_thread.run_sync(main, command) == status
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("kind", ["full", "pipe"])
async def test_conform_ends(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with scripted(*[events("id: 1\ndata: x\n\n")] * 9) as server:
        command = ["conform", f"{server.url}/events", "--seconds", "0.1"]
        with standard_output(kind) as (status, lines):
            assert await to_thread.run_sync(main, command) == status
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_closed_standard_streams_are_those_of_the_null_device() -> None:
    closed = f'exec "{sys.executable}" -m rover settings <&- >&-'
    done = subprocess.run(["sh", "-c", closed], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
