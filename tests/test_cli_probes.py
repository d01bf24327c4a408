"""`rover doctor` and `rover conform` find what is wrong with a server, and nothing else."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from anyio import Lock, create_task_group, sleep, to_thread

from rover.asgi.servers.uvicorn_protocols import BoundedHTTPProtocol
from rover.cli import main
from rover.cli.doctor import FAILED_CHECK
from rover.cli.probes.doctor import check
from rover.client import Client
from rover.mission import create_app
from rover.settings import Settings
from tests.cutting import events, scripted
from tests.test_telemetry_routes import ManualSource, serving

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

ENDLESS: dict[str, Any] = {"lifespan": "off", "timeout_graceful_shutdown": 0}
"""Options of a server whose streams do not end by themselves."""


async def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, str]]:
    """Run a command; returns its exit status and the level of each check."""
    status = await to_thread.run_sync(main, [*arguments, "--json"])
    report = json.loads(capsys.readouterr().out)
    return status, {result["check"]: result["level"] for result in report["results"]}


async def test_the_doctor_finds_nothing_wrong_with_a_mission(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(Settings(data_dir=tmp_path, camera="none:", commands="none:"))
    async with serve(app, http=BoundedHTTPProtocol) as url:
        status, found = await run(capsys, "doctor", url, "--minutes", "0.001")
    assert (status, set(found.values())) == (0, {"ok"}), found
    assert len(found) == 13


async def test_the_doctor_reports_a_server_that_refuses_the_token(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path, tokens="open-sesame-4f1c", camera="none:")
    async with serve(create_app(settings), http=BoundedHTTPProtocol) as url:
        command = ["doctor", url, "--minutes", "0.001"]
        assert await to_thread.run_sync(main, [*command, "--token", "wrong-token-4f1c"]) == 3
        capsys.readouterr()
        status, found = await run(capsys, *command, "--token", "open-sesame-4f1c")
    assert (status, set(found.values())) == (0, {"ok"}), found


async def careless(scope: Scope, receive: Receive, send: Send) -> None:
    """A server behind a proxy that does everything wrong, on uvicorn without limits."""
    if scope["type"] != "http":
        return
    stream = scope["path"].endswith("rover-telemetry")
    headers = [(b"content-type", b"text/event-stream" if stream else b"application/json")]
    if stream:
        headers.append((b"content-encoding", b"br"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if stream:
        await sleep(1.1)
    await send({"type": "http.response.body", "body": b"data: 1\n\n" if stream else b"{}"})


async def test_the_doctor_finds_each_mistake(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(careless, lifespan="off", http="httptools") as url:
        status, found = await run(capsys, "doctor", url, "--minutes", "0.001")
    assert status == FAILED_CHECK
    assert found == {
        "server": "ok",
        "encryption": "ok",
        "without a token": "ok",  # this machine
        "spoofed Host": "fail",
        "spoofed X-Forwarded-For": "fail",
        "spoofed Forwarded": "fail",
        "header limit": "fail",
        "buffering": "fail",
        "compression": "fail",
        "caching": "warn",
        "clock": "ok",
        "WebSocket": "fail",
        "cuts": "fail",
    }


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """A proxy that buffers: the stream does not begin, everything else works."""
    if scope["type"] == "http" and scope["path"].endswith("rover-telemetry"):
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        await careless(scope, receive, send)


async def test_the_doctor_reports_a_stream_that_does_not_begin(serve: Serve) -> None:
    async with serve(silent, lifespan="off", http="httptools") as url, Client(url) as client:
        found = {one.check: one.level async for one in check(client, 0.1, begin_s=0.2)}
    assert found["buffering"] == "fail"
    assert "WebSocket" in found


async def test_telemetry_conforms(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    source = ManualSource()

    async def send() -> None:
        for n in range(10_000):
            source.send(n, speed=n)
            await sleep(0.02)

    async with serving(serve, source) as (url, _), create_task_group() as tasks:
        tasks.start_soon(send)
        path = f"{url}/stream/rover-telemetry"
        status, found = await run(capsys, "conform", path, "--seconds", "0.4")
        tasks.cancel_scope.cancel()
    assert (status, set(found.values())) == (0, {"ok"}), found


class Feed:
    """A feed with common mistakes.

    Args:
        ids: whether events have ids.
        locked: whether a client that stalls stops the others.
    """

    def __init__(self, *, ids: bool, locked: bool = False) -> None:
        self._ids = ids
        self._lock = Lock() if locked else None
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(10_000):
            self._number += 1
            name = f"id: {self._number}\n" if self._ids else ""
            body = f"{name}data: {'x' * 500_000 if self._lock else 'x'}\n\n".encode()
            async with self._lock or Lock():
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await sleep(0.02)


async def test_a_feed_without_ids_fails(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    async with serve(Feed(ids=False), **ENDLESS) as url:
        status, found = await run(capsys, "conform", url, "--seconds", "0.2")
    assert status == FAILED_CHECK
    assert (found["ids"], found["caching"], found["retry"]) == ("fail", "fail", "warn")
    assert (found["resume"], found["gaps"], found["order"]) == ("skip", "skip", "skip")


async def test_a_feed_that_ignores_last_event_id_fails(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(Feed(ids=True), **ENDLESS) as url:
        status, found = await run(capsys, "conform", url, "--seconds", "0.2")
    assert status == FAILED_CHECK
    assert (found["ids"], found["resume"], found["gaps"]) == ("ok", "fail", "fail")


async def test_a_feed_that_waits_for_stalled_clients_fails(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve(Feed(ids=True, locked=True), **ENDLESS) as url:
        _, found = await run(capsys, "conform", url, "--seconds", "3")
    assert found["stalled clients"] == "fail"


async def test_the_token_of_one_server_is_not_sent_to_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROVER_TOKEN", "rvr_variable_secret")
    async with scripted(*[events("id: 1\ndata: x\n\n")] * 40) as server:
        command = partial(run, capsys, "conform", f"{server.url}/events", "--seconds", "0.1")
        await command()
        assert not any(b"rvr_variable_secret" in head for head in server.requests)
        await command("--url", server.url)
        assert b"rvr_variable_secret" in server.requests[-1]
