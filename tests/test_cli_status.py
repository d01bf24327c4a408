"""Exit statuses: 2 after wrong use, 3 after a failure of the connection, one line for each."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from anyio import to_thread

from rover.asgi.servers.uvicorn import max_frame_bytes
from rover.cli import main
from rover.cli.connection import FAILED, WRONG_USE
from rover.mission import MissionControl
from rover.settings import Settings
from tests.cutting import events, scripted
from tests.serving import free_port
from tests.test_cli import loggers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures(loggers.__name__)]

SURROGATE = "\udcff"
"""What Python makes of the byte 0xFF in an argument."""

REMOTE: Sequence[Sequence[str]] = [
    ["tail", "telemetry"],
    ["tail", "events"],
    ["tail", "comms", "flight"],
    ["say", "flight", "Drive is complete"],
    ["image", "-o", "-"],
    ["export"],
    ["upload", "{file}"],
    ["import", "{file}"],
    ["doctor"],
]
"""Each command that uses the server of `--url`."""


async def run(*arguments: str) -> int:
    """Run the command in a thread; returns its exit status."""
    return await to_thread.run_sync(main, arguments)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "drive.csv"
    path.write_text("t,speed\n1790000000,1\n")
    return path


@pytest.fixture(params=REMOTE, ids=" ".join)
def command(request: pytest.FixtureRequest, file: Path) -> list[str]:
    return [word.format(file=file) for word in request.param]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The error on standard error, without the report of `import` about its progress."""
    lines = [line for line in capsys.readouterr().err.splitlines() if "imported" not in line]
    assert len(lines) == 1, lines
    assert "Errno" not in lines[0]
    assert "Traceback" not in lines[0]
    return lines[0]


URLS = [
    "",
    "nonsense",
    "ftp://lab.example",
    "http://",
    "http://[::1",
    "http://lab.example:0",
    "http://lab.example:99999",
    "http://a b/",
    "http://..../",
    "http://xn--zz/",
    f"http://{'a' * 64}.example/",
    f"http://{SURROGATE}/",
    "http://lab.example/?a=1",
    "http://lab.example/#a",
]


@pytest.mark.parametrize("url", URLS)
def test_a_malformed_url_is_wrong_use(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["say", "flight", "hello", "--url", url]) == WRONG_USE
    one_line(capsys)


@pytest.mark.parametrize(
    "options",
    [
        ["--url", "nonsense"],
        ["--token", "two words"],
        ["--token", "\N{LATIN SMALL LETTER U WITH DIAERESIS}"],
        ["--token", SURROGATE],
        ["--token-file", "/nowhere/token"],
        ["--ca", "/nowhere/ca.pem"],
        ["--ca", "{file}", "--url", "https://127.0.0.1:9"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_wrong_use_of_each_command(
    options: list[str], command: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *(word.format(file=file) for word in options)]) == WRONG_USE
    one_line(capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["say", "flight", ""],
        ["say", "flight", " \n"],
        ["say", "flight", SURROGATE],
        ["say", SURROGATE, "hello"],
        ["say", "flight", "hello", "--name", SURROGATE],
        ["tail", "comms", "flight", "--say", ""],
        ["tail", "comms", SURROGATE],
        ["tail", "telemetry", "--since", "yesterday"],
        ["tail", "events", "--since", "nan"],
        ["tail", "telemetry", "--fields", SURROGATE],
        ["tail", "telemetry", "-n", "0"],
        ["tail", "nothing"],
        ["image"],
        ["image", "-o", ""],
        ["image", "-o", "/nowhere/image.png"],
        ["image", "-o", "/dev/null", "--force"],
        ["image", "-o", "-", "--id", SURROGATE],
        ["export", "-o", "/nowhere/drive.csv"],
        ["export", "-o", "/dev/null", "--format", "csv", "--force"],
        ["export", "-o", "drive.xyz"],
        ["export", "--from", "/nowhere"],
        ["export", "comms", "flight", SURROGATE],
        ["export", "--since", "yesterday"],
        ["record", "/nowhere/drive.rover"],
        ["record", "--from", "/nowhere", "drive.rover"],
        ["open", "/nowhere.rover"],
        ["open", "/nowhere.rover", "--port", "99999"],
        ["import", "/nowhere.csv"],
        ["import", "/nowhere.csv", "--into", "{file}.data"],
        ["import", "{file}", "--into", "{file}"],
        ["upload", "/nowhere.txt"],
        ["upload", "/"],
        ["conform", "nonsense"],
        ["conform", "http://127.0.0.1:9", "--seconds", "0"],
        ["doctor", "nonsense"],
        ["doctor", "--minutes", "-1"],
        ["token", "--data-dir", "{file}.data", "add", "Ada", "--scope", "everything"],
        ["token", "--data-dir", "{file}.data", "add", SURROGATE, "--scope", "view"],
        ["token", "--data-dir", "{file}.data", "revoke", "nothing"],
        ["serve", "--port", "nonsense"],
        ["serve", "--telemetry", SURROGATE],
        ["serve", "--config", "/nowhere.toml"],
        ["serve", "--host", "nowhere.invalid", "--data-dir", "{file}.data"],
        ["completion", "tcsh"],
        ["nothing"],
    ],
    ids=" ".join,
)
def test_wrong_use_has_status_2_and_one_line(
    command: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(file=file) for word in command]) == WRONG_USE
    one_line(capsys)


