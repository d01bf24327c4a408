"""One complete mission: from start to drain, alone and inside another app."""

from __future__ import annotations

import gc
import logging
import re
import signal
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio import (
    Event,
    connect_tcp,
    create_task_group,
    fail_after,
    get_running_tasks,
    sleep,
    sleep_forever,
)
from anyio import Path as AsyncPath
from httpx_sse import aconnect_sse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from rover.errors import SettingError
from rover.mission import MissionControl, create_app
from rover.named_sources import losses_json
from rover.settings import Settings
from sources.base import Parameter, Sample, SourceError, Step, Verdict
from sources.push import PushTelemetry
from sources.websocket import WebSocketTelemetry
from tests.feeds import feed_of
from tests.serving import FULL
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from sources.base import Image
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio


class Thermometer:
    """Yields the same sample repeatedly, and counts how often it is open."""

    parameters = (Parameter("celsius", "°C"),)

    def __init__(self, celsius: float = 21.5) -> None:
        self.celsius = celsius
        self.entered = 0

    async def __aenter__(self) -> None:
        self.entered += 1

    async def __aexit__(self, *_: object) -> None:
        self.entered -= 1

    async def samples(self) -> AsyncIterator[Sample]:
        while True:
            yield Sample(time(), {"celsius": self.celsius})
            await sleep(0.01)


class Blind:
    """A camera without images."""

    async def images(self) -> list[Image]:
        return []

    async def image(self, image_id: str) -> Image | None:
        return None

    def open(self, image_id: str, start: int = 0) -> AsyncIterator[bytes]:
        raise SourceError("no images")

    async def new(self) -> AsyncIterator[str]:
        await sleep_forever()
        yield ""


class Yes:
    """Accepts all files."""

    steps = (Step("look", "Look"),)

    async def validate(self, path: Path) -> AsyncIterator[Verdict]:
        yield Verdict(accepted=True, errors=0, warnings=0, detail="fine")


def mission(folder: Path, celsius: float = 21.5, **settings: Any) -> MissionControl:
    return MissionControl(
        Settings(data_dir=folder, **settings),
        telemetry=Thermometer(celsius),
        camera=Blind(),
        commands=Yes(),
    )


async def one_sample(url: str) -> Any:
    async with (
        httpx.AsyncClient(timeout=10) as client,
        aconnect_sse(client, "GET", f"{url}/stream/rover-telemetry") as source,
    ):
        async for event in source.aiter_sse():
            if event.event == "message":
                return event.json()
    return None


async def test_sources_may_be_objects(serve: Serve, tmp_path: Path) -> None:
    app = create_app(
        Settings(data_dir=tmp_path), telemetry=Thermometer(), camera=Blind(), commands=Yes()
    )
    async with serve(app) as url:
        assert (await one_sample(url))["celsius"] == 21.5


async def test_sources_are_open_while_the_mission_runs(tmp_path: Path) -> None:
    control = mission(tmp_path)
    thermometer = feed_of(control.telemetry).source
    assert isinstance(thermometer, Thermometer)
    async with control:
        assert thermometer.entered == 1
    assert thermometer.entered == 0


async def test_a_source_that_cannot_open_fails_the_start_and_closes_the_others(
    tmp_path: Path,
) -> None:
    class Broken(Blind):
        async def __aenter__(self) -> None:
            raise SourceError("no camera at /dev/video9; plug it in")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it was not opened")

    thermometer = Thermometer()
    control = MissionControl(
        Settings(data_dir=tmp_path), telemetry=thermometer, camera=Broken(), commands=Yes()
    )
    with pytest.raises(SourceError, match="plug it in"):
        async with control:
            pass
    assert thermometer.entered == 0
    assert control.phase != "running"


async def test_it_runs_mounted_at_a_prefix(serve: Serve, tmp_path: Path) -> None:
    control = mission(tmp_path)
    parent = Starlette(routes=[Mount("/deep/rover", app=control.app)], lifespan=control.lifespan)
    async with serve(parent) as url, httpx.AsyncClient() as client:
        assert (await one_sample(f"{url}/deep/rover"))["celsius"] == 21.5
        bare = await client.get(f"{url}/deep/rover")
        assert bare.headers["location"].endswith("/deep/rover/")
        missing = await client.get(f"{url}/deep/rover/nothing")
        assert "/deep/rover/nothing" in missing.json()["detail"]
        assert (await client.get(f"{url}/deep/rover/readyz")).json()["ready"]


async def test_without_its_lifespan_streams_are_503_and_healthz_is_200(
    serve: Serve, tmp_path: Path
) -> None:
    parent = Starlette(routes=[Mount("/rover", app=mission(tmp_path).app)])
    async with serve(parent) as url, httpx.AsyncClient() as client:
        response = await client.get(f"{url}/rover/telemetry/latest")
        assert response.status_code == 503
        assert "lifespan" in response.json()["detail"]
        assert (await client.get(f"{url}/rover/healthz")).status_code == 200
        ready = await client.get(f"{url}/rover/readyz")
        assert (ready.status_code, ready.json()["phase"]) == (503, "not started")


