"""The ASGI inspector asgion finds no violation in any request, from startup to shutdown.

uvicorn serves the app inside the inspector, in a process of its own: `tests/inspected.py`.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
import websockets
from httpx_sse import connect_sse
from PIL import Image
from websockets.sync.client import connect

from tests.asgion_environment import asgion_python
from tests.crowd import Crowd
from tests.serving import ALONE, EXAMPLES, ROOT, STARLETTE, Host, Serving, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.inspected import Connection

pytestmark = pytest.mark.timeout(300)  # the first run installs asgion

SAMPLES = ROOT / "docs" / "samples"
IMAGE_BYTES = 8 * 2**20  # more than the kernel buffers of one connection
UPLOAD_BYTES = 2**20

FALSE_FINDINGS = (
    # The response to HEAD has the length of the response to GET, and no body (RFC 9110, 8.6).
    r"SEM-003 HEAD /\S*: Content-Length: \d+, actual body: 0 bytes",
    # Browsers ignore a Secure cookie over plain HTTP (draft-ietf-httpbis-rfc6265bis, 5.7), so
    # nobody could sign in. Over HTTPS the cookie is Secure.
    r"SEM-004 GET (/rover)?/sign-in: Set-Cookie without Secure flag on http:// scheme",
)
"""Findings of asgion that are not violations. Both are rules about HTTP, not ASGI."""

ANSWERS = [
    ("GET", "/", 200),
    ("HEAD", "/", 200),
    ("OPTIONS", "/", 405),
    ("GET", "/?token=any", 303),
    ("GET", "/healthz", 200),
    ("HEAD", "/readyz", 200),
    ("POST", "/readyz", 405),
    ("GET", "/telemetry/parameters", 200),
    ("GET", "/telemetry/latest", 200),
    ("GET", "/telemetry/history", 200),
    ("GET", "/telemetry/history?since=never", 400),
    ("HEAD", "/stream/rover-telemetry", 200),
    ("GET", "/stream/rover-telemetry?hz=-1", 400),
    ("POST", "/stream/rover-telemetry", 405),
    ("POST", "/ingest/telemetry", 409),
    ("GET", "/images", 200),
    ("GET", "/images/none.png", 404),
    ("HEAD", "/stream/rover-image", 200),
    ("DELETE", "/stream/rover-image", 405),
    ("GET", "/comms", 200),
    ("POST", "/upload/rover-commands", 400),
    ("GET", "/uploads/none/events", 404),
    ("GET", "/nothing", 404),
    ("HEAD", "/nothing", 404),
]

BEFORE_THE_LIFESPAN = {"/healthz": 200, "/readyz": 503, "/nothing": 404}
"""The other paths are answered with 503; wrong methods with 405 as always."""

BROKEN = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})
        await send({"type": "http.response.body", "body": b"and more"})
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return asgion_python()


class Inspected(Serving):
    """A running server with an inspector."""

    report: Path

    def results(self) -> tuple[dict[str, int], dict[str, int]]:
        """The number of scopes by type, and of findings by text; after the server's exit."""
        report: dict[str, Any] = json.loads(self.report.read_text(encoding="utf-8"))
        return report["seen"], report["found"]


def environ(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{EXAMPLES}{os.pathsep}{folder}",
        "ROVER_DATA_DIR": f"{folder}/data",
        "ROVER_CAMERA": f"dir:{folder}",
        "ROVER_COMMANDS": "sim:?pace_s=0",
        "ROVER_MAX_UPLOAD_BYTES": str(UPLOAD_BYTES),
        "ROVER_TELEMETRY": "sim:?rate_hz=20",
    }


