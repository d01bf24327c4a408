"""Log lines: their formats, secrets and text of clients in them, and how many a client causes."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rover.log_lines import (
    FORMATS,
    JsonFormatter,
    LimitRepeats,
    TextFormatter,
    logging_config,
    protect_server_logs,
)
from rover.log_lines.limit import MAX_CONNECTION_LINES, MAX_KINDS
from rover.log_lines.servers import LOGGERS
from rover.request import REQUEST_ID, CurrentRequest, current_request
from rover.settings import Settings
from tests.serving import ALONE, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = '%s - "%s %s HTTP/%s" %d'
SECRET = "open-sesame-4f1c"  # noqa: S105 # of this test only
HOSTILE = "a\nERROR:    forged\r\x1b[2J\x9b\u2028\u202e\ud800 °C"
DOCS = Path(__file__).parents[1] / "docs"


def record(msg: str, *args: object, name: str = "rover.x", **fields: Any) -> logging.LogRecord:
    exc_info = fields.pop("exc_info", None)
    level = fields.pop("level", logging.WARNING)
    made = logging.LogRecord(name, level, "", 1, msg, args, exc_info)
    made.__dict__.update(fields)
    return made


def raised(text: str) -> Any:
    try:
        raise ValueError(text)
    except ValueError:
        return sys.exc_info()


def access(connection: str, path: str = "/") -> logging.LogRecord:
    return record(REQUEST, connection, "GET", path, "1.1", 200, name="uvicorn.access", level=20)


def test_json_lines_have_the_time_the_level_and_what_is_known() -> None:
    shown = record("%s: down", "mast", source="mast", upload="x3", exc_info=raised("no link"))
    shown.created = 1.79e9 + 0.123
    before = current_request.set(CurrentRequest({REQUEST_ID: "4f1c"}))
    line = JsonFormatter().format(shown)
    current_request.reset(before)
    fields = json.loads(line)
    exception = fields.pop("exception")
    assert fields == {
        "time": "2026-09-21T14:13:20.123Z",
        "level": "warning",
        "logger": "rover.x",
        "message": "mast: down",
        "request_id": "4f1c",
        "source": "mast",
        "upload": "x3",
    }
    assert exception.splitlines()[-1] == "ValueError: no link"
    request = json.loads(JsonFormatter().format(access("192.0.2.7:4000", "/images")))
    assert (request["client"], request["port"]) == ("192.0.2.7", 4000)
    assert (request["method"], request["http_version"]) == ("GET", "1.1")
    assert (request["path"], request["status"]) == ("/images", 200)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_json_lines_have_one_form_of_a_client(host: str) -> None:
    websocket = record('%s - "WebSocket %s" 403', f"{host}:4000", "/ws", name="uvicorn.error")
    for one in (access(f"{host}:4000"), websocket, record("malformed", client=host)):
        assert json.loads(JsonFormatter().format(one))["client"] == host


@pytest.mark.parametrize("formatter", [TextFormatter(colors=False), JsonFormatter()])
def test_text_of_a_client_begins_no_line_and_controls_no_terminal(
    formatter: logging.Formatter,
) -> None:
    line = formatter.format(record("upload of %s", HOSTILE, client=HOSTILE))
    assert not any(c in line for c in "\n\r\x1b\x9b\u2028\u202e\ud800")
    line = formatter.format(record("failed", exc_info=raised(HOSTILE)))
    first, *others = line.split("\n")
    assert first.isprintable()
    assert all(other.startswith("    ") and other.isprintable() for other in others)


@pytest.mark.parametrize("formatter", [TextFormatter(colors=False), JsonFormatter()])
@pytest.mark.parametrize("name", ["token", "ticket", "code", "Token", "%74oken"])
def test_no_line_has_a_secret(formatter: logging.Formatter, name: str) -> None:
    path = f"/x?a=b&{name}={SECRET}"
    assert SECRET not in formatter.format(access("192.0.2.7:4000", path))
    assert SECRET not in formatter.format(record(path, exc_info=raised(f'"{path}"')))


def test_levels_are_colored_in_a_terminal_only() -> None:
    assert TextFormatter(colors=True).format(record("x")).startswith("\x1b[33mWARNING:\x1b[0m")
    assert TextFormatter(colors=False).format(record("x")) == "WARNING:  x"


class Clock:
    """Seconds, and the records that passed."""

    def __init__(self) -> None:
        self.now = 1.79e9
        self.limit = LimitRepeats(20, clock=lambda: self.now)

    def passed(self, *records: logging.LogRecord) -> int:
        return sum(map(self.limit.filter, records))


def test_a_kind_has_a_few_lines_in_a_period_and_then_a_summary(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    for number in range(10_000):
        client = f"192.0.2.{number % 3}"
        expected = number < 20
        assert clock.passed(record("malformed %d", number, client=client)) == expected
    assert clock.passed(record("another kind")) == 1
    assert clock.passed(record("malformed %d", 1, exc_info=raised("x"))) == 1
    assert clock.passed(record("malformed %d", 1, source="mast")) == 1
    clock.now += 61
    assert clock.passed(record("malformed %d", 1)) == 1
    [summary] = caplog.records
    assert summary.args == (9_980, 60.0, " from 3 addresses", "malformed 9999")
    assert clock.passed(summary) == 1
    assert summary.levelno == logging.WARNING


def test_the_summary_of_requests_is_not_an_access_record(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    clock.passed(*(access(f"192.0.2.7:{port}") for port in range(4000, 4100)))
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        clock.limit.summarize()
    assert {one.name for one in caplog.records} == {"uvicorn.error"}  # one per address, and in all
    assert any(one.getMessage().startswith("80 ") for one in caplog.records)


async def summarized(caplog: pytest.LogCaptureFixture) -> None:
    while not caplog.records:  # `logging` has no event to wait for
        await asyncio.sleep(0.001)


@pytest.mark.anyio
async def test_the_summary_comes_without_a_further_record(caplog: pytest.LogCaptureFixture) -> None:
    limit = LimitRepeats(1, period_s=0.01)
    for _ in range(3):
        limit.filter(record("malformed"))
    await asyncio.wait_for(summarized(caplog), 10)
    [summary] = caplog.records
    assert isinstance(summary.args, tuple)
    assert summary.args[0] == 2


def test_a_connection_has_one_line_however_many_requests_it_sends() -> None:
    clock = Clock()
    requests = [access("192.0.2.7:4000") for _ in range(5)]
    websocket = record('%s - "WebSocket %s" [accepted]', "192.0.2.7:4001", "/ws", level=20)
    assert clock.passed(*requests, websocket, record("connection open", level=20)) == 2
    clock.now += 80  # the port may be that of a new connection
    assert clock.passed(access("192.0.2.7:4000")) == 1
    unknown = [access("") for _ in range(5)]  # uvicorn knows no address of a reset connection
    assert clock.passed(*unknown) == 5


def test_lines_about_requests_are_limited_per_address_and_in_all() -> None:
    clock = Clock()
    one = [access(f"192.0.2.7:{port}") for port in range(1000, 2000)]
    assert clock.passed(*one) == 20
    many = [access(f"10.0.{n // 250}.{n % 250}:{n + 1}") for n in range(2000)]
    assert clock.passed(*many) == MAX_CONNECTION_LINES - 20


def test_messages_without_end_do_not_make_kinds_without_end() -> None:
    clock = Clock()
    assert clock.passed(*(record(f"message {n}") for n in range(5_000))) == MAX_KINDS + 20


def test_a_mistake_of_a_client_has_no_traceback() -> None:
    mistake = record("Invalid UTF-8 sequence received from client.", exc_info=raised("x"))
    assert Clock().passed(mistake) == 1
    assert "\n" not in TextFormatter(colors=False).format(mistake)


@pytest.fixture
def server_filters() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [list(logger.filters) for logger in loggers]
    yield
    for logger, filters in zip(loggers, before, strict=True):
        logger.filters = filters


@pytest.mark.usefixtures("server_filters")
def test_logs_of_other_servers_are_protected_by_filters_alone() -> None:
    logger = logging.getLogger("uvicorn.access")
    before = (logger.level, list(logger.handlers), logger.propagate)
    protect_server_logs()
    protect_server_logs()
    assert (logger.level, list(logger.handlers), logger.propagate) == before
    shown = access("192.0.2.7:4000", f"/?ticket={SECRET}")
    assert logger.filter(shown)
    assert SECRET not in shown.getMessage()
    error = logging.getLogger("uvicorn.error")
    passed = [error.filter(record("malformed", name="uvicorn.error")) for _ in range(100)]
    assert sum(map(bool, passed)) == 20


def test_the_configuration_for_uvicorn_in_the_docs_is_that_of_the_command() -> None:
    assert json.loads((DOCS / "log-json.json").read_bytes()) == logging_config("json")
    assert set(FORMATS) == {"text", "json"}
    with pytest.raises(Exception, match="ROVER_LOG_FORMAT"):
        Settings(log_format="xml")


HANDSHAKE = (
    b"GET /ws/comms/x HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ATTACKS = [
    b"GARBAGE\x00\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),  # a TLS ClientHello
    HANDSHAKE.replace(b"13", b"12") % b"localhost",
    HANDSHAKE % b"evil.example",
    HANDSHAKE % b"localhost" + b"\x81\x82\0\0\0\0\xff\xfe",  # invalid UTF-8
    HANDSHAKE % b"localhost" + b"\xf3\x80\0\0\0\0",  # an invalid frame
    b"GET /%%0a%%1b?token=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % SECRET.encode(),
    b"GET /images HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"POST /upload/rover-commands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n012345678",
]


def attack(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        try:
            connection.sendall(data)
            connection.recv(100)
        except ConnectionError:
            pass


def test_an_attacker_cannot_flood_the_log_of_the_command(tmp_path: Path) -> None:
    environ = {"ROVER_LOG_FORMAT": "json", "ROVER_TELEMETRY": "none:", "ROVER_CAMERA": "none:"}
    with serving(ALONE, "python -m rover", tmp_path, environ) as running:
        started = len(running.log.splitlines())
        for data in ATTACKS * 40:
            attack(running.port, data)
        running.end()
        lines = running.log.splitlines()
    assert len(lines) - started < 150  # 360 connections of 9 kinds
    assert SECRET not in running.log
    assert "Traceback" not in running.log
    assert all(line.isprintable() for line in lines)
    assert all(json.loads(line)["level"] for line in lines)
