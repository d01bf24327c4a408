"""nginx and Caddy with the configuration of docs/deploy: TLS, tokens and all streams."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest
from anyio import EndOfStream, connect_tcp, fail_after, sleep
from httpx_sse import aconnect_sse
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.asyncio.client import connect

from rover.cli.probes import doctor
from rover.client import Client
from rover.settings import Settings
from sources.simulated.sequence import MAX_BYTES
from tests.deployment import DEPLOY, PROXIES, Proxy
from tests.serving import ALONE, free_port, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

TOKEN = "sesame-sesame-sesame"  # noqa: S105 # of the test
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}
MAX_READERS = 2
UPLOAD_BYTES = MAX_BYTES - len("; a")  # with the form, more than nginx accepts by default

PLACES = [(proxy, prefix) for proxy in PROXIES for prefix in ("", "/mission")]


@pytest.fixture(scope="module")
def rover_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that trusts its proxies."""
    folder = tmp_path_factory.mktemp("rover")
    environ = {
        "ROVER_TOKENS": TOKEN,
        "ROVER_TRUSTED_PROXIES": "127.0.0.1",
        "ROVER_TELEMETRY": "sim:?rate_hz=20",
        "ROVER_COMMANDS": "sim:?pace_s=0",
        "ROVER_MAX_READERS": str(MAX_READERS),
    }
    with serving(ALONE, "python -m rover", folder, environ) as at:
        yield at.port


@pytest.fixture(scope="module", params=PLACES, ids="".join)
def proxy(
    request: pytest.FixtureRequest, rover_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    name, prefix = request.param
    with PROXIES[name](tmp_path_factory.mktemp(name), rover_port, prefix) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=f"{proxy.url}/", http2=True, verify=proxy.trust, headers=SIGNED_IN, timeout=10
    ) as client:
        yield client


async def test_the_page_over_http_2_needs_a_token(proxy: Proxy, client: httpx.AsyncClient) -> None:
    page = await client.get("")
    assert (page.status_code, page.http_version) == (200, "HTTP/2")
    assert "max-age" in page.headers["strict-transport-security"]
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert (await client.get(urljoin(f"{proxy.url}/", link))).status_code == 200, link
    del client.headers["Authorization"]
    assert (await client.get("telemetry/latest")).status_code == 401
    assert (await client.get("healthz")).status_code == 200


async def test_rover_doctor_finds_no_mistake(proxy: Proxy) -> None:
    async with Client(proxy.url, token=TOKEN, verify=proxy.certificate) as client:
        found = [(result.check, result.level) async for result in doctor.check(client, watch_s=0)]
    assert {"encryption", "buffering", "WebSocket"} <= dict(found).keys()
    assert [name for name, state in found if state != "ok"] == []


async def test_plain_http_is_redirected(proxy: Proxy) -> None:
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(f"http://localhost:{proxy.http_port}/images?limit=1")
    assert answer.status_code in (301, 308)
    assert answer.headers["location"].startswith("https://localhost")
    assert answer.headers["location"].endswith("/images?limit=1")


async def test_events_are_passed_on_at_once(client: httpx.AsyncClient) -> None:
    async with aconnect_sse(client, "GET", "stream/rover-telemetry") as source:
        assert source.response.http_version == "HTTP/2"
        events = source.aiter_sse()
        with fail_after(5):  # 20 samples per second: a proxy that buffers collects them for longer
            for _ in range(11):
                await anext(events)


async def test_the_stream_of_a_client_that_disconnects_is_released(proxy: Proxy) -> None:
    for _ in range(2 * MAX_READERS):
        async with httpx.AsyncClient(verify=proxy.trust, headers=SIGNED_IN) as client:
            with fail_after(5):
                while await status_of(client, f"{proxy.url}/stream/rover-telemetry") != 200:
                    await sleep(0.05)


async def status_of(client: httpx.AsyncClient, url: str) -> int:
    """The status of a stream, whose connection is closed then."""
    async with client.stream("GET", url) as response:
        return response.status_code


async def test_a_channel(proxy: Proxy) -> None:
    url = f"{proxy.url}/ws/comms/eva".replace("https", "wss", 1)
    origin: Any = proxy.url.removesuffix(proxy.prefix)
    v1: Any = ["rover.comms.v1"]
    async with connect(
        url, ssl=proxy.trust, origin=origin, additional_headers=SIGNED_IN, subprotocols=v1
    ) as member:
        assert json.loads(await member.recv())["type"] == "welcome"


