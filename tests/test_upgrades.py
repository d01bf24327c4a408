"""A request with a body and the header `Upgrade` is refused: servers drop such bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import BrokenResourceError, EndOfStream, connect_tcp, fail_after

from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol
from rover.mission import MissionControl
from rover.settings import Settings
from tests.command_files import ACCEPTED, FILE, Script
from tests.fake_uplink import FakeUplink
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

JSON = b'{"at": "2100-01-01T00:00:00Z", "by": "Ada"}'
SECOND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

BODIES = {
    "with a length": b"Content-Length: %d\r\n\r\n%s" % (len(JSON), JSON),
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(JSON), JSON),
    "that looks like a request": b"Content-Length: %d\r\n\r\n%s" % (len(SECOND), SECOND),
}


@pytest.mark.parametrize("http", ["httptools", BoundedHTTPProtocol], ids=["uvicorn", "rover"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_a_server_drops_is_refused(
    serve: Serve, tmp_path: Path, http: Any, body: bytes
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    mission = MissionControl(
        settings, telemetry="none:", commands=Script(ACCEPTED), uplink=FakeUplink()
    )
    async with serve(mission.app, http=http) as url, httpx.AsyncClient(base_url=url) as client:
        await client.post("/upload/rover-commands?id=a", files={"file": ("a.seq", FILE)})
        await until(lambda: mission.commands.queue.find("a"))
        received = b""
        async with await connect_tcp("127.0.0.1", httpx.URL(url).port or 0) as stream:
            head = b"POST /uploads/a/release HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n"
            await stream.send(head + b"Connection: Upgrade, HTTP2-Settings\r\n" + body)
            with fail_after(5):
                try:
                    while True:
                        received += await stream.receive()
                except (EndOfStream, BrokenResourceError):
                    pass
        report = (await client.get("/uploads/a")).json()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1
    assert report["sending"]["state"] == "queued"


async def test_a_request_without_a_body_may_ask_for_another_protocol(
    serve: Serve, tmp_path: Path
) -> None:
    mission = MissionControl(Settings(data_dir=tmp_path / "data"), telemetry="none:")
    asks = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"}
    for http in ("httptools", BoundedHTTPProtocol):
        async with serve(mission.app, http=http) as url, httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/comms", headers=asks)).status_code == 200
