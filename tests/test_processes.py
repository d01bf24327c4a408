"""The server as a process: failures to start, and the exit status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from rover.logs.folder import DataFolder
from tests.serving import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_wrong_setting_ends_the_process_with_one_line() -> None:
    ended = run("-m", "rover", "--port", "0", ROVER_HEARTBAET_S="10")
    assert ended.returncode == 2
    assert ended.stderr.startswith("cosmic-rover: ROVER_HEARTBAET_S=")
    assert len(ended.stderr.splitlines()) == 1


def test_a_wrong_setting_under_uvicorn_is_one_sentence_without_a_traceback() -> None:
    ended = run("-m", "uvicorn", "rover.main:app", "--port", "0", ROVER_TELEMETRY="nonsense:")
    assert ended.returncode != 0
    assert "rover: ROVER_TELEMETRY=nonsense:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_ends_the_process(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run("-m", "rover", "--port", port, ROVER_DATA_DIR=str(tmp_path))
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr  # uvicorn's


def test_a_standby_on_the_same_port_that_is_stopped_never_starts(tmp_path: Path) -> None:
    environ = {"ROVER_TELEMETRY": "none:", "ROVER_CAMERA": "none:", "ROVER_COMMANDS": "none:"}
    (tmp_path / "data").mkdir()
    folder = DataFolder(tmp_path / "data")
    assert folder.acquire()
    log = tmp_path / "log"
    with log.open("wb") as output, socket.create_server(("127.0.0.1", 0)) as first:
        process = subprocess.Popen(
            [sys.executable, "-m", "rover", "--port", str(first.getsockname()[1])],
            env={**os.environ, **environ, "ROVER_DATA_DIR": str(tmp_path / "data")},
            stdout=output,
            stderr=output,
        )
        deadline = time.monotonic() + 30
        while "standby" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
    try:
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        folder.release()
    text = log.read_text()
    assert "standby" in text
    assert "Uvicorn running" not in text
    assert "Application startup complete" not in text
    assert "Traceback" not in text