async def test_mount_also_runs_the_mission(serve: Serve, tmp_path: Path) -> None:
    control = mission(tmp_path)
    began = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
        began.append(control.phase == "running")
        yield {"owner": "the host"}

    async def own(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.state.owner)

    parent = Starlette(routes=[Route("/own", own)], lifespan=lifespan)
    control.mount(parent, "/rover")
    async with serve(parent) as url, httpx.AsyncClient() as client:
        assert (await one_sample(f"{url}/rover"))["celsius"] == 21.5
        assert (await client.get(f"{url}/own")).text == "the host"
    assert began == [True]
    assert control.phase != "running"


async def test_one_part_can_be_put_into_another_app(serve: Serve, tmp_path: Path) -> None:
    control = mission(tmp_path)
    parent = Starlette(routes=control.routes_for("telemetry"), lifespan=control.lifespan)
    async with serve(parent) as url, httpx.AsyncClient() as client:
        assert (await one_sample(url))["celsius"] == 21.5
        assert (await client.get(f"{url}/comms")).status_code == 404
        refused = await client.get(f"{url}/stream/rover-telemetry?after=never")
    assert refused.status_code == 400
    assert "epoch-offset" in refused.json()["detail"]


async def test_two_missions_in_one_app_are_independent(serve: Serve, tmp_path: Path) -> None:
    first, second = mission(tmp_path / "1", 1.0), mission(tmp_path / "2", 2.0)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with first, second:
            yield

    parent = Starlette(
        routes=[Mount("/1", app=first.app), Mount("/2", app=second.app)], lifespan=lifespan
    )
    async with serve(parent) as url:
        assert (await one_sample(f"{url}/1"))["celsius"] == 1.0
        assert (await one_sample(f"{url}/2"))["celsius"] == 2.0


RUNS = 100 if FULL else 25


