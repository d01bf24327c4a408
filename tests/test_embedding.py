"""A mission inside another app: the examples of docs/embedding.md, and the host's own state.

tests/test_servers.py has every endpoint in each framework.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import asynccontextmanager, contextmanager, suppress
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import anyio
import httpx
import pytest
from anyio import fail_after
from httpx_sse import aconnect_sse
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect

from rover.asgi.lifespan import lifespan_of
from rover.broadcast import Broadcast
from rover.mission import create_app
from rover.settings import Settings
from tests.programs import needs
from tests.serving import (
    EXAMPLES,
    EXIT_S,
    ROOT,
    SHUTDOWN_S,
    Host,
    free_port,
    serving,
    wait_until_listening,
)
from tests.test_mission import mission, one_sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


def example(name: str) -> Any:
    """The app of a file in docs/embedding."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["app"]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of missions without settings, which have no camera."""
    monkeypatch.setenv("ROVER_CAMERA", "none:")
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.usefixtures("data_dir")
async def test_one_stream_alone_under_a_prefix(serve: Serve, client: httpx.AsyncClient) -> None:
    async with serve(example("one_stream")) as url:
        assert "battery_level" in await one_sample(f"{url}/rover")
        for path in ("/", "/comms", "/images", "/healthz"):
            assert (await client.get(f"{url}/rover{path}")).status_code == 404


@pytest.mark.usefixtures("data_dir")
async def test_two_missions_with_sources_of_their_own(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    async with serve(example("two_missions")) as url:
        first, second = [await one_sample(f"{url}/{name}") for name in ("spirit", "opportunity")]
        assert first["location"] != second["location"]
        async with connect(f"{url}/spirit/ws/comms/eva".replace("http", "ws", 1)):
            other = await client.get(f"{url}/opportunity/comms")
        assert other.json() == {"channels": []}


async def test_plain_routes_beside_routes_of_the_host(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    host = Host("plain routes", "plain_routes:app")
    with serving(host, "uvicorn", tmp_path, up="/own") as at:
        assert "battery_level" in await one_sample(at.url)
        async with connect(f"ws://127.0.0.1:{at.port}/ws/comms/eva"):
            assert (await client.get(f"{at.url}/own")).json() == {"members": 1}
        assert at.end()[1] < EXIT_S


async def test_a_stream_of_the_host_resumes_and_ends_with_bye(tmp_path: Path) -> None:
    with serving(Host("own stream", "own_stream:app"), "uvicorn", tmp_path, up="/docs") as at:
        async with httpx.AsyncClient(timeout=10) as client:
            ids = [
                (await client.post(f"{at.url}/news", params={"headline": text})).json()
                for text in ("launched", "landed")
            ]
            headers = {"Last-Event-ID": ids[0]}
            async with aconnect_sse(client, "GET", f"{at.url}/news", headers=headers) as source:
                events = source.aiter_sse()
                landed = await anext(events)
                assert (landed.id, landed.json()) == (ids[1], {"headline": "landed"})
                at.process.send_signal(signal.SIGTERM)
                assert [event.event async for event in events] == ["bye"]
            at.process.wait(10)
        assert "Traceback" not in at.log


@contextmanager
def nginx(folder: Path, kept: int, stripped: int) -> Iterator[int]:
    """Run nginx with the configuration of the docs; gives its port."""
    program = needs("nginx")
    port = free_port()
    text = (EXAMPLES / "nginx.conf").read_text()
    for written, real in ((8000, port), (8001, kept), (8002, stripped)):
        text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{real}")
    text = text.replace("/var/log/nginx", str(folder))
    temp = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temp}{text}}}\n"
    )
    process = subprocess.Popen([program, "-e", f"{folder}/error.log", "-c", str(config)])
    try:
        wait_until_listening(port, lambda: process.poll() is None)
        yield port
    finally:
        process.kill()
        process.wait()


async def test_behind_nginx_with_and_without_the_prefix(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "one.png")
    monkeypatch.setenv("ROVER_CAMERA", f"dir:{tmp_path / 'images'}")
    monkeypatch.setenv("ROVER_COMMANDS", "sim:?pace_s=0")
    monkeypatch.setenv("ROVER_TELEMETRY", "sim:")
    monkeypatch.setenv("ROVER_TRUSTED_PROXIES", "127.0.0.1")
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path / "kept"))
    kept = example("behind_nginx")
    monkeypatch.setenv("ROVER_DATA_DIR", str(tmp_path / "stripped"))
    stripped = create_app()
    async with serve(kept) as first, serve(stripped) as second:
        with nginx(tmp_path, port_of(first), port_of(second)) as port:
            for prefix in ("/kept", "/stripped"):
                await everything_works(f"http://127.0.0.1:{port}{prefix}")
                spoofed = await client.get(
                    f"http://127.0.0.1:{port}{prefix}/images",
                    headers={"X-Forwarded-For": "203.0.113.5, 198.51.100.7"},
                )
                assert spoofed.status_code == 403


