"""Telemetry from MQTT, by a real mosquitto where there is a broker to talk to.

The broker is started by the tests on a free port of the loopback. Where it is not installed these
tests are skipped, unless CI=true: there it must be.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
from aiomqtt import Client, Message
from anyio import (
    BrokenResourceError,
    CancelScope,
    EndOfStream,
    Event,
    create_task_group,
    create_tcp_listener,
    fail_after,
    run_process,
    sleep,
    to_thread,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketAttribute
from anyio.lowlevel import checkpoint
from httpx_sse import aconnect_sse
from starlette.applications import Starlette

from rover.routes import telemetry as telemetry_routes
from rover.supervise import State
from rover.telemetry import Telemetry
from sources.base import Paced, Sample, SourceError
from sources.mqtt import MqttTelemetry
from sources.mqtt import connection as connections
from sources.mqtt.address import Address
from sources.mqtt.bundle import Bundle
from sources.registry import open_source
from sources.values.losses import Losses
from tests.one_stream import OneStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from anyio.abc import SocketStream

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PASSWORD = "s p@ce"  # noqa: S105 # of a broker that lives for a second


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: the driver watches its socket itself, and uvicorn runs uvloop."""
    return "asyncio", {"use_uvloop": request.param}


# --------------------------------------------------------------------------------- broker