@pytest.mark.parametrize("same", [False, True], ids=["new missions", "the same mission"])
async def test_many_runs_leave_no_tasks_files_threads_or_handlers(
    tmp_path: Path, *, same: bool
) -> None:
    handlers = [signal.getsignal(sig) for sig in (signal.SIGINT, signal.SIGTERM)]
    loggers = [logging.getLogger().level, list(logging.getLogger().handlers)]
    control = mission(tmp_path)
    await once(control)
    gc.collect()
    tasks, threads, files, objects = (
        len(get_running_tasks()),
        threading.active_count(),
        open_files(),
        len(gc.get_objects()),
    )
    epochs = set()
    for _ in range(RUNS):
        control = control if same else mission(tmp_path)
        epochs.add(await once(control))
    gc.collect()
    assert len(epochs) == RUNS
    assert len(get_running_tasks()) == tasks
    assert threading.active_count() <= threads + 1  # the pool may start and end a worker
    await until(lambda: open_files() <= files)  # the watchdog closes its own when it wakes
    assert len(gc.get_objects()) < objects + 20 * RUNS
    assert [signal.getsignal(sig) for sig in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [logging.getLogger().level, list(logging.getLogger().handlers)] == loggers
    left = [path.name async for path in AsyncPath(tmp_path).rglob("*") if await path.is_file()]
    assert left in ([], ["incoming.lock"])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def once(control: MissionControl) -> str:
    async with control:
        with control.telemetry.topic.subscribe() as subscriber, fail_after(5):
            await anext(subscriber)
        return control.telemetry.topic.epoch


async def test_a_mission_that_is_started_again_serves_its_routes(
    serve: Serve, tmp_path: Path
) -> None:
    control = mission(tmp_path)
    parent = Starlette(routes=control.routes_for("ops"))
    control.mount(parent, "/rover", "telemetry", "images")
    for _ in range(3):
        async with serve(parent) as url, httpx.AsyncClient() as client:
            assert await one_sample(f"{url}/rover")
            assert (await client.get(f"{url}/readyz")).json()["phase"] == "running"
            assert (await client.get(f"{url}/rover/images")).status_code == 200
        assert control.phase == "ended"


async def test_a_running_mission_cannot_be_entered(tmp_path: Path) -> None:
    async with mission(tmp_path) as control:
        with pytest.raises(RuntimeError):
            await control.__aenter__()


async def test_only_one_of_two_simultaneous_starts_succeeds(tmp_path: Path) -> None:
    control, runs, refusals = mission(tmp_path), 0, 0
    refused = Event()

    async def start() -> None:
        nonlocal runs, refusals
        try:
            async with control:
                runs += 1
                await refused.wait()
        except RuntimeError:
            refusals += 1
            refused.set()

    async with create_task_group() as tasks:
        tasks.start_soon(start)
        tasks.start_soon(start)
    assert (runs, refusals) == (1, 1)


async def test_a_mission_that_failed_to_start_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    control = mission(tmp_path / "data")
    with pytest.raises(SettingError, match="ROVER_DATA_DIR"):
        await control.__aenter__()
    (tmp_path / "data").unlink()
    assert await once(control)


async def test_a_draining_mission_refuses_new_streams(serve: Serve, tmp_path: Path) -> None:
    control = mission(tmp_path)
    async with serve(control.app) as url, httpx.AsyncClient() as client:
        await control.drain()
        response = await client.get(f"{url}/stream/rover-telemetry")
        ready = await client.get(f"{url}/readyz")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert ready.json()["phase"] == "draining"


async def test_a_drain_logs_its_clients_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rover")
    async with mission(tmp_path, drain_s=60) as control:
        with fail_after(20):  # no client is open, so the drain does not wait
            await control.drain()
            await control.drain()
    lines = [record.message for record in caplog.records if record.message.startswith("draining")]
    assert len(lines) == 1


@pytest.mark.parametrize("path", ["/nothing", "/stream", "/images/../../etc/passwd"])
async def test_an_unknown_path_is_a_problem_document(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        response = await client.get(url + path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


async def test_the_error_for_a_wrong_method_names_the_right_one(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        post = await client.post(f"{url}/telemetry/latest")
        get = await client.get(f"{url}/upload/rover-commands")
    assert (post.status_code, get.status_code) == (405, 405)
    assert "GET" in post.json()["detail"]
    assert "POST" in get.json()["detail"]


PENDING = {
    "an upload without a first byte": (
        "POST /upload/rover-commands",
        "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "samples of which half have arrived": (
        "POST /ingest/telemetry",
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ),
    "an acknowledgement of which half has arrived": (
        "POST /alarms/1/acknowledge",
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ),
}


@pytest.mark.parametrize(("request_line", "rest"), PENDING.values(), ids=PENDING)
async def test_a_request_that_waits_for_its_body_does_not_delay_the_shutdown(
    serve: Serve, tmp_path: Path, request_line: str, rest: str
) -> None:
    settings = Settings(data_dir=tmp_path, telemetry="push:", commands="sim:", drain_s=0.2)
    control = MissionControl(settings, camera="none:")
    async with serve(control.app) as url:
        port = httpx.URL(url).port or 0
        async with await connect_tcp("127.0.0.1", port) as client:
            await client.send(f"{request_line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{rest}".encode())
            with fail_after(5):
                await until(lambda: len(control.serving.bodies) == 1)
                await control.drain()
                assert (await client.receive()).startswith(b"HTTP/1.1 503")


async def test_the_events_of_an_upload_have_a_heartbeat_every_3_seconds(
    tmp_path: Path, serve: Serve
) -> None:
    mission = MissionControl(Settings(data_dir=tmp_path, telemetry="none:", camera="none:"))
    async with serve(mission.app) as url, httpx.AsyncClient() as client:
        upload = mission.commands.intake.begin("drive.rcs")
        body = b""
        async with client.stream("GET", f"{url}/uploads/{upload.id}/events") as response:
            with fail_after(5):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if body.endswith(b"\n\n:\n\n"):
                        break
        assert b'"status":"UPLOADING"' in body


def test_readyz_counts_lost_messages_and_replaced_times() -> None:
    source = WebSocketTelemetry("ws://host")
    source.losses.add("not\nJSON")
    push = PushTelemetry()
    push.reader.samples('{"time": "1970-01-01T00:00:05Z", "a": 1}')
    assert losses_json(source) == {"lost": 1, "last_lost": "not JSON", "replaced_times": 0}
    assert losses_json(push) == {"replaced_times": 1}
    assert losses_json(object()) == {}


async def test_readyz_shows_receivers_of_notifications_without_secrets(
    serve: Serve, tmp_path: Path
) -> None:
    urls = "https://ops:s3cret@hooks.example/t0ken"
    control = mission(tmp_path, notify=urls)
    async with serve(control.app) as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/readyz")
    [receiver] = answer.json()["notifications"]
    assert (receiver["receiver"], receiver["state"]) == ("https://hooks.example", "ok")
    assert not {"s3cret", "t0ken"} & set(re.findall(r"\w+", answer.text))


async def test_readyz_shows_strangers_no_details(serve: Serve, tmp_path: Path) -> None:
    async with serve(mission(tmp_path).app) as url, httpx.AsyncClient() as client:
        for stranger in ({"Host": "evil.example"}, {"X-Forwarded-For": "127.0.0.1"}):
            answer = await client.get(f"{url}/readyz", headers=stranger)
            assert (answer.status_code, answer.json()) == (200, {"ready": True})
