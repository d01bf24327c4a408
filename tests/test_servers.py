"""Every endpoint, in every host, under every server, over real processes.

What each combination was seen to do is the table of `docs/embedding.md`; a whole run compares it,
and with `WRITE_DOCS=1` writes it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
import websockets
from httpx_sse import aconnect_sse
from PIL import Image
from websockets.asyncio.client import connect

from tests.serving import (
    ALONE,
    DJANGO,
    END_S,
    FASTAPI,
    LITESTAR,
    QUART,
    ROOT,
    STARLETTE,
    Host,
    Serving,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from httpx_sse import ServerSentEvent

pytestmark = pytest.mark.anyio

PEERS = ("uvicorn", "hypercorn", "granian")
MANY = "uvicorn, 2 workers"
KINDS = (MANY, "uvicorn, asyncio", "uvicorn --reload", "python -m rover")

PLACES = [(ALONE, server) for server in (*PEERS, *KINDS)] + [
    (host, server) for host in (STARLETTE, FASTAPI, LITESTAR, QUART, DJANGO) for server in PEERS
]

SAMPLES = ROOT / "docs" / "samples"


class Table:
    """What was seen to work, by host and server, then by feature."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], dict[str, str]] = {}

    def note(self, host: Host, server: str, feature: str, how: str = "yes") -> None:
        self.seen.setdefault((host.name, server), {})[feature] = how

    def markdown(self) -> str:
        features = [*dict.fromkeys(f for row in self.seen.values() for f in row)]
        lines = [["host", "server", *features], ["---"] * (len(features) + 2)]
        lines += [[*place, *(row.get(f, "") for f in features)] for place, row in self.seen.items()]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


class At(Serving):
    """A running server, and where to note what it does."""

    host: Host
    server: str
    table: Table

    def note(self, feature: str, how: str = "yes") -> None:
        self.table.note(self.host, self.server, feature, how)


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0].name}, {place[1]}")
def at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, table: Table
) -> Iterator[At]:
    host, server = request.param
    folder = tmp_path_factory.mktemp("serving")
    with ExitStack() as stack:
        running = stack.enter_context(
            serving(
                host,
                server,
                folder,
                {
                    "ROVER_CAMERA": f"dir:{pictures(folder)}",
                    "ROVER_COMMANDS": "sim:?pace_s=0",
                    "ROVER_TELEMETRY": "sim:?rate_hz=20",
                },
            )
        )
        place = At(running.process, running.port, host.prefix, running._log)
        place.host, place.server, place.table = host, server, table
        yield place


def pictures(folder: Path) -> Path:
    (folder / "pictures").mkdir()
    Image.effect_noise((256, 256), 64).save(folder / "pictures" / "noise.png")
    return folder / "pictures"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, follow_redirects=True) as client:
        yield client