class Mosquitto:
    """A broker that can be killed and started again on the same port."""

    def __init__(self, binary: str, folder: Path, *config: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._config = folder / f"mosquitto-{self.port}.conf"
        common = ("user root", "persistence false", f"listener {self.port} 127.0.0.1")
        self._config.write_text("\n".join((*common, *(config or ("allow_anonymous true",)))))
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._process = await to_thread.run_sync(
            lambda: subprocess.Popen(
                [self._binary, "-c", str(self._config)], stderr=subprocess.DEVNULL
            )
        )
        await until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended at once"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except ConnectionRefusedError:
            return False
        return True

    def url(self, topics: str, query: str = "", scheme: str = "mqtt", user: str = "") -> str:
        url = f"{scheme}://{user}127.0.0.1:{self.port}/{topics}"
        return f"{url}?{query}" if query else url


def tool(name: str) -> str:
    """The path of a program; a skip without it, or a failure where CI=true."""
    places = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"
    binary = shutil.which(name, path=places)
    if binary is None:
        reason = f"no {name}, which Debian has as a package of that name"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return binary


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers with a configuration, and ends them."""
    made: list[Mosquitto] = []

    def make(*config: str) -> Mosquitto:
        made.append(Mosquitto(tool("mosquitto"), tmp_path, *config))
        return made[-1]

    yield make
    for one in made:
        one.kill()


async def until(condition: Callable[[], bool], timeout_s: float = 15) -> None:
    with fail_after(timeout_s):
        while not condition():
            await sleep(0.01)


@asynccontextmanager
async def followed(source: Any) -> AsyncIterator[list[Sample]]:
    """What the source yields, as it comes; it is subscribed when this begins."""
    found: list[Sample] = []

    async def read() -> None:
        async for sample in source.samples():
            found.append(sample)  # noqa: PERF401 # not when it ends: as it comes

    async with create_task_group() as tasks:
        tasks.start_soon(read)
        yield found
        tasks.cancel_scope.cancel()


async def publish(broker: Mosquitto, *messages: tuple[str, Any], **options: Any) -> None:
    async with Client("127.0.0.1", broker.port) as client:
        for topic, payload in messages:
            body = payload if isinstance(payload, bytes) else json.dumps(payload)
            await client.publish(topic, body, **{"qos": 1, **options})


async def ready(broker: Mosquitto, topic: str, payload: Any = None) -> None:
    """Leave a message at the broker, which tells whoever gets it that it is subscribed."""
    await publish(broker, (topic, {"ready": True} if payload is None else payload), retain=True)


# -------------------------------------------------------------------------------- messages


async def test_objects_become_samples_in_order(broker: Callable[..., Mosquitto]) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/state")
    async with followed(open_source("telemetry", it.url("rover/%23"))) as found:
        await until(lambda: len(found) == 1)
        await publish(it, *(("rover/state", {"t": 1_790_000_000 + n, "n": n}) for n in range(50)))
        await publish(it, ("rover/state", [{"a": 1}, {"location": {"lat": 18.4, "lon": 77.5}}]))
        await until(lambda: len(found) == 53)
    assert [(s.t, s.values) for s in found[1:51]] == [
        (1_790_000_000 + n, {"n": n}) for n in range(50)
    ]
    assert found[51].t == pytest.approx(found[52].t)
    assert found[52].values == {"location": {"lat": 18.4, "lon": 77.5}}


async def test_a_message_that_holds_no_sample_is_counted_and_the_next_is_read(
    broker: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a")
    source = MqttTelemetry(it.url("rover/+"))
    async with followed(source) as found:
        await until(lambda: len(found) == 1)
        await publish(it, ("rover/a", b"\xff\x00"), ("rover/a", b"{"), ("rover/b", {"b": 1}))
        await until(lambda: len(found) == 2)
    assert found[1].values == {"b": 1}
    assert source.losses.count == 2
    assert "loss no. 1 of b'\\xff\\x00': in 'rover/a': it is no UTF-8" in caplog.text


async def test_a_value_alone_is_a_sample_when_its_window_closes(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/arm/temperature", 21.5)
    url = it.url("rover/+/temperature", "each=parameter&window_s=0.05")
    async with followed(open_source("telemetry", url)) as found:
        await until(lambda: len(found) == 1)
    assert found[0].values == {"arm.temperature": 21.5}


async def test_one_topic_a_parameter_is_put_together_and_no_value_is_lost(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    source = MqttTelemetry(it.url("rover/#"), each="parameter", window_s=60)
    async with followed(source) as found:
        with fail_after(10):
            while not found:  # one that comes again closes the sample with the one before
                await publish(it, ("rover/ready", 1))
        found.clear()
        await publish(
            it,
            ("rover/arm/temperature", 21.5),
            ("rover/mode", b"parked"),
            ("rover/on", b"true"),
            ("rover/at", {"lat": 18.4, "lon": 77.5}),
            ("rover/image", b"\x89PNG"),
            *(("rover/speed", speed) for speed in (0.1, 0.2, 0.3, 0.4)),
        )
        await until(lambda: sum("speed" in sample.values for sample in found) == 3)
    together, *rest = (sample for sample in found if "speed" in sample.values)
    assert together.values == {
        "ready": 1,
        "arm.temperature": 21.5,
        "mode": "parked",
        "on": True,
        "at": {"lat": 18.4, "lon": 77.5},
        "speed": 0.1,
    }
    assert [sample.values for sample in rest] == [{"speed": 0.2}, {"speed": 0.3}]
    assert together.t <= rest[0].t <= rest[1].t
    assert source.losses.count == 1


async def test_what_was_retained_can_be_left_alone(broker: Callable[..., Mosquitto]) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a", {"old": 1})
    async with followed(open_source("telemetry", it.url("rover/#", "retained=no"))) as found:
        with fail_after(10):
            while not found:
                await publish(it, ("rover/a", {"new": 1}))
                await sleep(0.02)
    assert {name for sample in found for name in sample.values} == {"new"}


async def test_a_session_keeps_what_is_published_while_nobody_is_here(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a")
    source = open_source("telemetry", it.url("rover/a", "qos=1&client_id=cosmic"))
    async with followed(source) as found:
        await until(lambda: len(found) == 1)
    await publish(it, *(("rover/a", {"n": n}) for n in range(5)))
    async with followed(source) as found:
        await until(lambda: len(found) >= 5)
    assert [s.values["n"] for s in found if "n" in s.values] == [0, 1, 2, 3, 4]


# --------------------------------------------------------------------------------- trouble


async def test_a_broker_that_is_killed_and_comes_back_is_followed_and_streams_stay_open(
    broker: Callable[..., Mosquitto], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rover.supervise.FIRST_PAUSE_S", 0.05)
    it = broker()
    await it.start()
    await ready(it, "rover/a", {"n": 1})
    mission = OneStream()
    flusher = mission.serving.flusher
    source = open_source("telemetry", it.url("rover/#"))
    telemetry = mission.telemetry = Telemetry(source, mission.settings, flusher)
    app = Starlette(routes=telemetry_routes.routes(mission))
    told: list[str] = []

    async def read(url: str) -> None:
        async with (
            httpx.AsyncClient(timeout=20, trust_env=False) as client,
            aconnect_sse(client, "GET", f"{url}/stream/rover-telemetry?last=100") as stream,
        ):
            async for event in stream.aiter_sse():
                data = json.loads(event.data)
                told.append(f"{event.event}: {data.get('state', data.get('n'))}")

    async with serve(app) as url, create_task_group() as tasks:
        for run in (flusher.run, telemetry.run):
            tasks.start_soon(run)
        tasks.start_soon(read, url)
        await until(lambda: "message: 1" in told)
        await to_thread.run_sync(it.kill)
        await until(lambda: told[-1] == "state: down")
        assert f"the MQTT broker at 127.0.0.1:{it.port} is gone" in telemetry.health.detail
        await until(lambda: "is it running?" in telemetry.health.detail)
        await it.start()
        await ready(it, "rover/a", {"n": 2})
        await until(lambda: "message: 2" in told)
        assert telemetry.health.state is State.LIVE
        assert len(mission.serving.streams) == 1
        tasks.cancel_scope.cancel()


async def test_leaving_leaves_nothing_behind(broker: Callable[..., Mosquitto]) -> None:
    psutil = pytest.importorskip("psutil")
    it = broker()
    await it.start()
    await ready(it, "rover/a")
    source = MqttTelemetry(it.url("rover/a"))

    def connections_now() -> int:
        found = psutil.Process().net_connections("tcp")
        return sum(c.raddr and c.raddr.port == it.port and c.status == "ESTABLISHED" for c in found)

    for _ in range(5):
        async with followed(source) as found:
            await until(lambda found=found: len(found) == 1)  # type: ignore[misc] # bound now
            assert connections_now() == 1
        await until(lambda: connections_now() == 0)


async def test_a_broker_that_wants_a_password_is_told_one(
    broker: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "passwords"
    await run_process([tool("mosquitto_passwd"), "-b", "-c", str(passwords), "rover", PASSWORD])
    it = broker("allow_anonymous false", f"password_file {passwords}")
    await it.start()
    async with Client("127.0.0.1", it.port, username="rover", password=PASSWORD) as client:
        await client.publish("rover/a", "{}", qos=1, retain=True)
    with pytest.raises(SourceError, match=r"does not let us in .*; set MQTT_USERNAME") as caught:
        await first(it.url("rover/a", user="rover:wrong@"))
    assert "wrong" not in str(caught.value)
    await first(it.url("rover/a", user="rover:s%20p%40ce@"))
    monkeypatch.setenv("MQTT_USERNAME", "rover")
    monkeypatch.setenv("MQTT_PASSWORD", PASSWORD)
    await first(it.url("rover/a"))


async def first(url: str) -> Sample:
    samples = open_source("telemetry", url).samples()
    try:
        with fail_after(10):
            return await anext(samples)
    finally:
        await samples.aclose()  # type: ignore[attr-defined] # a generator, as the contract allows


async def test_mqtts_speaks_tls_with_a_broker_whose_certificate_it_can_check(
    broker: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=rover")
    names = ("-addext", "subjectAltName=IP:127.0.0.1")
    await run_process(
        [tool("openssl"), *request, *names, "-keyout", str(key), "-out", str(certificate)]
    )
    it = broker("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    await it.start()
    url = it.url("rover/a", scheme="mqtts")
    with pytest.raises(SourceError, match=r"with TLS .*certificate verify failed"):
        await first(url)
    with monkeypatch.context() as patch:
        patch.setattr(connections, "CONNECT_TIMEOUT_S", 0.5)
        with pytest.raises(SourceError, match="without TLS"):
            await first(it.url("rover/a"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with followed(open_source("telemetry", url)) as found:
        context = ssl.create_default_context()
        with fail_after(10):
            while not found:
                async with Client("127.0.0.1", it.port, tls_context=context) as client:
                    await client.publish("rover/a", '{"a": 1}', qos=1)
                await sleep(0.02)
    assert found[0].values == {"a": 1}


class FakeBroker:
    """Answers each packet of a client with what it was given, once each; hangs up for a b""."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.may_answer = Event()
        self.may_answer.set()
        self.greeted = False
        self.came = 0
        self.gone = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        listener = await create_tcp_listener(local_host="127.0.0.1")
        async with listener, create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._answer)
            await wait_all_tasks_blocked()
            port = listener.extra(SocketAttribute.local_port)  # noqa: S610 # not Django's
            yield f"mqtt://127.0.0.1:{port}/rover/a"
            tasks.cancel_scope.cancel()

    async def _answer(self, stream: SocketStream) -> None:
        self.came += 1
        async with stream:
            try:
                while await stream.receive():
                    self.greeted = True
                    await self.may_answer.wait()
                    if self.answers:
                        answer = self.answers.pop(0)
                        if not answer:
                            break
                        await stream.send(answer)
            except (EndOfStream, BrokenResourceError):
                pass
        self.gone += 1


