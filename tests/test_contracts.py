"""Every source of this package keeps the contract."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest
from aiomqtt import Client
from anyio import BrokenResourceError, connect_tcp, create_tcp_listener, sleep, to_thread
from anyio.abc import SocketAttribute
from obstore.store import MemoryStore
from PIL import Image as Pillow
from websockets.asyncio.server import ServerConnection, serve

from rover.testing import check_camera, check_commands, check_telemetry
from sources.bucket import BucketCamera
from sources.bucket.objects import Bucket
from sources.push import PushTelemetry
from sources.registry import SCHEMES, open_source
from tests.programs import needs
from tests.recorded_video import record
from tests.rosbridge import Rosbridge, compressed_image
from tests.sequences import DICTIONARY, written
from tests.serving import free_port
from tests.test_http_camera import jpeg, response
from tests.test_mavlink import Vehicle
from tests.test_mqtt import Mosquitto
from tests.test_serial import Device
from tests.test_xtce import DATABASE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
CLOSED_PORT = "127.0.0.1:1"

INTERVAL_S = 0.02
"""Seconds between two messages of a simulated device."""


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops that the server runs on."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


async def check_simulated_telemetry(_: Path) -> None:
    await check_telemetry(open_source("telemetry", "sim:?rate_hz=50"))


async def check_replay(folder: Path) -> None:
    rows = (f"{n / 50:.2f};{n};{n % 2 == 0};go" for n in range(300))
    table = folder / "drive.csv"
    table.write_text("\n".join(["time [s];count;even;word", *rows]))
    await check_telemetry(open_source("telemetry", f"replay:{table}"))


async def check_host(_: Path) -> None:
    await check_telemetry(open_source("telemetry", "host:?rate_hz=20"))


async def check_push(_: Path) -> None:
    source = PushTelemetry(period_s=0.02)

    async def feed() -> None:
        while True:
            source.take(source.reader.samples(b'{"t": 1790000000.5, "speed": 0.12}'))
            await sleep(INTERVAL_S)

    await check_telemetry(source, feed=feed, learns=True)


async def check_websocket(folder: Path) -> None:
    declared = folder / "dictionary.json"
    declared.write_text(json.dumps([{"name": "speed", "unit": "m/s"}]))

    async def send_samples(connection: ServerConnection) -> None:
        while True:
            await connection.send('{"speed": 0.12}')
            await sleep(INTERVAL_S)

    async with serve(send_samples, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await check_telemetry(
            open_source("telemetry", f"ws://127.0.0.1:{port}/?parameters={declared}&period_s=0.1"),
            unreachable=open_source("telemetry", f"ws://{CLOSED_PORT}/"),
        )


async def check_mqtt(folder: Path) -> None:
    broker = Mosquitto(needs("mosquitto"), folder)
    await broker.start()
    try:
        async with Client("127.0.0.1", broker.port) as device:

            async def feed() -> None:
                while True:
                    await device.publish("rover/state", '{"speed": 0.12}')
                    await sleep(INTERVAL_S)

            await check_telemetry(
                open_source("telemetry", broker.url("rover/%23")),
                feed=feed,
                learns=True,
                unreachable=open_source("telemetry", f"mqtt://{CLOSED_PORT}/rover"),
            )
    finally:
        broker.kill()


async def check_serial(folder: Path) -> None:
    device = Device(folder / "ttyUSB0")
    device.plug()
    try:
        with device.sending(b"temp=21.5,hum=40\r\n"):
            await check_telemetry(
                open_source("telemetry", f"serial:{device.path}?baud=115200"),
                learns=True,
                unreachable=open_source("telemetry", f"serial:{folder}/ttyUSB9"),
            )
    finally:
        device.unplug()


async def check_mavlink(_: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    packet = Vehicle().bytes_of("vfr_hud", 1.5, 2, 3, 4, 5, 6)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as vehicle:

        async def feed() -> None:
            while True:
                vehicle.sendto(packet, ("127.0.0.1", port))
                await sleep(INTERVAL_S)

        await check_telemetry(
            open_source("telemetry", f"mavlink:udpin::{port}"),
            feed=feed,
            learns=True,
            unreachable=open_source("telemetry", f"mavlink:tcp:{CLOSED_PORT}"),
        )


async def check_tcp(_: Path) -> None:
    async def send_samples(client: SocketStream) -> None:
        async with client:
            with suppress(BrokenResourceError):  # the source has closed the connection
                while True:
                    await client.send(b"temp=21.5,hum=40\r\n")
                    await sleep(INTERVAL_S)

    async with await create_tcp_listener(local_host="127.0.0.1") as device:
        port = device.extra(SocketAttribute.local_port)  # noqa: S610 # no Django here
        await check_telemetry(
            open_source("telemetry", f"tcp://127.0.0.1:{port}"),
            feed=partial(device.serve, send_samples),
            learns=True,
            unreachable=open_source("telemetry", f"tcp://{CLOSED_PORT}"),
        )


async def check_udp(_: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        port = free_port(socket.SOCK_DGRAM)

        async def feed() -> None:
            while True:
                device.sendto(b"temp=21.5,hum=40\n", ("127.0.0.1", port))
                await sleep(INTERVAL_S)

        await check_telemetry(
            open_source("telemetry", f"udp://:{port}"),
            feed=feed,
            learns=True,
            unreachable=open_source("telemetry", f"udp://192.0.2.1:{port}"),
        )


async def check_tcp_listen(_: Path) -> None:
    port = free_port()

    async def feed() -> None:
        while True:
            with suppress(OSError, BrokenResourceError):
                async with await connect_tcp("127.0.0.1", port) as device:
                    while True:
                        await device.send(b"temp=21.5,hum=40\n")
                        await sleep(INTERVAL_S)
            await sleep(INTERVAL_S)

    await check_telemetry(
        open_source("telemetry", f"tcp-listen://:{port}"),
        feed=feed,
        learns=True,
        unreachable=open_source("telemetry", f"tcp-listen://192.0.2.1:{port}"),
    )


async def check_simulated_camera(_: Path) -> None:
    url = "sim:?width=512&height=256&link_kbps=400&period_s=1"
    await check_camera(open_source("camera", url))


async def check_directory(folder: Path) -> None:
    Pillow.effect_noise((300, 200), 60).save(folder / "first.png")
    data = (folder / "first.png").read_bytes()

    async def arrive() -> None:
        for start in range(0, len(data), 10_000):
            append(folder / "second.png", data[start : start + 10_000])
            await sleep(INTERVAL_S)

    await check_camera(open_source("camera", f"dir:{folder}?poll_s=0.01"), arrive=arrive)


async def check_http_camera(_: Path) -> None:
    shown = [jpeg()]

    class Snapshot(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(response(shown[-1]))

        def log_message(self, *_: object) -> None: ...

    async def arrive() -> None:
        shown.append(jpeg(len(shown)))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Snapshot)  # in threads: it starts no tasks
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/?poll_s=0.01"
        await check_camera(open_source("camera", url), arrive=arrive)
    finally:
        await to_thread.run_sync(server.shutdown)
        server.server_close()


async def check_rosbridge_camera(_: Path) -> None:
    rosbridge = Rosbridge("/camera/compressed")
    shades = iter(range(1000))

    async def arrive() -> None:
        await rosbridge.subscribed("/camera/compressed")
        await rosbridge.publish("/camera/compressed", compressed_image(shade=next(shades)))

    async with rosbridge.serving() as url:
        await check_camera(open_source("camera", f"{url}?topic=/camera/compressed"), arrive=arrive)


async def check_video(folder: Path) -> None:
    video = record(folder / "a.avi", "mjpeg")
    # asyncio starts a process in the loop, which a busy machine delays
    await check_camera(open_source("camera", f"av:{video}?still_s=0.1"), max_stall_s=5)


async def check_bucket(_: Path) -> None:
    store = MemoryStore()
    store.put("first.jpg", jpeg())

    async def arrive() -> None:
        await obstore.put_async(store, "second.jpg", jpeg(5))

    camera = BucketCamera("s3://images", poll_s=0.01)
    camera._bucket = Bucket(store, "memory:")
    await check_camera(camera, arrive=arrive)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def check_simulated_validator(_: Path) -> None:
    await check_commands(
        open_source("commands", "sim:?pace_s=0"),
        good=SAMPLES / "pass-drill.rcs",
        bad=SAMPLES / "fail-power.rcs",
    )


async def check_programs(folder: Path) -> None:
    program = folder / "check.sh"
    program.write_text(
        '#!/bin/sh\ntest -r "$1" || exit 2\n'
        'grep -q drive "$1" || echo "$1:1:1: error: no drive [empty]"\n'
    )
    program.chmod(0o755)
    (good := folder / "good.seq").write_text("drive 5\n")
    (bad := folder / "bad.seq").write_text("wait\n")
    validator = open_source("commands", f"cmd:{program}")
    # asyncio starts a process in the loop, which a busy machine delays
    await check_commands(validator, good=good, bad=bad, max_stall_s=5)


async def check_fprime(folder: Path) -> None:
    dictionary = written(folder / "dictionary.json", DICTIONARY)
    await check_commands(
        open_source("commands", f"fprime:{dictionary}?isolate=0"),
        good=b"R00:00:01 c.INT 5\n",
        bad=b"R00:00:01 c.INT five\n",
    )


async def check_seqjson(folder: Path) -> None:
    schema = written(folder / "schema.json", {"type": "object", "required": ["id"]})
    validator = open_source("commands", f"seqjson:{schema}?isolate=0")
    await check_commands(validator, good=b'{"id": "a"}', bad=b"{}")


async def check_xtce(folder: Path) -> None:
    (database := folder / "rover.xml").write_text(DATABASE)
    validator = open_source("commands", f"xtce:{database}?isolate=0")
    await check_commands(validator, good=b"DRIVE 5\n", bad=b"DRIVE\n")


CHECKS: Mapping[str, Callable[[Path], Awaitable[None]]] = {
    "sources.simulated.telemetry:SimulatedTelemetry": check_simulated_telemetry,
    "sources.replay:ReplayTelemetry": check_replay,
    "sources.host:HostTelemetry": check_host,
    "sources.push:PushTelemetry": check_push,
    "sources.websocket:WebSocketTelemetry": check_websocket,
    "sources.mqtt:MqttTelemetry": check_mqtt,
    "sources.mavlink:MavlinkTelemetry": check_mavlink,
    "sources.serial_port:SerialTelemetry": check_serial,
    "sources.net:TcpTelemetry": check_tcp,
    "sources.net:TcpListenTelemetry": check_tcp_listen,
    "sources.net:UdpTelemetry": check_udp,
    "sources.simulated.camera:SimulatedCamera": check_simulated_camera,
    "sources.directory:DirectoryCamera": check_directory,
    "sources.http_camera:HttpCamera": check_http_camera,
    "sources.websocket:RosbridgeCamera": check_rosbridge_camera,
    "sources.bucket:BucketCamera": check_bucket,
    "sources.video:VideoCamera": check_video,
    "sources.simulated.validator:SimulatedValidator": check_simulated_validator,
    "sources.programs:ProgramValidator": check_programs,
    "sources.fprime:FPrimeValidator": check_fprime,
    "sources.seqjson:SeqJsonValidator": check_seqjson,
    "sources.xtce:XtceValidator": check_xtce,
}


@pytest.mark.parametrize(
    "factory",
    sorted(
        {
            scheme.factory
            for kind, schemes in SCHEMES.items()
            for name, scheme in schemes.items()
            if name != "none"  # has no data to check
            and kind != "uplink"  # test_uplinks.py checks them
        }
    ),
)
async def test_a_source_of_this_package_keeps_the_contract(factory: str, tmp_path: Path) -> None:
    assert factory in CHECKS, f"add a check of {factory} to CHECKS"
    await CHECKS[factory](tmp_path)


@pytest.mark.parametrize("file", ["rover-drive.csv", "mars-weather.csv"])
async def test_real_recordings_keep_the_contract(file: str, shared_data: Path) -> None:
    speed = {"rover-drive.csv": 1, "mars-weather.csv": 86_400 * 20}[file]
    table = shared_data / "telemetry" / file
    await check_telemetry(open_source("telemetry", f"replay:{table}?speed={speed}"))