@pytest.mark.parametrize("command", [["tail"], ["token"], ["config"]])
def test_a_group_without_a_command_prints_its_help(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == WRONG_USE
    assert capsys.readouterr().err.startswith("Usage: ")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert "\nCommands:\n" in capsys.readouterr().out


def test_a_port_that_is_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", "--port", port, "--data-dir", str(tmp_path)]) == WRONG_USE
    assert port in one_line(capsys)


async def test_a_refused_connection_is_one_line_of_each_command(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    for host in ("127.0.0.1", "localhost"):
        assert await run(*command, "--url", f"http://{host}:{port}") == FAILED
        assert one_line(capsys).endswith(f"cannot connect to {host}:{port}: connection refused")


PROBLEM = json.dumps({"detail": "the reason"})


def answer(status: str, body: str = PROBLEM, kind: str = "application/problem+json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (answer("401 Unauthorized"), "401: the reason; give the token"),
        (answer("403 Forbidden"), "403: the reason"),
        (answer("426 Upgrade Required"), "426: the reason"),
        (answer("429 Too Many Requests"), "429: the reason"),
        (answer("503 Service Unavailable"), "503: the reason"),
        (answer("502 Bad Gateway", "<html>", "text/html"), "502: Bad Gateway"),
        (answer("404 Not Found", "<html>", "text/html"), "404: Not Found; is the URL right?"),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://lab.example/\r\nContent-Length: 0\r\n\r\n",
            "redirects to https://lab.example/",
        ),
        (b"220 mail.example ESMTP\r\n\r\n", "is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", ""),  # TLS
        (b"", "cut the connection"),
        (answer("200 OK", "<html>", "text/html"), ""),
        (answer("200 OK", "{", "application/json"), ""),
    ],
)
async def test_an_answer_that_is_no_success_is_the_same_line_of_each_command(
    command: list[str], response: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if command[0] in ("import", "say") and response[9:12] in (b"429", b"503"):
        return  # it waits until the server accepts more
    if command[0] == "upload" and response[9:12] in (b"", b"200"):
        return  # the server may have the file: the command asks for its report, for minutes
    async with scripted(*[response] * 3) as server:
        assert await run(*command, "--url", server.url) == FAILED
    assert sentence in one_line(capsys)


async def test_the_token_is_not_sent_to_the_target_of_a_redirect() -> None:
    sample = events('id: a-1\ndata: {"t": "2026-09-21T14:13:20Z"}\n\n')
    async with scripted(sample) as other:
        head = f"HTTP/1.1 307 Moved\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
        async with scripted(head.encode(), head.encode()) as server:
            options = ["--token", "open-sesame-4f1c", "--url", server.url]
            assert await run("tail", "telemetry", *options) == FAILED
            assert await run("say", "flight", "hello", *options) == FAILED
    assert other.requests == []


async def test_a_malformed_argument_that_the_server_refuses_is_wrong_use() -> None:
    async with scripted(answer("400 Bad Request")) as server:
        assert await run("tail", "telemetry", "--hz", "0", "--url", server.url) == WRONG_USE


async def test_samples_and_events_before_since_are_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = "".join(
        f'event: {name}\nid: a-{n}\ndata: {{"{key}": "2026-09-21T14:13:{n}Z", "n": {n}}}\n\n'
        for name, key in (("message", "t"), ("state", "since"), ("event", "t"))
        for n in range(18, 23)
    )
    async with scripted(events(body), events(body)) as server:
        for what, count in (("telemetry", 3), ("events", 6)):
            options = ["--since", "2026-09-21T14:13:20Z", "-n", str(count)]
            assert await run("tail", what, *options, "--url", server.url) == 0
    printed = [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()]
    assert printed == [20, 21, 22] * 3


@pytest.mark.parametrize(
    ("size", "limit"), [(20_000, 16_384), (200_000, 16_384)], ids=["answered", "closed"]
)
async def test_a_message_beyond_the_limit_is_wrong_use(
    serve: Serve, tmp_path: Path, size: int, limit: int, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path, max_message_bytes=limit, camera="none:")
    app = MissionControl(settings=settings).app
    async with serve(app, ws_max_size=max_frame_bytes(limit)) as url:
        assert await run("say", "flight", "a" * size, "--url", url) == WRONG_USE
    one_line(capsys)


def test_input_that_is_not_utf_8_is_wrong_use() -> None:
    command = [sys.executable, "-m", "rover", "say", "flight", "-"]
    done = subprocess.run(command, input=b"\xff", capture_output=True, check=False)
    assert done.returncode == WRONG_USE
    assert len(done.stderr.splitlines()) == 1


async def test_the_title_of_a_skipped_step_is_printed_once(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = {"status": "VALIDATING", "step": "power", "title": "Power budget", "state": "skipped"}
    step["detail"] = "Power budget: the plan does not drive"
    outcome = {"status": "COMPLETE", "detail": "accepted"}
    body = "".join(f"data: {json.dumps({'id': 'u', **one})}\n\n" for one in (step, outcome))
    async with scripted(events(body)) as server:
        assert await run("upload", str(file), "--url", server.url) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"{file}: Power budget: skipped (the plan does not drive)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_leaves_no_unfinished_file(number: signal.Signals, tmp_path: Path) -> None:
    def send_a_part(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-disposition: attachment\r\n"
                b"content-length: 9\r\n\r\nt,late"
            )
            while not list(tmp_path.glob(".drive.csv.*.part")):
                time.sleep(0.001)  # nothing reports it
            os.kill(os.getpid(), number)
            connection.recv(1)  # until the command ends

    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=send_a_part, args=[listener])
        sender.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        status = main(["export", "-o", str(tmp_path / "drive.csv"), "--url", url])
        sender.join()
    assert status == 128 + number
    assert list(tmp_path.iterdir()) == []
