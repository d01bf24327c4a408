"""Inside somebody else's app: the examples of docs/embedding.md, and what a good guest leaves be.

The whole mission in each framework is tests/test_servers.py's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import anyio
import httpx
import pytest
from anyio import fail_after
from httpx_sse import aconnect_sse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect

from rover.asgi.lifespan import lifespan_of
from rover.broadcast import Broadcast
from rover.settings import Settings
from tests.serving import ALONE, END_S, EXAMPLES, ROOT, Host, free_port, serving
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


# ------------------------------------------------------------------------------ the examples


async def test_one_stream_alone_under_a_prefix(tmp_path: Path) -> None:
    host = Host("one stream", "one_stream:app", "/rover")
    with serving(host, "uvicorn", tmp_path, up="/rover/telemetry/parameters") as at:
        assert "battery_level" in await one_sample(at.url)
        async with httpx.AsyncClient() as client:
            for path in ("/", "/comms", "/images", "/healthz"):
                assert (await client.get(at.url + path)).status_code == 404


async def test_two_missions_with_sources_of_their_own(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with serving(Host("two", "two_missions:app"), "uvicorn", tmp_path, up="/spirit/healthz") as at:
        first, second = [await one_sample(f"{at.url}/{name}") for name in ("spirit", "opportunity")]
        assert first["location"] != second["location"]
        async with connect(f"ws://127.0.0.1:{at.port}/spirit/ws/comms/eva"):
            rooms = await client.get(f"{at.url}/opportunity/comms")
        assert rooms.json() == {"channels": []}
        assert at.end()[1] < 2


async def test_plain_routes_among_ones_own(client: httpx.AsyncClient, tmp_path: Path) -> None:
    host = Host("plain routes", "plain_routes:app")
    with serving(host, "uvicorn", tmp_path, up="/own") as at:
        assert "battery_level" in await one_sample(at.url)
        async with connect(f"ws://127.0.0.1:{at.port}/ws/comms/eva"):
            assert (await client.get(f"{at.url}/own")).json() == {"members": 1}
        assert at.end()[1] < 2


async def test_a_stream_of_ones_own_resumes_and_says_farewell(tmp_path: Path) -> None:
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
    """The real one, with the configuration of the docs; gives its port."""
    if (program := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")) is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have nginx: apt-get install nginx-light")
        pytest.skip("no nginx on this machine")
    port = free_port()
    text = (EXAMPLES / "nginx.conf").read_text()
    for written, real in ((8000, port), (8001, kept), (8002, stripped)):
        text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{real}")
    temp = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temp}{text}}}\n"
    )
    process = subprocess.Popen([program, "-e", f"{folder}/error.log", "-c", str(config)])
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


QUICK = {"ROVER_COMMANDS": "sim:?pace_s=0"}


async def test_behind_nginx_with_and_without_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "stripped").mkdir()
    kept = Host("kept", "behind_nginx:app", "/kept")
    with (
        serving(kept, "uvicorn", tmp_path / "kept", QUICK) as first,
        serving(ALONE, "uvicorn", tmp_path / "stripped", QUICK) as second,
        nginx(tmp_path, first.port, second.port) as port,
    ):
        for prefix in ("/kept", "/stripped"):
            await everything_works(f"http://127.0.0.1:{port}{prefix}")


async def everything_works(base: str) -> None:
    v1: Any = ["rover.comms.v1"]
    async with httpx.AsyncClient(timeout=10, follow_redirects=True) as client:
        page = await client.get(base)
        assert str(page.url) == f"{base}/"
        for link in re.findall(r'(?:href|src)="([^"]+)"', page.text):
            assert (await client.get(urljoin(f"{base}/", link))).status_code == 200, link
        with fail_after(5):  # nginx does not hold it back
            assert "battery_level" in await one_sample(base)
        signed_in = await client.get(f"{base}/?token=any", follow_redirects=False)
        assert urljoin(f"{base}/", signed_in.headers["location"]) == f"{base}/"
        for picture in (await client.get(f"{base}/images")).json()["images"]:
            got = await client.head(urljoin(f"{base}/", picture["url"]))
            assert got.status_code == 200
        origin = base[: base.index("/", 8)]
        sequence = (ROOT / "docs" / "samples" / "fail-syntax.rcs").read_bytes()
        uploaded = await client.post(
            f"{base}/upload/rover-commands",
            files={"file": ("fail.rcs", sequence)},
            headers={"Origin": origin},
        )
        assert '"status":"REJECTED"' in uploaded.text
        room = base.replace("http", "ws", 1) + "/ws/comms/eva"
        async with connect(room, subprotocols=v1, origin=origin) as member:  # type: ignore[arg-type] # its own str
            assert json.loads(await member.recv())["type"] == "welcome"


# ------------------------------------------------------------------------------- the lifespan


@pytest.mark.parametrize("path", ["/telemetry/latest", "/stream/rover-telemetry", "/images", "/"])
async def test_a_forgotten_lifespan_names_the_line_to_add(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    parent = Starlette(routes=[Mount("/rover", app=mission(tmp_path).app)])
    async with serve(parent) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/rover{path}")
    assert response.status_code == 503
    assert "`mission.mount(app, '/rover')`" in response.json()["detail"]


async def test_a_forgotten_lifespan_of_a_stream_is_said(
    serve: Serve, client: httpx.AsyncClient
) -> None:
    news = Broadcast()
    async with serve(Starlette(routes=[Route("/news", news.respond)])) as url:
        response = await client.get(f"{url}/news")
    assert response.status_code == 503
    assert "lifespan=broadcast.lifespan" in response.json()["detail"]


async def test_beside_an_app_both_lifespans_run_and_its_state_arrives(
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


async def test_an_app_that_has_a_mission_beside_it_finds_its_own_routes(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async def own(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url_for("own").path)

    app = Starlette(routes=[Route("/its/own", own, name="own")])
    async with serve(mission(tmp_path).beside(app, "/deep/rover")) as url:
        assert (await client.get(f"{url}/its/own")).text == "/its/own"
        led = await client.get(f"{url}/deep/rover?token=a")
        assert led.headers["location"] == "rover/?token=a"  # right behind any proxy


async def test_one_mission_under_two_prefixes_of_an_app_runs_once(
    serve: Serve, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    control, app = mission(tmp_path), Starlette()
    control.mount(app, "/rover", "telemetry")
    control.mount(app, "/health", "ops")
    async with serve(app) as url:
        assert await one_sample(f"{url}/rover")
        assert (await client.get(f"{url}/health/readyz")).status_code == 200


@pytest.mark.filterwarnings("ignore:Using `httpx`")  # a newer one serves as well
def test_a_test_client_is_let_in_and_may_start_the_app_twice(tmp_path: Path) -> None:
    from starlette.testclient import TestClient

    app = Starlette()
    mission(tmp_path).mount(app, "/rover")
    for _ in range(2):
        with TestClient(app) as at_hand:
            assert at_hand.get("/rover/readyz").json()["phase"] == "running"
            with at_hand.websocket_connect("/rover/ws/comms/eva") as member:
                member.send_text("hello")
                assert member.receive_text() == "Message: hello"


def test_a_stream_that_the_host_made_with_sse_starlette_ends_with_its_server(
    tmp_path: Path,
) -> None:
    host = Host("one with a stream of its own", "tests.own_events:app", "/rover")
    with serving(host, "uvicorn", tmp_path) as at:
        own = urllib.request.urlopen(f"http://127.0.0.1:{at.port}/own", timeout=10)
        assert own.readline() == b"data: tick\r\n"
        _, took_s = at.end()
        own.close()
    assert took_s < END_S


async def test_an_app_without_a_lifespan_is_left_alone() -> None:
    async def none(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("only HTTP")

    async with lifespan_of(none) as state:
        assert state == {}


async def test_an_app_that_cannot_start_says_why() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="no database"):
        async with lifespan_of(broken):
            raise AssertionError("it did not start")


# ----------------------------------------------------------------------------- nothing global


def test_two_event_loops_in_two_threads(tmp_path: Path) -> None:
    got: dict[float, Any] = {}
    together = threading.Barrier(2, timeout=10)

    async def live(celsius: float) -> None:
        async with mission(tmp_path / str(celsius), celsius) as control:
            with control.telemetry.topic.subscribe() as reader, fail_after(10):
                news = await anext(reader)
                together.wait()  # both run now
                got[celsius] = (threading.current_thread().name, type(news).__name__)

    threads = [
        threading.Thread(target=anyio.run, args=(live, c), name=f"at {c}") for c in (1.0, 2.0)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert got == {1.0: ("at 1.0", "Batch"), 2.0: ("at 2.0", "Batch")}


LEFT_ALONE = """
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
    async with MissionControl():
        await anyio.sleep(0.2)

imported = world()
anyio.run(live)
after = world()
for name, then in before.items():
    for when, now in (("import", imported[name]), ("a run", after[name])):
        if name == "loggers":  # new ones may come, as long as they are as Python makes them
            now = {k: v for k, v in now.items() if k in then or v != [0, 0, True, False]}
        assert now == then, (name, when, {k for k in now if k not in then or now[k] != then[k]})
print("left alone")
"""


def test_importing_and_running_it_changes_nothing_of_anybody_elses(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEFT_ALONE],
        env={**os.environ, "ROVER_DATA_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert ran.stdout == "left alone\n", ran.stderr


# -------------------------------------------------------------------------- a stream of one's own


async def test_it_lives_by_heartbeats_and_a_wrong_id_is_refused(serve: Serve) -> None:
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


async def test_a_header_of_one_response_is_not_the_next_ones(serve: Serve) -> None:
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


# ------------------------------------------------------------------------------------ the page


def test_every_example_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "embedding.md").read_text()
    for example in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.conf")]:
        assert f"embedding/{example.name}" in text
