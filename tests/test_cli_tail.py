"""`rover tail` as a program: its output, its errors and its exit status."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from subprocess import PIPE
from threading import Event
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, run_process, sleep, to_thread

from rover.cli import main
from rover.cli.connection import BROKEN_PIPE, FAILED
from tests.cutting import cutting, events, scripted
from tests.serving import free_port, killed_at_exit
from tests.test_telemetry_routes import ManualSource, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


async def run(*arguments: str) -> int:
    """Run the command in a thread; returns its exit status."""
    return await to_thread.run_sync(main, arguments)


async def test_samples_are_json_lines_also_across_a_cut(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        serving(serve, ManualSource(9), retry_ms=50) as (url, _),
        cutting(url, 900) as proxy,
    ):
        command = ["tail", "telemetry", "--url", f"{proxy.url}/", "--last", "9", "-n", "9"]
        assert await run(*command, "--fields", "speed") == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["speed"] for line in printed.out.splitlines()] == list(range(9))
    assert "again" in printed.err


async def test_named_events_are_json_lines(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(serve, ManualSource(1)) as (url, _):
        assert await run("tail", "events", "--url", url, "-n", "1") == 0
    [line] = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["state"]) == ("state", "live")


async def test_a_reader_that_ends_ends_the_command_quietly(serve: Serve) -> None:
    source = ManualSource(3)
    closed = Event()

    def read_one_line(url: str) -> tuple[bytes, int, bytes]:
        command = [sys.executable, "-m", "rover", "tail", "telemetry", "--url", url, "--last", "3"]
        with killed_at_exit(command, stdout=PIPE, stderr=PIPE) as process:
            assert process.stdout
            assert process.stderr
            line = process.stdout.readline()
            process.stdout.close()
            closed.set()
            return line, process.wait(10), process.stderr.read()

    async def send() -> None:
        await to_thread.run_sync(closed.wait)
        while True:
            source.send(10, speed=1)
            await sleep(0.02)

    async with serving(serve, source) as (url, _), create_task_group() as tasks:
        tasks.start_soon(send)
        line, status, errors = await to_thread.run_sync(read_one_line, url)
        tasks.cancel_scope.cancel()
    assert json.loads(line)["speed"] == 0
    assert (status, errors) == (BROKEN_PIPE, b"")


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://nowhere.invalid"])
async def test_a_server_that_cannot_be_reached_is_one_line(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("tail", "telemetry", "--url", url.format(port=free_port())) == FAILED
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_text_of_the_server_cannot_control_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = json.dumps({"detail": "\x1b[2Jgone\nforged line"})
    head = "HTTP/1.1 404 No\r\ncontent-type: application/problem+json\r\n"
    answer = f"{head}content-length: {len(problem)}\r\n\r\n{problem}".encode()
    async with scripted(answer) as server:
        assert await run("tail", "telemetry", "--url", server.url) == FAILED
    errors = capsys.readouterr().err
    assert "\x1b" not in errors
    assert len(errors.splitlines()) == 1


async def test_the_token_comes_from_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = events('id: a-1\ndata: {"t": "2026-09-21T14:13:20Z"}\n\n')
    file = tmp_path / "token"
    file.write_text("rvr_file_secret\n")
    monkeypatch.setenv("ROVER_TOKEN", "rvr_variable_secret")
    async with scripted(sample, sample) as server:
        tail = partial(run, "tail", "telemetry", "-n", "1", "--url", server.url)
        assert await tail() == 0
        monkeypatch.delenv("ROVER_TOKEN")
        assert await tail("--token-file", str(file)) == 0
    assert b"Bearer rvr_variable_secret" in server.requests[0]
    assert b"Bearer rvr_file_secret" in server.requests[1]


async def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("tail", "telemetry", "--token-file", "/nowhere/token") == 2
    assert await run("tail", "telemetry", "--hz", "fast") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


async def test_lines_are_utf_8_in_any_locale() -> None:
    text = "driving \N{RIGHTWARDS ARROW} imaging \N{ROCKET}"
    fields = json.dumps({"t": "2026-09-21T14:13:20Z", "activity": text}, ensure_ascii=False)
    async with scripted(events(f"id: a-1\ndata: {fields}\n\n")) as server:
        command = ["-m", "rover", "tail", "telemetry", "-n", "1", "--url", server.url]
        environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        done = await run_process([sys.executable, *command], env=environ)
    assert json.loads(done.stdout)["activity"] == text


async def test_a_token_file_on_the_command_line_is_used_instead_of_a_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROVER_TOKEN", "a-token-of-someone-else")
    assert await run("tail", "telemetry", "--token-file", str(tmp_path / "missing")) == 2