CONNACK = b"\x20\x02\x00\x00"
CONNACK_REFUSED = b"\x20\x02\x00\x05"
SUBACK = b"\x90\x03\x00\x01\x00"
SUBACK_REFUSED = b"\x90\x03\x00\x01\x80"


async def test_a_broker_that_never_answers_is_given_up_and_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_S", 0.2)
    fake = FakeBroker()
    async with fake.serving() as url:
        with pytest.raises(SourceError, match=r"no MQTT connection .*timed out.*is that a broker"):
            await first(url)
        await until(lambda: fake.gone == 2)  # the knock, and the driver's connection


async def test_a_broker_that_never_answers_does_not_hold_up_the_end() -> None:
    fake = FakeBroker()
    async with fake.serving() as url:
        with fail_after(connections.CONNECT_TIMEOUT_S / 2):
            async with followed(open_source("telemetry", url)):
                await until(lambda: fake.greeted)
        await until(lambda: fake.gone == 2)


async def test_a_broker_that_refuses_the_topic_is_told() -> None:
    async with FakeBroker(CONNACK, SUBACK_REFUSED).serving() as url:
        with pytest.raises(SourceError, match="does not let us read 'rover/a'; grant it"):
            await first(url)


async def test_a_broker_that_is_not_there_is_told() -> None:
    async with FakeBroker().serving() as url:
        pass
    with pytest.raises(
        SourceError, match=r"no MQTT broker answers at 127\.0\.0\.1:\d+ .*running\?"
    ):
        await first(url)


