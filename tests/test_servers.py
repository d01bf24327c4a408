"""Every endpoint, in every host and under every server, in real processes.

`make test` has each host and each server once; `make drain` has every pair. The features that work
in a pair are a row of the table in `docs/embedding.md`: the tests compare it, and
`make embedding-table` writes it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
import websockets
from anyio import connect_tcp
from httpx_sse import aconnect_sse
from PIL import Image
from websockets.asyncio.client import connect

from tests.serving import (
    ALONE,
    DJANGO,
    EXIT_S,
    FASTAPI,
    FULL,
    LITESTAR,
    QUART,
    ROOT,
    SHUTDOWN_S,
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
WORKERS = "uvicorn, 2 workers"
KINDS = (WORKERS, "uvicorn, asyncio", "uvicorn --reload", "python -m rover")

ALL_PAIRS = [(ALONE, server) for server in (*PEERS, *KINDS)] + [
    (host, server) for host in (STARLETTE, FASTAPI, LITESTAR, QUART, DJANGO) for server in PEERS
]
PAIRS = (
    ALL_PAIRS
    if FULL
    else [
        (ALONE, "python -m rover"),
        (ALONE, WORKERS),
        (STARLETTE, "granian"),
        (FASTAPI, "uvicorn"),
        (LITESTAR, "granian"),
        (QUART, "hypercorn"),
        (DJANGO, "uvicorn"),
    ]
)

SAMPLES = ROOT / "docs" / "samples"

TABLE_BEGIN = "<!-- table: make embedding-table -->\n"
TABLE_END = "\n<!-- /table -->"


class Table:
    """The features that work, by host and server."""

    def __init__(self) -> None:
        self._works: dict[tuple[str, str], dict[str, str]] = {}

    def note(self, host: Host, server: str, feature: str, how: str = "yes") -> None:
        self._works.setdefault((host.name, server), {})[feature] = how

    def head(self) -> list[str]:
        """The first two lines of the table, as Markdown."""
        features = [*dict.fromkeys(feature for row in self._works.values() for feature in row)]
        return [_line("host", "server", *features), _line(*["---"] * (len(features) + 2))]

    def rows(self) -> list[str]:
        """A line for each pair, as Markdown."""
        return [_line(*pair, *row.values()) for pair, row in self._works.items()]

    def differences(self, documented: str) -> list[str]:
        """The features that a table in Markdown lacks or shows differently.

        A process of pytest-xdist may have a part of the features of a pair.
        """
        head, _, *lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in documented.splitlines()
        ]
        shown = {
            (host, server): dict(zip(head[2:], cells, strict=True))
            for host, server, *cells in lines
        }
        return [
            f"{pair}: {feature}: {how}"
            for pair, row in self._works.items()
            for feature, how in row.items()
            if shown.get(pair, {}).get(feature) != how
        ]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


@pytest.fixture(scope="module")
def table() -> Table:
    return Table()


class At(Serving):
    """A running server, and the table of the features that work."""

    host: Host
    server: str
    table: Table

    def note(self, feature: str, how: str = "yes") -> None:
        self.table.note(self.host, self.server, feature, how)


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: f"{pair[0].name}, {pair[1]}")
def at(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, table: Table
) -> Iterator[At]:
    host, server = request.param
    folder = tmp_path_factory.mktemp("serving")
    environ = {
        "ROVER_CAMERA": f"dir:{images(folder)}",
        "ROVER_COMMANDS": "sim:?pace_s=0",
        "ROVER_TELEMETRY": "sim:?rate_hz=20",
    }
    with serving(host, server, folder, environ) as running:
        at = At(running.process, running.port, host.prefix, running.log_file)
        at.host, at.server, at.table = host, server, table
        yield at


def images(folder: Path) -> Path:
    (folder / "images").mkdir()
    Image.effect_noise((256, 256), 64).save(folder / "images" / "noise.png")
    return folder / "images"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, follow_redirects=True) as client:
        yield client


async def test_the_page_and_every_file_that_it_loads(at: At, client: httpx.AsyncClient) -> None:
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


async def test_the_prefix_without_a_slash_redirects_to_the_page(
    at: At, client: httpx.AsyncClient
) -> None:
    page = await client.get(at.url)
    assert page.status_code == 200
    assert page.url.path == f"{at.prefix}/"
    linked = await client.get(f"{at.url}/?token=any", follow_redirects=False)
    assert urljoin(str(linked.url), linked.headers["location"]) == f"{at.url}/"
    assert (await client.get(f"{at.url}/sign-in?code=any")).status_code == 200
    [cookie] = client.cookies.jar
    assert cookie.path == (at.prefix or "/")


async def samples(client: httpx.AsyncClient, url: str, after: str = "") -> list[ServerSentEvent]:
    """The first five samples and gaps."""
    got: list[ServerSentEvent] = []
    headers = {"Last-Event-ID": after} if after else {}
    async with aconnect_sse(client, "GET", url, headers=headers) as source:
        async for event in source.aiter_sse():
            if event.event in ("message", "gap"):
                got.append(event)
            if len(got) == 5:
                return got
    raise AssertionError("the stream ended")


async def test_telemetry_resumes_after_the_last_event(at: At, client: httpx.AsyncClient) -> None:
    stream = f"{at.url}/stream/rover-telemetry"
    first = await samples(client, stream)
    assert {"t", "battery_level", "location"} <= first[-1].json().keys()
    epoch, _, offset = first[0].id.partition("-")
    again = await samples(client, stream, first[0].id)
    if at.server == WORKERS and again[0].event == "gap":
        assert again[0].json()["reason"] == "epoch"  # another worker has its own log
    else:
        assert again[0].id == f"{epoch}-{int(offset) + 1}"
        assert again[0].data == first[1].data
    at.note("telemetry", "per worker" if at.server == WORKERS else "yes")


async def test_an_image_is_served_whole_and_in_ranges(at: At, client: httpx.AsyncClient) -> None:
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
    at.note("images")


async def test_a_channel_in_plain_text(at: At) -> None:
    async with connect(f"{at.url}/ws/comms/eva".replace("http", "ws", 1)) as member:
        assert member.subprotocol is None
        await member.send("hello from Jezero — 你好")
        assert await member.recv() == "Message: hello from Jezero — 你好"
        await member.send(b"\x00")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await member.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003
    at.note("channels", "per worker" if at.server == WORKERS else "yes")


async def test_a_channel_in_the_v1_protocol(at: At) -> None:
    url = f"{at.url}/ws/comms/drive?name=".replace("http", "ws", 1)
    v1: Any = ["rover.comms.v1"]
    async with connect(url + "ana", subprotocols=v1) as ana:
        assert ana.subprotocol == "rover.comms.v1"
        welcome = json.loads(await ana.recv())
        assert (welcome["type"], welcome["you"]) == ("welcome", "ana")
        if at.server != WORKERS:  # each worker has its own channels
            async with connect(url + "bo", subprotocols=v1) as bo:
                assert json.loads(await bo.recv())["members"] == ["ana", "bo"]
        await ana.send(json.dumps({"type": "say", "text": "go", "ref": "7"}))
        received: dict[str, Any] = {}
        while not {"ack", "message"} <= received.keys():
            message = json.loads(await ana.recv())
            assert message["type"] != "error", message
            received[message["type"]] = message
        assert received["ack"]["ref"] == "7"
        assert received["ack"]["id"] == received["message"]["id"]


@pytest.mark.parametrize(
    ("name", "status"), [("pass-first-drive.rcs", "COMPLETE"), ("fail-syntax.rcs", "REJECTED")]
)
async def test_an_upload_streams_its_progress(
    at: At, client: httpx.AsyncClient, name: str, status: str
) -> None:
    file = {"file": (name, (SAMPLES / name).read_bytes())}
    url = f"{at.url}/upload/rover-commands"
    async with aconnect_sse(client, "POST", url, files=file) as source:
        events = [event async for event in source.aiter_sse()]
    statuses = [event.json()["status"] for event in events if event.event == "message"]
    assert statuses[0] == "UPLOADING"
    assert "VALIDATING" in statuses
    assert statuses[-1] == status
    assert any(event.event == "finding" for event in events) == (status == "REJECTED")
    at.note("uploads")


async def test_health_and_an_unknown_path(at: At, client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{at.url}/healthz")).json()["status"] == "ok"
    ready = await client.get(f"{at.url}/readyz")
    assert (ready.status_code, ready.json()["phase"]) == (200, "running")
    missing = await client.get(f"{at.url}/nothing")
    assert missing.headers["content-type"] == "application/problem+json"
    assert f"{at.prefix}/nothing" in missing.json()["detail"]
    at.note("health")


async def test_a_request_of_http_1_0_needs_a_token(at: At) -> None:
    request = f"GET {at.prefix}/telemetry/latest HTTP/1.0\r\nHost: localhost\r\n\r\n"
    async with await connect_tcp("127.0.0.1", at.port) as connection:
        await connection.send(request.encode())
        assert (await connection.receive()).split(b" ")[1] == b"403"


async def test_the_host_keeps_its_own_routes(at: At, client: httpx.AsyncClient) -> None:
    own = await client.get(f"http://127.0.0.1:{at.port}/own")
    if at.prefix:
        assert "the app's own page" in own.text
    else:
        assert own.status_code == 404


async def test_shutdown_closes_readers_and_members(at: At, client: httpx.AsyncClient) -> None:
    channel = f"{at.url}/ws/comms/eva".replace("http", "ws", 1)
    stream = f"{at.url}/stream/rover-telemetry"
    async with aconnect_sse(client, "GET", stream) as source, connect(channel) as member:
        events = source.aiter_sse()
        await anext(events)
        signaled_at = time.monotonic()
        at.process.send_signal(signal.SIGTERM)
        last = [event async for event in events][-1]
        await member.wait_closed()
        closed_after_s = time.monotonic() - signaled_at
    status = at.process.wait(20)
    exited_after_s = time.monotonic() - signaled_at
    assert last.event == "bye"
    assert 2000 <= (last.retry or 0) < 6000
    assert member.close_code == 1012
    assert closed_after_s < SHUTDOWN_S
    assert exited_after_s < EXIT_S
    assert "Traceback" not in at.log
    assert status in (0, -signal.SIGTERM)
    at.note("drain")
    at.note("exit status", "0" if status == 0 else "of the signal")


def test_the_table_in_the_docs_has_these_results(table: Table) -> None:
    docs = ROOT / "docs" / "embedding.md"
    text = docs.read_text()
    before, rest = text.split(TABLE_BEGIN)
    documented, after = rest.split(TABLE_END)
    if "WRITE_DOCS" in os.environ:
        docs.write_text(
            before + TABLE_BEGIN + "\n".join([*table.head(), *table.rows()]) + TABLE_END + after
        )
    else:
        assert table.differences(documented) == []
