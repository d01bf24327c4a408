"""The server as a process: failures to start, and the exit status."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

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
