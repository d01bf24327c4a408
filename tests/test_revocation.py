"""Open streams and transfers end within a second when their client loses its access."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import Event, connect_tcp, create_task_group, fail_after, sleep, to_thread
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rover.asgi.event_stream import CLOSE_TIMEOUT_S
from rover.comms.protocol import SUBPROTOCOL
from rover.mission import MissionControl
from rover.settings import Settings
from rover.tokens.commands import add_token, revoke_token
from tests.command_files import ACCEPTED, STORED, Script
from tests.fake_camera import FakeCamera
from tests.fake_uplink import FakeUplink
from tests.image_site import read_to_end
from tests.uploading import BEGIN, BODY, FORM
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import SocketStream

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

LIMIT_S = 1.0

SIZE = 10**6


class Site:
    """A mission under a real server."""

    def __init__(
        self, mission: MissionControl, url: str, script: Script, stack: AsyncExitStack
    ) -> None:
        self._stack = stack
        self.mission = mission
        self.url = url
        self.script = script
        self.settings = mission.settings

    def add(self, name: str, scopes: str, **more: Any) -> str:
        return add_token(self.settings, name, scopes, **more).text

    async def request(
        self, method: str, path: str, token: str | None, *headers: str, body: bytes = b""
    ) -> SocketStream:
        """A connection that has sent a request, perhaps not all of its body."""
        stream = await connect_tcp("127.0.0.1", httpx.URL(self.url).port or 0)
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        await self._stack.enter_async_context(stream)
        await stream.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return stream

    def connect(self, token: str | None, channel: str = "flight", **more: Any) -> connect:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = self.url.replace("http", "ws", 1)
        return connect(f"{url}/ws/comms/{channel}", additional_headers=headers, proxy=None, **more)


@asynccontextmanager
async def site(serve: Serve, tmp_path: Path, *items: Any) -> AsyncIterator[Site]:
    """A mission whose camera has an image that is arriving.

    Args:
        serve: the fixture.
        tmp_path: for the data folder.
        items: of the validator.
    """
    settings = Settings(data_dir=tmp_path / "data")
    camera, script = FakeCamera(), Script(*items)
    mission = MissionControl(settings, telemetry="push:", camera=camera, commands=script)
    async with serve(mission.app) as url, AsyncExitStack() as stack:
        camera.send(camera.begin("a.png", size=SIZE), b"half")
        await until(lambda: mission.cameras.images["camera"].receiver.spools)
        yield Site(mission, url, script, stack)


async def body_until(stream: SocketStream, text: bytes) -> bytes:
    """What the server sends until it has sent `text`, or has closed the connection."""
    received = b""
    while text not in received:
        received += await stream.receive()
    return received


async def last_event(stream: SocketStream) -> bytes:
    """What the server sends until the end of a chunked response."""
    return await body_until(stream, b"\r\n0\r\n\r\n")


async def close_of(websocket: Any) -> tuple[int, str]:
    with suppress(ConnectionClosed):
        while True:
            await websocket.recv()
    return websocket.close_code, websocket.close_reason


def bye(response: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(response.rpartition(b"event: bye\ndata: ")[2].splitlines()[0])
    return data


async def test_a_revocation_ends_every_kind_of_stream(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at, AsyncExitStack() as stack:
        token = at.add("Ada", "view,say,upload,ingest")
        await at.mission.tokens.refresh()
        events = await at.request("GET", "/stream/rover-telemetry", token)
        image = await at.request("GET", "/images/a.png", token)
        length = "Content-Length: 100000"
        upload = await at.request(
            *("POST", "/upload/rover-commands", token, f"Content-Type: {FORM}", length),
            body=BEGIN + b"half",
        )
        ingest = await at.request("POST", "/ingest/telemetry", token, length, body=b"[")
        plain = await stack.enter_async_context(at.connect(token))
        json_ = await stack.enter_async_context(at.connect(token, subprotocols=[SUBPROTOCOL]))
        assert b"half" in await body_until(image, b"half")
        assert b"UPLOADING" in await body_until(upload, b"UPLOADING")
        await body_until(events, b"state")

        await to_thread.run_sync(revoke_token, at.settings, token)
        ended: dict[str, Any] = {}

        async def note(name: str, end: Callable[[], Awaitable[Any]]) -> None:
            ended[name] = await end()

        with fail_after(LIMIT_S):
            async with create_task_group() as tasks:
                tasks.start_soon(note, "events", partial(last_event, events))
                tasks.start_soon(note, "image", partial(read_to_end, image))
                tasks.start_soon(note, "upload", partial(last_event, upload))
                tasks.start_soon(note, "ingest", partial(body_until, ingest, b"}"))
                tasks.start_soon(note, "plain", partial(close_of, plain))
                tasks.start_soon(note, "json", partial(close_of, json_))
        assert bye(ended["events"])["reason"] == "revoked"
        assert b"FAILED" in ended["upload"]
        assert ended["image"] == b""  # shorter than its Content-Length
        assert b"HTTP/1.1 401" in ended["ingest"]
        assert ended["plain"][0] == ended["json"][0] == 1008
        assert at.mission.commands.open_uploads == 0


async def test_a_client_that_sends_before_it_reads_receives_the_end_of_its_upload(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at, httpx.AsyncClient() as client:
        token = at.add("Ada", "upload")
        await at.mission.tokens.refresh()

        async def file() -> AsyncIterator[bytes]:
            yield BEGIN + b"half"
            await until(lambda: at.mission.commands.open_uploads)
            await to_thread.run_sync(revoke_token, at.settings, token)
            await until(lambda: not at.mission.commands.open_uploads)
            for _ in range(12):  # the server discards it
                yield b"x" * 10**5
                await sleep(CLOSE_TIMEOUT_S / 10)

        headers = {"Authorization": f"Bearer {token}", "Content-Type": FORM}
        url = f"{at.url}/upload/rover-commands"
        response = await client.post(url, content=file(), headers=headers)
        assert b"FAILED" in response.content
        assert (await client.get(f"{at.url}/uploads/x/events", headers=headers)).status_code == 401


async def test_other_clients_keep_their_streams(serve: Serve, tmp_path: Path) -> None:
    async with site(serve, tmp_path) as at:
        ada, bob = at.add("Ada", "view"), at.add("Bob", "view,say")
        await at.mission.tokens.refresh()
        async with at.connect(ada) as one, at.connect(bob) as other:
            await to_thread.run_sync(revoke_token, at.settings, ada)
            with fail_after(LIMIT_S):
                assert (await close_of(one))[0] == 1008
                await other.send("still here")
                assert await other.recv() == "Message: still here"


async def test_the_first_token_ends_streams_of_clients_without_one(
    serve: Serve, tmp_path: Path
) -> None:
    async with site(serve, tmp_path) as at, at.connect(None) as websocket:
        events = await at.request("GET", "/stream/rover-telemetry", None)
        await body_until(events, b"state")
        await to_thread.run_sync(at.add, "Ada", "view")
        with fail_after(LIMIT_S):
            assert bye(await last_event(events))["reason"] == "token_required"
            assert (await close_of(websocket))[0] == 1008
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{at.url}/telemetry/latest")).status_code == 401


async def test_an_accepted_upload_is_checked_after_the_revocation(
    serve: Serve, tmp_path: Path
) -> None:
    checking = Event()
    async with site(serve, tmp_path, checking, ACCEPTED) as at:
        token = at.add("Ada", "upload")
        await at.mission.tokens.refresh()
        length = f"Content-Length: {len(BODY)}"
        upload = await at.request(
            *("POST", "/upload/rover-commands", token, f"Content-Type: {FORM}", length), body=BODY
        )
        await until(lambda: at.script.checked)
        await to_thread.run_sync(revoke_token, at.settings, token)
        with fail_after(LIMIT_S):
            assert bye(await last_event(upload))["reason"] == "revoked"
        checking.set()
        await until(lambda: not at.mission.commands.open_uploads)
        assert (at.settings.data_dir / STORED).exists()


async def test_the_release_of_a_person_whose_token_was_revoked_no_longer_counts(
    serve: Serve, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", release_persons=2)
    uplink = FakeUplink()
    ada = add_token(settings, "Ada", "view,upload,release")
    grace, hedy = (add_token(settings, name, "view,release") for name in ("Grace", "Hedy"))
    mission = MissionControl(
        settings, telemetry="none:", camera="none:", commands=Script(ACCEPTED), uplink=uplink
    )
    async with serve(mission.app) as url, httpx.AsyncClient(base_url=url) as client:

        async def request(method: str, path: str, token: Any, **more: Any) -> Any:
            headers = {"Authorization": f"Bearer {token.text}"}
            answer = await client.request(method, path, headers=headers, **more)
            assert answer.is_success, answer.text
            return answer.json()

        files = {"file": ("a.seq", b"DRIVE 10")}
        for name in ("early", "late"):
            path = f"/upload/rover-commands?id={name}"
            async with client.stream(
                "POST", path, files=files, headers={"Authorization": f"Bearer {ada.text}"}
            ) as events:
                await events.aread()
        at = {"at": "2100-01-01T00:00:00Z"}
        await request("POST", "/uploads/early/release", ada)
        await request("POST", "/uploads/late/release", ada, json=at)
        late = await request("POST", "/uploads/late/release", grace)
        assert late["sending"]["state"] == "released"
        revoke_token(settings, ada.token.id)
        with fail_after(LIMIT_S):
            while late["sending"]["state"] == "released":
                late = await request("GET", "/uploads/late", grace)
        early = await request("POST", "/uploads/early/release", grace)
        assert (early["sending"]["state"], early["sending"]["released_by"]) == ("queued", ["Grace"])
        assert late["sending"]["released_by"] == ["Grace"]
        assert any("revoked" in one["detail"] for one in late["timeline"])
        assert uplink.sent == []
        await request("POST", "/uploads/early/release", hedy)
        await until(lambda: uplink.sent)
    assert [one.id for one in uplink.sent] == ["early"]
