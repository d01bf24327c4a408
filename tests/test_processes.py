"""The server as a process of its own: how it starts, what it says, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.serving import END_S, ROOT, free_port, wait_until_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UVICORN = ["-m", "uvicorn", "rover.main:app"]
ROVER = ["-m", "rover"]


class Server:
    """A running server and what it wrote."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.port = port

    def wait_until_up(self) -> None:
        if not wait_until_up(f"{self.url}/healthz", lambda: self.process.poll() is None):
            raise AssertionError(f"did not start: {self.process.communicate()[0]}")

    def open_stream(self) -> socket.socket:
        reader = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        reader.sendall(b"GET /stream/rover-telemetry HTTP/1.1\r\nHost: rover\r\n\r\n")
        assert reader.recv(64).startswith(b"HTTP/1.1 200")
        return reader


def rest_of(reader: socket.socket) -> bytes:
    """What is left to read, to the end of the connection."""
    with reader, reader.makefile("rb") as rest:
        return rest.read()


@contextmanager
def server(arguments: list[str], data_dir: Path, **environ: str) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *arguments, "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "ROVER_DATA_DIR": str(data_dir), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        running = Server(process, port)
        running.wait_until_up()
        yield running
    finally:
        process.kill()
        process.communicate()


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


@pytest.mark.parametrize("command", [UVICORN, ROVER], ids=["uvicorn", "python -m rover"])
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_says_farewell_to_open_streams_and_ends(
    command: list[str], sig: signal.Signals, tmp_path: Path
) -> None:
    with server(command, tmp_path) as running:
        readers = [running.open_stream() for _ in range(20)]
        began = time.monotonic()
        running.process.send_signal(sig)
        output, _ = running.process.communicate(timeout=10)
        took = time.monotonic() - began
        farewells = [rest_of(reader) for reader in readers]
    assert took < END_S
    assert all(b"event: bye" in farewell for farewell in farewells)
    assert all(farewell.endswith(b"0\r\n\r\n") for farewell in farewells)  # whole, not cut
    assert "Traceback" not in output
    if command is ROVER:
        assert output.count("draining: 20 telemetry readers, 0 members") == 1
    # uvicorn's own command raises the signal again when it is done, as a shell expects of it
    assert running.process.returncode in ((0,) if command is ROVER else (0, -sig, 128 + sig))


def test_readers_and_members_that_take_nothing_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with server(ROVER, tmp_path, ROVER_TELEMETRY="sim:?rate_hz=500") as running:
        stalled = [stuck(running.port, STREAM), stuck(running.port, ROOM)]
        talker = stuck(running.port, ROOM)
        for _ in range(1500):  # 6 MB: more than any buffer on the stalled member's way
            talker.sendall(b"\x81\xfe\x0f\xa0\0\0\0\0" + b"x" * 4000)
            talker.recv(1 << 20)
        time.sleep(1)  # for the stream to pile up too
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        output, _ = running.process.communicate(timeout=10)
        took = time.monotonic() - began
        for reader in [*stalled, talker]:
            reader.close()
    assert took < END_S
    assert running.process.returncode == 0
    assert "Traceback" not in output


STREAM = b"GET /stream/rover-telemetry HTTP/1.1\r\nHost: rover\r\n\r\n"
ROOM = (
    b"GET /ws/comms/eva HTTP/1.1\r\nHost: rover\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def stuck(port: int, request: bytes) -> socket.socket:
    """A client with hardly any room for what it is sent."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    client.recv(16)
    return client


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ROVER_TELEMETRY", "reply:drive.csv", "did you mean"),
        ("ROVER_TELEMETRY", "replay:/nowhere.csv", "/nowhere.csv"),
        ("ROVER_TELEMETRY", "nowhere.at_all:make", "nowhere"),
        ("ROVER_CAMERA", "dir:/nowhere", "/nowhere"),
        ("ROVER_COMMANDS", "sim:?speed=3", "speed"),
        ("ROVER_MAX_UPLOADS", "many", "a whole number"),
        ("ROVER_HEARTBEAT_S", "-1", "at least"),
        ("ROVER_HEARTBAET_S", "10", "did you mean ROVER_HEARTBEAT_S"),
    ],
)
def test_a_setting_that_makes_no_sense_ends_the_start_and_says_which(
    name: str, value: str, says: str
) -> None:
    ended = run("-m", "rover", "--port", "0", **{name: value})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"cosmic-rover: {name}=")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_command_line_outranks_the_environment() -> None:
    ended = run("-m", "rover", "--telemetry", "nonsense:", ROVER_TELEMETRY="sim:")
    assert "ROVER_TELEMETRY=nonsense:" in ended.stderr


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = run("-m", "rover", "--port", port, ROVER_DATA_DIR=str(tmp_path))
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    ended = run("-m", "rover", "--port", "0", ROVER_DATA_DIR=str(tmp_path / "file"))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"cosmic-rover: ROVER_DATA_DIR={tmp_path / 'file'}: ")
    assert len(ended.stderr.splitlines()) == 1


def test_under_uvicorn_too_a_wrong_setting_is_one_sentence() -> None:
    ended = run("-m", "uvicorn", "rover.main:app", "--port", "0", ROVER_TELEMETRY="nonsense:")
    assert ended.returncode != 0
    assert "rover: ROVER_TELEMETRY=nonsense:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_none_is_said() -> None:
    ended = run("-m", "rover", "--port", "99999")
    assert ended.returncode == 2
    assert "65,535" in ended.stderr