# ------------------------------------------------------------------- a connect cut short

By = Literal["scope", "task"]
by_each = pytest.mark.parametrize("by", ["scope", "task"])


@asynccontextmanager
async def cancelled_at_the_end(url: str, by: By) -> AsyncIterator[None]:
    """The source is read within the block, and cancelled, which may take half a second."""
    scope = CancelScope()

    async def read() -> None:
        with scope:
            async for _ in open_source("telemetry", url).samples():
                pass

    task = asyncio.create_task(read())  # asyncio asks once, where anyio asks until it is heard
    yield
    assert not task.done()
    (scope if by == "scope" else task).cancel()
    with fail_after(0.5):
        await asyncio.wait({task})


@asynccontextmanager
async def nothing_left(fake: FakeBroker) -> AsyncIterator[None]:
    """What the block begins is gone soon after it: tasks, and connections to the broker."""
    before = asyncio.all_tasks()
    yield
    await until(lambda: asyncio.all_tasks() <= before and fake.gone == fake.came, timeout_s=2)


@by_each
@pytest.mark.parametrize("answers", [(), (CONNACK,), (b"",)], ids=["mute", "deaf", "hangs up"])
async def test_a_connect_that_a_broker_leaves_hanging_is_cancelled_without_a_trace(
    answers: tuple[bytes, ...], by: By
) -> None:
    fake = FakeBroker(*answers)
    async with fake.serving() as url, nothing_left(fake), cancelled_at_the_end(url, by):
        await until(lambda: fake.greeted and not fake.answers)


@by_each
async def test_a_connect_is_cancelled_without_a_trace_whenever_the_broker_answers(by: By) -> None:
    fake = FakeBroker()

    async def answer(turns: int) -> None:
        for _ in range(turns):
            await checkpoint()
        fake.may_answer.set()

    async with fake.serving() as url:
        for turns in range(-10, 20):
            fake.answers = [CONNACK, SUBACK]
            fake.may_answer = Event()
            fake.greeted = False
            async with (
                nothing_left(fake),
                create_task_group() as tasks,
                cancelled_at_the_end(url, by),
            ):
                await until(lambda: fake.greeted)
                tasks.start_soon(answer, max(0, -turns))
                for _ in range(turns):
                    await checkpoint()