@contextmanager
def inspecting(
    python: Path,
    host: Host,
    folder: Path,
    *,
    lifespan: str = "on",
    connection: Connection = "shown",
    up: str = "/healthz",
) -> Iterator[Inspected]:
    """Serve the host's app inside the inspector; the process is killed after the block."""
    image = folder / "large.png"
    Image.effect_noise((64, 64), 64).save(image)
    with image.open("ab") as file:
        file.write(os.urandom(IMAGE_BYTES))
    os.utime(image, (1.6e9, 1.6e9))  # a new file could still be arriving
    port = free_port()
    report, log = folder / "report.json", folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "tests.inspected", host.app, str(port), lifespan, connection, report],
            cwd=ROOT,
            env={**environ(folder), "ROVER_TRUSTED_PROXIES": "127.0.0.1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        at = Inspected(process, port, host.prefix, log)
        at.report = report
        at.wait_until_up(f"{host.prefix}{up}")
        yield at
    finally:
        process.kill()
        process.wait()


def request_every_path(at: Inspected, client: httpx.Client) -> None:
    for method, path, status in ANSWERS:
        assert client.request(method, f"{at.url}{path}").status_code == status, (method, path)
    page = client.get(f"{at.url}/").text
    for link in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert client.get(urljoin(f"{at.url}/", link)).status_code == 200, link
    proxied = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    assert client.get(f"{at.url}/sign-in?code=any").status_code == 200
    form = client.get(f"{at.url}/sign-in?code=any", headers=proxied)
    assert "; Secure" in form.headers["Set-Cookie"]


def request_an_image(at: Inspected, client: httpx.Client) -> None:
    url = f"{at.url}/images/large.png"
    whole = client.get(url)
    assert len(whole.content) > IMAGE_BYTES
    for headers, status in (
        ({"Range": "bytes=100-199"}, 206),
        ({"Range": "bytes=999999999-"}, 416),
        ({"If-None-Match": whole.headers["ETag"]}, 304),
    ):
        assert client.get(url, headers=headers).status_code == status


def follow_telemetry(at: Inspected, client: httpx.Client) -> None:
    with connect_sse(client, "GET", f"{at.url}/stream/rover-telemetry") as source:
        events = source.iter_sse()
        while next(events).event != "message":
            pass


def send_commands(at: Inspected, client: httpx.Client) -> None:
    url = f"{at.url}/upload/rover-commands"
    for name, verdict in (("pass-first-drive.rcs", "COMPLETE"), ("fail-syntax.rcs", "REJECTED")):
        file = {"file": (name, (SAMPLES / name).read_bytes())}
        with connect_sse(client, "POST", url, files=file) as source:
            events = list(source.iter_sse())
        assert events[-1].json()["status"] == verdict
        again = f"{at.url}/uploads/{events[0].json()['id']}/events"
        with connect_sse(client, "GET", again) as source:
            assert [event.id for event in source.iter_sse()][-1] == events[-1].id
        assert client.get(again, params={"after": events[-1].id}).status_code == 204
    assert client.post(url, files={"other": b"commands"}).status_code == 400
    too_big = {"file": ("big.rcs", bytes(3 * UPLOAD_BYTES))}
    assert client.post(url, files=too_big).status_code == 413


def join_a_channel(at: Inspected) -> None:
    channels = f"{at.url}/ws/comms".replace("http", "ws", 1)
    v1: Any = ["rover.comms.v1"]
    with (
        connect(f"{channels}/eva?name=ana") as ana,
        connect(f"{channels}/eva?name=bo", subprotocols=v1) as bo,
        connect(f"{channels}/{'x' * 300}") as nobody,
    ):
        ana.send("hello")
        assert ana.recv(10) == "Message: hello"
        bo.send(json.dumps({"type": "say", "text": "hello", "ref": "1"}))
        while json.loads(bo.recv(10))["type"] != "ack":
            pass
        ana.send(b"\x00")
        assert close_code(ana) == 1003
        assert close_code(nobody) == 1008


def close_code(member: Any) -> int | None:
    with suppress(websockets.ConnectionClosed):
        while True:
            member.recv(10)
    code: int | None = member.close_code
    return code


def refused(at: Inspected, path: str, origin: Any = None) -> int:
    url = f"{at.url}{path}".replace("http", "ws", 1)
    with pytest.raises(websockets.InvalidStatus) as answer, connect(url, origin=origin):
        pass
    return answer.value.response.status_code


def disconnect_before_the_answer(at: Inspected) -> None:
    for path in ["/stream/rover-telemetry", "/stream/rover-image"] * 10:
        with socket.create_connection(("127.0.0.1", at.port)) as hasty:
            hasty.sendall(f"GET {at.prefix}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def disconnect_in_mid_stream(at: Inspected) -> None:
    with Crowd(at.port, at.prefix) as crowd:
        crowd.open(readers=10, members=10, downloads=10, uploads=4)


def shut_down_with_open_connections(at: Inspected, reading: int) -> None:
    """Shut down with clients of every kind; `reading` of four downloads are read to their end."""
    with Crowd(at.port, at.prefix) as crowd:
        crowd.open(readers=10, members=10, downloads=4, uploads=2)
        at.process.terminate()
        crowd.finish(crowd.of("upload")[:1], crowd.of("download")[:reading])
        crowd.watch(at.process.pid, 15)
        assert {member.close_code for member in crowd.of("member")} == {1012}
        assert all(b"event: bye" in reader.tail for reader in crowd.of("reader"))
    assert at.process.wait() == 0


@pytest.mark.parametrize(
    ("host", "connection"), [(ALONE, "shown"), (STARLETTE, "hidden")], ids=["alone", "in Starlette"]
)
def test_the_inspector_finds_nothing_from_startup_to_shutdown(
    python: Path, tmp_path: Path, host: Host, connection: Connection
) -> None:
    with (
        inspecting(python, host, tmp_path, connection=connection) as at,
        httpx.Client(timeout=10) as client,
    ):
        follow_telemetry(at, client)
        request_every_path(at, client)
        request_an_image(at, client)
        send_commands(at, client)
        join_a_channel(at)
        assert refused(at, "/ws/comms/eva", "http://elsewhere.example") == 403
        assert refused(at, "/ws/nothing") == 404
        disconnect_before_the_answer(at)
        disconnect_in_mid_stream(at)
        # a stalled client is aborted only through the connection that uvicorn shows
        shut_down_with_open_connections(at, reading=2 if connection == "shown" else 4)
    seen, found = at.results()
    false = {one: [rule for rule in FALSE_FINDINGS if re.fullmatch(rule, one)] for one in found}
    violations = {one: count for one, count in found.items() if not false[one]}
    assert not violations, json.dumps(violations, indent=2)
    assert {rule for rules in false.values() for rule in rules} == {*FALSE_FINDINGS}  # all occur
    assert "Traceback" not in at.log
    assert seen["lifespan"] == 1
    assert seen["http"] > len(ANSWERS) + 60
    assert seen["websocket"] == 25


def test_the_inspector_finds_nothing_without_the_lifespan(python: Path, tmp_path: Path) -> None:
    with (
        inspecting(python, ALONE, tmp_path, lifespan="off") as at,
        httpx.Client(timeout=10) as client,
    ):
        for method, path, running in ANSWERS:
            status = 405 if running == 405 else BEFORE_THE_LIFESPAN.get(path, 503)
            answer = client.request(method, f"{at.url}{path}")
            assert answer.status_code == status, (method, path)
        assert refused(at, "/ws/comms/eva") == 503
        assert at.end()[0] == 0
    seen, found = at.results()
    assert found == {}
    assert "Traceback" not in at.log
    assert seen["http"] > len(ANSWERS)
    assert seen["websocket"] == 1


def check(python: Path, folder: Path, app: str, *options: str) -> str:
    """The report of `asgion check` about the lifespan and each path, as JUnit XML."""
    profile = ["--profile", "recommended", "--format", "junit"]
    ran = subprocess.run(
        [python, "-m", "asgion", "check", app, *profile, *options],
        cwd=ROOT,
        env=environ(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    report: str = ran.stdout
    return report


@pytest.mark.parametrize("options", [[], ["--no-lifespan"]], ids=["with", "without"])
def test_the_asgion_command_finds_nothing_with_or_without_the_lifespan(
    python: Path, tmp_path: Path, options: list[str]
) -> None:
    paths = [f"--path={method}:{path}" for method, path, _ in ANSWERS if "?" not in path]
    paths += ["--path=ws:/ws/comms/eva", "--path=ws:/ws/nothing"]
    count = len(paths) + (0 if options else 1)
    report = check(python, tmp_path, ALONE.app, *options, *paths)
    assert f'tests="{count}" failures="0" errors="0"' in report, report


def test_the_inspector_finds_a_violation(python: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    broken = Host("broken", "broken:app")
    with inspecting(python, broken, tmp_path, lifespan="off", up="/") as at:
        at.end()
    _, found = at.results()
    assert [one.partition(":")[0] for one in found] == ["HF-004 GET /"]
    assert "[HF-004] error" in check(python, tmp_path, broken.app)
