"""Every source that ships, and every one in docs/sources.md, keeps the contract."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiomqtt import Client
from anyio import BrokenResourceError, create_tcp_listener, open_file, sleep
from anyio.abc import SocketAttribute
from PIL import Image as Pillow
from websockets.asyncio.server import ServerConnection, serve

from rover.testing import (
    Clause,
    check_camera,
    check_commands,
    check_telemetry,
)
from sources.push import PushTelemetry
from sources.registry import SCHEMES, open_source
from tests.programs import needs
from tests.test_mqtt import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "docs" / "samples"
PAGE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
NOBODY = "127.0.0.1:1"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops, as a source may be run on either."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# ------------------------------------------------------------------------ those that ship


async def simulated_telemetry(_: Path) -> None:
    await check_telemetry(open_source("telemetry", "sim:?rate_hz=50"))


async def replay(folder: Path) -> None:
    rows = (f"{n / 50:.2f};{n};{n % 2 == 0};go" for n in range(300))
    table = folder / "drive.csv"
    table.write_text("\n".join(["time [s];count;even;word", *rows]))
    await check_telemetry(open_source("telemetry", f"replay:{table}"))


async def host(_: Path) -> None:
    await check_telemetry(open_source("telemetry", "host:?rate_hz=20"))


async def push(_: Path) -> None:
    source = PushTelemetry(period_s=0.02)

    async def feed() -> None:
        while True:
            source.take(source.reader.samples(b'{"t": 1790000000.5, "speed": 0.12}'))
            await sleep(0.02)

    await check_telemetry(source, feed=feed, learns=True)


async def websocket(folder: Path) -> None:
    declared = folder / "dictionary.json"
    declared.write_text(json.dumps([{"name": "speed", "unit": "m/s"}]))

    async def talk(connection: ServerConnection) -> None:
        while True:
            await connection.send('{"speed": 0.12}')
            await sleep(0.02)

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await check_telemetry(
            open_source("telemetry", f"ws://127.0.0.1:{port}/?parameters={declared}&period_s=0.1"),
            unreachable=open_source("telemetry", f"ws://{NOBODY}/"),
        )


async def mqtt(folder: Path) -> None:
    broker = Mosquitto(needs("mosquitto"), folder)
    await broker.start()
    try:
        async with Client("127.0.0.1", broker.port) as device:

            async def feed() -> None:
                while True:
                    await device.publish("rover/state", '{"speed": 0.12}')
                    await sleep(0.02)

            await check_telemetry(
                open_source("telemetry", broker.url("rover/%23")),
                feed=feed,
                learns=True,
                unreachable=open_source("telemetry", f"mqtt://{NOBODY}/rover"),
            )
    finally:
        broker.kill()


async def simulated_camera(_: Path) -> None:
    url = "sim:?width=512&height=256&link_kbps=400&period_s=1"
    await check_camera(open_source("camera", url))


async def directory(folder: Path) -> None:
    Pillow.effect_noise((300, 200), 60).save(folder / "first.png")
    data = (folder / "first.png").read_bytes()

    async def arrive() -> None:
        async with await open_file(folder / "second.png", "wb", buffering=0) as file:
            for start in range(0, len(data), 10_000):
                await file.write(data[start : start + 10_000])
                await sleep(0.03)

    await check_camera(open_source("camera", f"dir:{folder}?poll_s=0.01"), arrive=arrive)


async def simulated_validator(_: Path) -> None:
    await check_commands(
        open_source("commands", "sim:?pace_s=0"),
        good=SAMPLES / "pass-drill.rcs",
        bad=SAMPLES / "fail-power.rcs",
    )


SHIPPED: Mapping[str, Callable[[Path], Awaitable[None]]] = {
    "sources.simulated.telemetry:SimulatedTelemetry": simulated_telemetry,
    "sources.replay:ReplayTelemetry": replay,
    "sources.host:HostTelemetry": host,
    "sources.push:PushTelemetry": push,
    "sources.websocket:WebSocketTelemetry": websocket,
    "sources.mqtt:MqttTelemetry": mqtt,
    "sources.simulated.camera:SimulatedCamera": simulated_camera,
    "sources.directory:DirectoryCamera": directory,
    "sources.simulated.validator:SimulatedValidator": simulated_validator,
}


@pytest.mark.parametrize(
    "factory",
    sorted(
        {
            scheme.factory
            for kind in SCHEMES.values()
            for name, scheme in kind.items()
            if name != "none"  # it delivers nothing that could be checked
        }
    ),
)
async def test_a_source_that_ships_keeps_the_contract(factory: str, tmp_path: Path) -> None:
    assert factory in SHIPPED, f"say above how {factory} is set up"
    await SHIPPED[factory](tmp_path)


@pytest.mark.parametrize("file", ["rover-drive.csv", "mars-weather.csv"])
async def test_real_recordings_keep_the_contract(file: str, shared_data: Path) -> None:
    speed = {"rover-drive.csv": 1, "mars-weather.csv": 86_400 * 20}[file]
    table = shared_data / "telemetry" / file
    await check_telemetry(open_source("telemetry", f"replay:{table}?speed={speed}"))


# ------------------------------------------------------------------ those of docs/sources.md


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files in a folder, and its package as if it were installed there."""
    folder = tmp_path_factory.mktemp("examples")
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, f"a block without the name of its file:\n{block}"
        assert not (folder / name[1]).exists()
        (folder / name[1]).write_text(block, encoding="utf-8")
    (package,) = (tomllib.loads(block) for block in blocks("toml"))
    project = package["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    return folder


@pytest.fixture
def importable(examples: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(examples)
    yield
    for file in examples.glob("*.py"):
        sys.modules.pop(file.stem, None)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_examples_keep_the_contract_by_their_own_tests(examples: Path) -> None:
    done = run(
        examples, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(examples)
    )
    assert done.returncode == 0, done.stdout
    tests = sum(block.count("def test_") for block in blocks("python"))
    assert f"{tests} passed" in done.stdout


def test_a_source_is_checked_without_any_test_runner(examples: Path) -> None:
    code = re.search(r'python -c "(.*)"', PAGE)
    assert code
    assert run(examples, "-c", code[1]).stderr == ""


async def gauge(connection: SocketStream) -> None:
    async with connection:
        with suppress(BrokenResourceError):  # the reader is gone
            while True:
                await connection.send(b"5.31\n")
                await sleep(0.01)


@pytest.mark.usefixtures("importable")
async def test_the_gauge_keeps_the_contract() -> None:
    async with await create_tcp_listener(local_host="127.0.0.1") as device:
        port = device.extra(SocketAttribute.local_port)  # noqa: S610 # no Django here
        await check_telemetry(
            open_source("telemetry", f"gauge:Gauge?host=127.0.0.1&port={port}"),
            feed=partial(device.serve, gauge),
            unreachable=open_source("telemetry", "gauge:Gauge?host=127.0.0.1&port=1"),
        )


@pytest.mark.usefixtures("importable")
def test_every_url_on_the_page_names_a_source() -> None:
    urls = re.findall(r'ROVER_(\w+)="([^"]+)"', PAGE)
    assert len(urls) == 7
    for setting, url in urls:
        kind = setting.lower()
        assert kind in ("telemetry", "camera", "commands")
        open_source(kind, url)


def test_the_first_example_has_ten_lines_or_so() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 12


def test_the_page_shows_an_error_with_the_code_of_a_clause() -> None:
    (error,) = blocks("text")
    assert error.partition(":")[0] in set(Clause)