@by_each
@pytest.mark.parametrize(
    "answers", [(), (CONNACK, SUBACK), (CONNACK_REFUSED,)], ids=["mute", "in", "out"]
)
async def test_a_connection_that_comes_after_we_left_is_let_go(
    answers: tuple[bytes, ...], by: By, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_connect = threading.Event(), threading.Event()
    connect = socket.create_connection

    def connect_late(*args: Any, **options: Any) -> socket.socket:
        begun.set()
        may_connect.wait(10)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", connect_late)  # what the driver's thread does
    fake = FakeBroker(*answers)
    async with fake.serving() as url, nothing_left(fake):
        try:
            async with cancelled_at_the_end(url, by):
                await until(begun.is_set)
        finally:
            may_connect.set()
        await until(lambda: fake.came == 2)  # the knock, and the driver


# ------------------------------------------------------------------------------ what is bare


async def test_an_inbox_that_is_full_drops_the_oldest_and_counts_it() -> None:
    losses = Losses("mqtt")
    inbox = connections.drop_oldest(losses)(maxsize=2)
    for n in "abc":
        inbox.put_nowait(Message(n, b"", 0, False, 0, None))
    assert [str(inbox.get_nowait().topic) for _ in range(2)] == ["b", "c"]
    assert losses.count == 1


def test_a_bundle_closes_when_its_window_does() -> None:
    bundle = Bundle(0.1)
    assert bundle.left_s(10) is None
    assert bundle.add({"a": 1}, 10.0) is None
    assert bundle.add({"b": 2}, 10.05) is None
    assert bundle.left_s(10.05) == pytest.approx(0.05)
    assert bundle.add({"c": 3}, 10.2) == Sample(10.0, {"a": 1, "b": 2})
    assert bundle.close() == Sample(10.2, {"c": 3})
    assert bundle.close() is None


def test_a_bundle_closes_when_a_value_comes_again_or_the_clock_is_set_back() -> None:
    bundle = Bundle(0.1)
    bundle.add({"a": 1}, 10.0)
    assert bundle.add({"a": 2}, 10.0) == Sample(10.0, {"a": 1})
    assert bundle.left_s(5.0) == pytest.approx(0.1)
    assert bundle.add({"b": 3}, 5.0) == Sample(10.0, {"a": 2})
    assert bundle.close() == Sample(5.0, {"b": 3})


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://host/rover/#", Address("host", 1883, False, "rover/#")),
        ("mqtts://[::1]:99/a%20b/+", Address("::1", 99, True, "a b/+")),
        ("mqtt://u:p%40w@host//a", Address("host", 1883, False, "/a", "u", "p@w")),
        ("mqtt://u@host/$share/g/a", Address("host", 1883, False, "$share/g/a", "u")),
    ],
)
def test_a_url_is_taken_apart(url: str, address: Address) -> None:
    assert Address.parse(url, {}) == address
    assert "p@w" not in repr(address)


@pytest.mark.parametrize(
    ("topics", "topic", "name"),
    [
        ("rover/#", "rover/arm/temperature", "arm.temperature"),
        ("rover/+/temperature", "rover/arm/temperature", "arm.temperature"),
        ("rover/#", "rover", "rover"),
        ("rover/speed", "rover/speed", "speed"),
        ("#", "rover/speed", "rover.speed"),
        ("$share/g/rover/+", "rover/speed", "speed"),
    ],
)
def test_a_parameter_is_named_by_what_the_filter_leaves_open(
    topics: str, topic: str, name: str
) -> None:
    assert Address("host", 1883, False, topics).parameter(topic) == name


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mqtt:rover", "it names no broker; write mqtt://host:port/topic/filter"),
        ("mqtt:///rover", "it names no broker"),
        ("mqtt://host", "it names no topic; write mqtt://"),
        ("mqtt://host/", "it names no topic"),
        ("mqtt://host:x/a", "Port could not be cast"),
        ("mqtt://host/a#", "'a#' is no topic filter"),
        ("mqtt://host/%00", "without a zero"),
        ("mqtt://host/a?qos=3", "qos=3: "),
        ("mqtt://host/a?keepalive_s=0", "keepalive_s=0: "),
        ("mqtt://host/a?window_s=0", "window_s=0: "),
        ("mqtt://host/a?each=topic", "each=topic: "),
        ("mqtt://host/a?each=parameter&path=x", "path and time are for each=sample"),
    ],
)
def test_a_mistake_is_told(url: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert told in str(caught.value)


def test_it_is_paced_only_if_somebody_says_how() -> None:
    assert not isinstance(open_source("telemetry", "mqtt://host/a"), Paced)
    assert isinstance(open_source("telemetry", "mqtt://host/a?period_s=1"), Paced)


def test_without_aiomqtt_the_install_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("sources.mqtt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(SourceError, match=r"pip install 'cosmic-rover\[mqtt\]'"):
        open_source("telemetry", "mqtt://host/a")