async def test_a_large_upload_arrives_whole(proxy: Proxy) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="large.rcs"\r\n\r\n; a'
    end = b"\r\n--b--\r\n"
    host, _, port = proxy.url.split("/")[2].partition(":")
    head = (
        f"POST {proxy.prefix}/upload/rover-commands HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Origin: https://{host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(form) + UPLOAD_BYTES + len(end)}\r\nConnection: close\r\n\r\n"
    )
    answer = b""
    async with await connect_tcp(
        host, int(port), ssl_context=proxy.trust, tls_standard_compatible=False
    ) as stream:
        await stream.send(head.encode() + form)
        await stream.send(bytes(UPLOAD_BYTES) + end)
        with fail_after(20), suppress(EndOfStream):
            while True:
                answer += await stream.receive()
    assert b'"status":"REJECTED"' in answer


async def test_a_browser_signs_in(proxy: Proxy) -> None:
    browser = {"Accept": "text/html", "Origin": proxy.url.removesuffix(proxy.prefix)}
    async with httpx.AsyncClient(verify=proxy.trust, headers=browser, timeout=10) as client:
        form = await client.get(f"{proxy.url}/sign-in")
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form.text)
        fields = {**dict(hidden), "token": TOKEN}
        answer = await client.post(f"{proxy.url}/sign-in", data=fields)
        assert answer.status_code == 303, answer.text
        assert urljoin(str(answer.url), answer.headers["location"]) == f"{proxy.url}/"
        assert "; Secure" in answer.headers["set-cookie"]
        assert (await client.get(f"{proxy.url}/session")).json()["signed_in"]


async def test_a_token_in_a_url_is_not_logged(proxy: Proxy, client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    answer = await client.get("telemetry/latest", params={"token": TOKEN})
    assert answer.status_code == 200
    if proxy.log.exists():
        assert "/telemetry/latest" in proxy.log.read_text()
        assert TOKEN not in proxy.log.read_text()


def contents(folder: Path) -> bytes:
    """The bytes of all files in the folder."""
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("name", PROXIES)
async def test_no_secret_of_a_url_is_in_the_logs_of_a_proxy_whose_server_is_down(
    tmp_path: Path, name: str
) -> None:
    secrets = {"token": TOKEN, "ticket": "rvt_3cX0", "code": "rvc_9bQ1"}
    with PROXIES[name](tmp_path, free_port(), "") as proxy:
        async with httpx.AsyncClient(verify=proxy.trust, params=secrets) as client:
            answer = await client.get(f"{proxy.url}/stream/rover-telemetry")
            assert answer.status_code == 502
            await client.get(f"http://localhost:{proxy.http_port}/images")
            with suppress(httpx.NetworkError):  # the proxy does not read the whole body
                await client.post(f"{proxy.url}/ingest/telemetry", content=bytes(70 * 10**6))
    logs = contents(tmp_path)
    assert b"502" in logs
    for secret in secrets.values():
        assert secret.encode() not in logs


@pytest.mark.parametrize("name", PROXIES)
async def test_the_server_receives_the_true_address_of_a_client(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    async def echo(request: Request) -> JSONResponse:
        return JSONResponse(request.headers.items())

    spoofed = {
        "X-Forwarded-For": "203.0.113.5",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "for=203.0.113.5",
        "X-Real-IP": "203.0.113.5",
        "Via": "1.1 203.0.113.5",
    }
    async with serve(Starlette(routes=[Route("/", echo)])) as url:
        with ExitStack() as stack:
            proxy = stack.enter_context(PROXIES[name](tmp_path, int(url.rpartition(":")[2]), ""))
            async with httpx.AsyncClient(verify=proxy.trust) as client:
                received = (await client.get(f"{proxy.url}/", headers=spoofed)).json()
    assert ["host", proxy.url.removeprefix("https://")] in received
    addresses = [value for key, value in received if key == "x-forwarded-for"]
    assert addresses == ["127.0.0.1"]
    assert [value for key, value in received if key == "x-forwarded-proto"] == ["https"]
    assert not {"forwarded", "x-real-ip"} & {key for key, _ in received}


def seconds(pattern: str, text: str) -> int:
    """The number in the only place that the pattern matches."""
    [found] = re.findall(pattern, text)
    return int(found)


def test_the_limits_of_the_proxies_are_above_those_of_the_server() -> None:
    settings = Settings()
    nginx, caddy = ((DEPLOY / name).read_text() for name in ("nginx.conf", "Caddyfile"))
    assert seconds(r"proxy_read_timeout (\d+)s;", nginx) > 2 * settings.heartbeat_s
    assert seconds(r"\bsend_timeout (\d+)s;", nginx) > settings.send_timeout_s
    for megabytes in (
        seconds(r"client_max_body_size (\d+)m;", nginx) * 2**20,
        seconds(r"max_size (\d+)MB", caddy) * 10**6,
    ):
        assert settings.max_upload_bytes < megabytes