async def test_without_trusted_proxies_nginx_is_refused(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with serve(mission(tmp_path).app) as alone:
        with nginx(tmp_path, free_port(), port_of(alone)) as port:
            refused = await client.get(f"http://127.0.0.1:{port}/stripped/images")
    assert refused.status_code == 403


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def everything_works(base: str) -> None:
    v1: Any = ["rover.comms.v1"]
    async with httpx.AsyncClient(timeout=10, follow_redirects=True) as client:
        page = await client.get(base)
        assert str(page.url) == f"{base}/"
        for link in re.findall(r'(?:href|src)="([^"]+)"', page.text):
            assert (await client.get(urljoin(f"{base}/", link))).status_code == 200, link
        with fail_after(5):  # nginx does not buffer the stream
            assert "battery_level" in await one_sample(base)
        signed_in = await client.get(f"{base}/?token=any", follow_redirects=False)
        assert urljoin(f"{base}/", signed_in.headers["location"]) == f"{base}/"
        [image] = (await client.get(f"{base}/images")).json()["images"]
        assert (await client.head(urljoin(f"{base}/", image["url"]))).status_code == 200
        origin = base[: base.index("/", 8)]
        sequence = (ROOT / "docs" / "samples" / "fail-syntax.rcs").read_bytes()
        uploaded = await client.post(
            f"{base}/upload/rover-commands",
            files={"file": ("fail.rcs", sequence)},
            headers={"Origin": origin},
        )
        assert '"status":"REJECTED"' in uploaded.text
        channel = base.replace("http", "ws", 1) + "/ws/comms/eva"
        async with connect(channel, subprotocols=v1, origin=origin) as member:  # type: ignore[arg-type] # its own str
            assert json.loads(await member.recv())["type"] == "welcome"


@pytest.mark.parametrize("path", ["/telemetry/latest", "/stream/rover-telemetry", "/images", "/"])
async def test_without_the_lifespan_a_request_is_answered_with_the_line_to_add(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    parent = Starlette(routes=[Mount("/rover", app=mission(tmp_path).app)])
    async with serve(parent) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/rover{path}")
    assert response.status_code == 503
    assert "`mission.mount(app, '/rover')`" in response.json()["detail"]


async def test_without_the_lifespan_a_stream_is_answered_with_the_line_to_add(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    news = Broadcast()
    async with serve(Starlette(routes=[Route("/news", news.respond)])) as url:
        response = await client.get(f"{url}/news")
    assert response.status_code == 503
    assert "lifespan=broadcast.lifespan" in response.json()["detail"]


async def test_beside_an_app_both_lifespans_run_and_requests_have_its_state(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    control = mission(tmp_path)
    seen: list[bool] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
        seen.append(control.phase == "running")
        yield {"of": "the app"}
        seen.append(control.phase == "running")

    async def own(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.of)

    app = Starlette(routes=[Route("/own", own)], lifespan=lifespan)
    async with serve(control.beside(app, "/rover", "telemetry")) as url:
        assert (await client.get(f"{url}/own")).text == "the app"
        assert (await one_sample(f"{url}/rover"))["celsius"] == 21.5
    assert seen == [True, True]
    assert control.phase != "running"


async def test_an_app_beside_a_mission_finds_its_own_routes(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async def own(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url_for("own").path)

    app = Starlette(routes=[Route("/its/own", own, name="own")])
    async with serve(mission(tmp_path).beside(app, "/deep/rover")) as url:
        assert (await client.get(f"{url}/its/own")).text == "/its/own"
        redirect = await client.get(f"{url}/deep/rover?token=a")
        assert redirect.headers["location"] == "rover/?token=a"  # relative, for any proxy


async def test_one_mission_under_two_prefixes_of_an_app_runs_once(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    control, app = mission(tmp_path), Starlette()
    control.mount(app, "/rover", "telemetry")
    control.mount(app, "/health", "ops")
    async with serve(app) as url:
        assert await one_sample(f"{url}/rover")
        assert (await client.get(f"{url}/health/readyz")).status_code == 200


@pytest.mark.filterwarnings("ignore:Using `httpx`")  # a newer version works, too
def test_a_test_client_has_access_and_may_start_the_app_twice(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    app = Starlette()
    mission(tmp_path).mount(app, "/rover")
    for _ in range(2):
        with TestClient(app) as at_hand:
            assert at_hand.get("/rover/readyz").json()["phase"] == "running"
            with at_hand.websocket_connect("/rover/ws/comms/eva") as member:
                member.send_text("hello")
                assert member.receive_text() == "Message: hello"


def test_a_stream_by_sse_starlette_in_the_host_ends_with_the_server(
    tmp_path: Path,
) -> None:
    host = Host("one with a stream of its own", "tests.own_events:app", "/rover")
    with serving(host, "uvicorn", tmp_path) as at:
        own = urllib.request.urlopen(f"http://127.0.0.1:{at.port}/own", timeout=10)
        assert own.readline() == b"data: tick\r\n"
        signaled_at = time.monotonic()
        at.process.send_signal(signal.SIGTERM)
        with suppress(IncompleteRead):  # sse-starlette does not complete its responses
            own.read()
        closed_after_s = time.monotonic() - signaled_at
        own.close()
        at.process.wait(EXIT_S)
    assert closed_after_s < SHUTDOWN_S


async def test_an_app_without_a_lifespan_has_no_state() -> None:
    async def none(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("only HTTP")

    async with lifespan_of(none) as state:
        assert state == {}


async def test_an_app_that_cannot_start_raises_with_its_reason() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        async with lifespan_of(broken):
            raise AssertionError("it did not start")


def test_two_event_loops_in_two_threads(tmp_path: Path) -> None:
    got: dict[float, Any] = {}
    together = threading.Barrier(2, timeout=10)

    async def live(celsius: float) -> None:
        async with mission(tmp_path / str(celsius), celsius) as control:
            with control.telemetry.topic.subscribe() as reader, fail_after(10):
                news = await anext(reader)
                together.wait()  # both loops run now
                got[celsius] = (threading.current_thread().name, type(news).__name__)

    threads = [
        threading.Thread(target=anyio.run, args=(live, c), name=f"at {c}") for c in (1.0, 2.0)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == {1.0: ("at 1.0", "Batch"), 2.0: ("at 2.0", "Batch")}


UNCHANGED = """
import json, logging, signal, sys, threading, asyncio
import anyio, starlette, uvicorn, uvicorn.server
import sse_starlette  # wraps uvicorn.Server.handle_exit when it is imported

def world():
    loggers = {name: logging.getLogger(name) for name in logging.root.manager.loggerDict}
    return {
        "uvicorn.Server": {k: id(v) for k, v in vars(uvicorn.server.Server).items()},
        "asyncio": {k: id(v) for k, v in vars(asyncio).items()},
        "loggers": {
            name: [logger.level, len(logger.handlers), logger.propagate, logger.disabled]
            for name, logger in {"": logging.root, **loggers}.items()
        },
        "signals": {str(sig): repr(signal.getsignal(sig)) for sig in signal.valid_signals()},
        "hooks": [id(sys.excepthook), id(threading.excepthook), id(sys.unraisablehook)],
        "policy": type(asyncio.get_event_loop_policy()).__name__,
    }

logging.getLogger("uvicorn.error")
before = world()
from rover.mission import MissionControl

async def live():
    async with MissionControl() as mission:
        with mission.telemetry.topic.subscribe() as reader:
            await anext(reader)

imported = world()
anyio.run(live)
after = world()
for name, then in before.items():
    for when, now in (("import", imported[name]), ("a run", after[name])):
        if name == "loggers":  # new loggers are allowed if they have the defaults
            now = {k: v for k, v in now.items() if k in then or v != [0, 0, True, False]}
        assert now == then, (name, when, {k for k in now if k not in then or now[k] != then[k]})
print("unchanged")
"""


def test_importing_and_running_a_mission_changes_no_global_state(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", UNCHANGED],
        env={**os.environ, "ROVER_DATA_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ran.stdout == "unchanged\n", ran.stderr


async def test_a_stream_sends_heartbeats_and_refuses_a_malformed_id(serve: Serve) -> None:
    news = Broadcast(Settings(heartbeat_s=0.05))
    app = Starlette(routes=[Route("/news", news.respond)], lifespan=news.lifespan)
    async with serve(app) as url, httpx.AsyncClient(timeout=5) as client:
        wrong = await client.get(f"{url}/news", headers={"Last-Event-ID": "never"})
        assert wrong.status_code == 400
        assert "epoch-offset" in wrong.json()["detail"]
        async with client.stream("GET", f"{url}/news") as response:
            lines = response.aiter_lines()
            beats = 0
            with fail_after(5):
                while beats < 3:
                    beats += await anext(lines) == ":"


async def test_a_header_set_on_one_response_is_not_on_the_next(serve: Serve) -> None:
    news = Broadcast()

    async def follow(request: Request) -> Any:
        response = await news.respond(request)
        if "mine" in request.query_params:
            response.headers["X-Mine"] = "yes"
        return response

    app = Starlette(routes=[Route("/news", follow)], lifespan=news.lifespan)
    async with serve(app) as url, httpx.AsyncClient(timeout=5) as client:
        async with client.stream("GET", f"{url}/news?mine") as mine:
            assert mine.headers["x-mine"] == "yes"
            assert mine.headers["content-type"].startswith("text/event-stream")
        async with client.stream("GET", f"{url}/news") as other:
            assert "x-mine" not in other.headers


def test_every_example_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "embedding.md").read_text()
    for example in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.conf")]:
        assert f"embedding/{example.name}" in text