async def test_the_page_and_every_file_that_it_asks_for(at: At, client: httpx.AsyncClient) -> None:
    page = await client.get(f"{at.url}/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        file = await client.get(urljoin(f"{at.url}/", link))
        assert file.status_code == 200, link
        for worker in re.findall(r"assets/[\w-]+worker[\w-]+\.js", file.text):
            assert (await client.get(f"{at.url}/{worker}")).status_code == 200
    at.note("page")


async def test_without_its_slash_the_prefix_leads_to_the_page(
    at: At, client: httpx.AsyncClient
) -> None:
    page = await client.get(at.url)
    assert page.status_code == 200
    assert page.url.path == f"{at.prefix}/"
    signed_in = await client.get(f"{at.url}/?token=any", follow_redirects=False)
    assert urljoin(str(signed_in.url), signed_in.headers["location"]) == f"{at.url}/"
    assert f"Path={at.prefix}/;" in signed_in.headers["set-cookie"]


async def samples(client: httpx.AsyncClient, url: str, after: str = "") -> list[ServerSentEvent]:
    """The first five events with an id, and gaps before them."""
    got: list[ServerSentEvent] = []
    headers = {"Last-Event-ID": after} if after else {}
    async with aconnect_sse(client, "GET", url, headers=headers) as source:
        async for event in source.aiter_sse():
            if event.event in ("message", "gap"):
                got.append(event)
            if len(got) == 5:
                return got
    raise AssertionError("the stream ended")


async def test_telemetry_resumes_behind_the_last_event(at: At, client: httpx.AsyncClient) -> None:
    stream = f"{at.url}/stream/rover-telemetry"
    first = await samples(client, stream)
    assert {"t", "battery_level", "location"} <= first[-1].json().keys()
    epoch, _, offset = first[0].id.partition("-")
    again = await samples(client, stream, first[0].id)
    if at.server == MANY and again[0].event == "gap":
        assert again[0].json()["reason"] == "epoch"  # told that another worker has another log
    else:
        assert again[0].id == f"{epoch}-{int(offset) + 1}"
        assert again[0].data == first[1].data
    at.note("telemetry", "per worker" if at.server == MANY else "yes")


async def test_a_picture_comes_whole_and_in_parts(at: At, client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{at.url}/images")).json()["images"]
    url = urljoin(f"{at.url}/", listed[0]["url"])
    whole = await client.get(url)
    assert len(whole.content) == listed[0]["size"]
    part = await client.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert part.content == whole.content[100:200]
    etag = {"Range": "bytes=0-9", "If-Range": whole.headers["etag"]}
    assert (await client.get(url, headers=etag)).status_code == 206
    latest = await client.head(f"{at.url}/stream/rover-image")
    assert latest.headers["content-length"] == str(len(whole.content))
    assert (await client.get(url, headers={"Range": "bytes=9999999-"})).status_code == 416
    at.note("pictures")


async def test_a_room_in_plain_text(at: At) -> None:
    async with connect(f"{at.url}/ws/comms/eva".replace("http", "ws", 1)) as member:
        assert member.subprotocol is None
        await member.send("hello from Jezero — 你好")
        assert await member.recv() == "Message: hello from Jezero — 你好"
        await member.send(b"\x00")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await member.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003
    at.note("rooms", "per worker" if at.server == MANY else "yes")


async def test_a_room_in_its_own_language(at: At) -> None:
    url = f"{at.url}/ws/comms/drive?name=".replace("http", "ws", 1)
    v1: Any = ["rover.comms.v1"]
    async with connect(url + "ana", subprotocols=v1) as ana:
        assert ana.subprotocol == "rover.comms.v1"
        welcome = json.loads(await ana.recv())
        assert (welcome["type"], welcome["you"]) == ("welcome", "ana")
        if at.server != MANY:  # there, the other may be in another worker's room
            async with connect(url + "bo", subprotocols=v1) as bo:
                assert json.loads(await bo.recv())["members"] == ["ana", "bo"]
        await ana.send(json.dumps({"type": "say", "text": "go", "ref": "7"}))
        heard: dict[str, Any] = {}
        while not {"ack", "message"} <= heard.keys():
            message = json.loads(await ana.recv())
            assert message["type"] != "error", message
            heard[message["type"]] = message
        assert heard["ack"]["ref"] == "7"
        assert heard["ack"]["id"] == heard["message"]["id"]


@pytest.mark.parametrize(
    ("name", "status"), [("pass-first-drive.rcs", "COMPLETE"), ("fail-syntax.rcs", "REJECTED")]
)
async def test_an_upload_is_checked_while_one_listens(
    at: At, client: httpx.AsyncClient, name: str, status: str
) -> None:
    file = {"file": (name, (SAMPLES / name).read_bytes())}
    url = f"{at.url}/upload/rover-commands"
    async with aconnect_sse(client, "POST", url, files=file) as source:
        events = [event async for event in source.aiter_sse()]
    told = [event.json()["status"] for event in events if event.event == "message"]
    assert told[0] == "UPLOADING"
    assert "VALIDATING" in told
    assert told[-1] == status
    assert any(event.event == "finding" for event in events) == (status == "REJECTED")
    at.note("uploads")


async def test_health_and_what_is_not_there(at: At, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{at.url}/healthz")).json()["status"] == "ok"
    ready = await client.get(f"{at.url}/readyz")
    assert (ready.status_code, ready.json()["phase"]) == (200, "running")
    missing = await client.get(f"{at.url}/nothing")
    assert missing.headers["content-type"] == "application/problem+json"
    assert f"{at.prefix}/nothing" in missing.json()["detail"]
    at.note("health")


async def test_the_host_keeps_its_own(at: At, client: httpx.AsyncClient) -> None:
    own = await client.get(f"http://127.0.0.1:{at.port}/own")
    if at.prefix:
        assert "the app's own page" in own.text
    else:
        assert own.status_code == 404


async def test_the_end_is_told_to_readers_and_members(at: At, client: httpx.AsyncClient) -> None:
    room = f"{at.url}/ws/comms/eva".replace("http", "ws", 1)
    stream = f"{at.url}/stream/rover-telemetry"
    async with aconnect_sse(client, "GET", stream) as source, connect(room) as member:
        events = source.aiter_sse()
        await anext(events)
        began = time.monotonic()
        at.process.send_signal(signal.SIGTERM)
        farewell = [event async for event in events][-1]
        await member.wait_closed()
    status = at.process.wait(20)
    took_s = time.monotonic() - began
    assert farewell.event == "bye"
    assert 2000 <= (farewell.retry or 0) < 6000
    assert member.close_code == 1012
    assert took_s < END_S
    assert "Traceback" not in at.log
    assert status in (0, -signal.SIGTERM)
    at.note("drain")
    at.note("exit status", "0" if status == 0 else "of the signal")


def test_the_table_in_the_docs_is_what_this_run_saw(table: Table) -> None:
    missing = [
        (host.name, server) for host, server in PLACES if (host.name, server) not in table.seen
    ]
    if missing:
        pytest.skip(f"only a whole run has the whole table; it lacks {len(missing)} places")
    docs = ROOT / "docs" / "embedding.md"
    text = docs.read_text()
    before, rest = text.split("<!-- table: make embedding-table -->\n")
    _, after = rest.split("\n<!-- /table -->")
    seen = (
        f"{before}<!-- table: make embedding-table -->\n{table.markdown()}\n<!-- /table -->{after}"
    )
    if os.environ.get("WRITE_DOCS"):
        docs.write_text(seen)
    assert text == seen or os.environ.get("WRITE_DOCS")
