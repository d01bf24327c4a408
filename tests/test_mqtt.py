"""Telemetry from MQTT, with a real mosquitto if it is installed.

The tests start the broker on a free port of the loopback. If it is not installed, they are skipped,
or fail with CI=true.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, suppress
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
from sources.values.flatten import dotted
from sources.values.losses import Losses
from tests.one_stream import OneStream
from tests.programs import needs
from tests.recorder import Recorder
from tests.samples import next_sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from anyio.abc import SocketStream

    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

PASSWORD = "s p@ce"  # noqa: S105 # of a broker that lives for a second


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops: aiomqtt uses `loop.add_reader`, and uvicorn runs uvloop."""
    return "asyncio", {"use_uvloop": request.param}


class Mosquitto:
    """A broker that can be killed and restarted on the same port."""

    def __init__(self, binary: str, folder: Path, *config: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._config = folder / f"mosquitto-{self.port}.conf"
        common = (
            "user root",
            "persistence false",
            "connection_messages false",
            "log_type information",
            f"listener {self.port} 127.0.0.1",
        )
        self._config.write_text("\n".join((*common, *(config or ("allow_anonymous true",)))))
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the broker; returns when it logs that it is running."""
        with fail_after(15):
            await to_thread.run_sync(self._start, abandon_on_cancel=True)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.rstrip().endswith(b" running"):
                return
        raise AssertionError("mosquitto ended")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def url(self, topics: str, query: str = "", scheme: str = "mqtt", user: str = "") -> str:
        url = f"{scheme}://{user}127.0.0.1:{self.port}/{topics}"
        return f"{url}?{query}" if query else url


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes brokers with a configuration, and ends them."""
    made: list[Mosquitto] = []

    def make(*config: str) -> Mosquitto:
        made.append(Mosquitto(needs("mosquitto"), tmp_path, *config))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@asynccontextmanager
async def followed(source: Any) -> AsyncIterator[Recorder[Sample]]:
    """Read the source during the block; yields its samples as they arrive."""
    found: Recorder[Sample] = Recorder()

    async def read() -> None:
        async for sample in source.samples():
            found.append(sample)

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
    """Publish a retained message: a source that receives it is subscribed."""
    await publish(broker, (topic, {"ready": True} if payload is None else payload), retain=True)


async def test_objects_become_samples_in_order(broker: Callable[..., Mosquitto]) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/state")
    async with followed(open_source("telemetry", it.url("rover/%23"))) as found:
        await found.until(lambda found: len(found) == 1)
        await publish(it, *(("rover/state", {"t": 1_790_000_000 + n, "n": n}) for n in range(50)))
        await publish(it, ("rover/state", [{"a": 1}, {"location": {"lat": 18.4, "lon": 77.5}}]))
        await found.until(lambda found: len(found) == 53)
    assert [(s.t, s.values) for s in found[1:51]] == [
        (1_790_000_000 + n, {"state.n": n}) for n in range(50)
    ]
    assert found[51].t == pytest.approx(found[52].t)
    assert found[52].values == {"state.location": {"lat": 18.4, "lon": 77.5}}


async def test_a_message_without_a_sample_is_counted_and_the_next_is_read(
    broker: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a")
    source = MqttTelemetry(it.url("rover/+"))
    async with followed(source) as found:
        await found.until(lambda found: len(found) == 1)
        await publish(it, ("rover/a", b"\xff\x00"), ("rover/a", b"{"), ("rover/b", {"b": 1}))
        await found.until(lambda found: len(found) == 2)
    assert found[1].values == {"b.b": 1}
    assert source.losses.count == 2
    for fact in ("b'\\xff\\x00'", "'rover/a'", "UTF-8"):
        assert fact in caplog.text


async def test_a_single_value_is_a_sample_once_its_window_closes(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/arm/temperature", 21.5)
    url = it.url("rover/+/temperature", "each=parameter&window_s=0.05")
    async with followed(open_source("telemetry", url)) as found:
        await found.until(lambda found: len(found) == 1)
    assert found[0].values == {"arm.temperature": 21.5}


async def test_single_values_are_gathered_and_no_value_is_lost(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    source = MqttTelemetry(it.url("rover/#"), each="parameter", window_s=60)
    async with followed(source) as found:
        with fail_after(10):
            while not found:  # a second value of a parameter closes the sample
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
        await found.until(lambda found: sum("speed" in s.values for s in found) == 3)
    gathered, *rest = (sample for sample in found if "speed" in sample.values)
    assert gathered.values == {
        "ready": 1,
        "arm.temperature": 21.5,
        "mode": "parked",
        "on": True,
        "at": {"lat": 18.4, "lon": 77.5},
        "speed": 0.1,
    }
    assert [sample.values for sample in rest] == [{"speed": 0.2}, {"speed": 0.3}]
    assert gathered.t <= rest[0].t <= rest[1].t
    assert source.losses.count == 1


async def test_retained_messages_can_be_ignored(broker: Callable[..., Mosquitto]) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a", {"old": 1})
    async with followed(open_source("telemetry", it.url("rover/#", "retained=no"))) as found:
        with fail_after(10):
            while not found:
                await publish(it, ("rover/a", {"new": 1}))
    assert {name for sample in found for name in sample.values} == {"a.new"}


async def test_a_session_stores_messages_between_connections(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a")
    source = open_source("telemetry", it.url("rover/a", "qos=1&client_id=cosmic"))
    async with followed(source) as found:
        await found.until(lambda found: len(found) == 1)
    await publish(it, *(("rover/a", {"n": n}) for n in range(5)))
    async with followed(source) as found:
        await found.until(lambda found: len(found) >= 5)
    assert [s.values["n"] for s in found if "n" in s.values] == [0, 1, 2, 3, 4]


async def test_streams_stay_open_while_the_broker_restarts(
    broker: Callable[..., Mosquitto], serve: Serve
) -> None:
    it = broker()
    await it.start()
    await ready(it, "rover/a", {"n": 1})
    mission = OneStream()
    flusher = mission.serving.flusher
    source = open_source("telemetry", it.url("rover/#"))
    telemetry = mission.telemetry = Telemetry(source, mission.settings, flusher)
    app = Starlette(routes=telemetry_routes.routes(mission))
    events: Recorder[str] = Recorder()

    async def read(url: str) -> None:
        async with (
            httpx.AsyncClient(timeout=20, trust_env=False) as client,
            aconnect_sse(client, "GET", f"{url}/stream/rover-telemetry?last=100") as stream,
        ):
            async for event in stream.aiter_sse():
                data = json.loads(event.data)
                events.append(f"{event.event}: {data.get('state', data.get('a.n'))}")

    async with serve(app) as url, create_task_group() as tasks:
        for run in (flusher.run, telemetry.run):
            tasks.start_soon(run)
        tasks.start_soon(read, url)
        await events.until(lambda events: "message: 1" in events)
        await to_thread.run_sync(it.kill)
        await events.until(lambda events: events.count("state: down") >= 1)
        assert f"127.0.0.1:{it.port}" in telemetry.health.detail
        await events.until(lambda events: events.count("state: down") >= 2)
        await it.start()
        await ready(it, "rover/a", {"n": 2})
        await events.until(lambda events: "message: 2" in events)
        assert telemetry.health.state is State.LIVE
        assert len(mission.serving.streams) == 1
        tasks.cancel_scope.cancel()


async def test_each_connection_is_closed_at_the_end(broker: Callable[..., Mosquitto]) -> None:
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
            await found.until(lambda found: len(found) == 1)
            assert connections_now() == 1
        assert connections_now() == 0


async def test_user_and_password_are_sent_to_the_broker(
    broker: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "passwords"
    await run_process([needs("mosquitto_passwd"), "-b", "-c", str(passwords), "rover", PASSWORD])
    it = broker("allow_anonymous false", f"password_file {passwords}")
    await it.start()
    async with Client("127.0.0.1", it.port, username="rover", password=PASSWORD) as client:
        await client.publish("rover/a", "{}", qos=1, retain=True)
    with pytest.raises(SourceError, match="MQTT_USERNAME") as caught:
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
            return await next_sample(samples)
    finally:
        await samples.aclose()  # type: ignore[attr-defined] # a generator, as the contract allows


async def test_mqtts_requires_a_valid_certificate(
    broker: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=rover")
    names = ("-addext", "subjectAltName=IP:127.0.0.1")
    await run_process(
        [needs("openssl"), *request, *names, "-keyout", str(key), "-out", str(certificate)]
    )
    it = broker("allow_anonymous true", f"certfile {certificate}", f"keyfile {key}")
    await it.start()
    url = it.url("rover/a", scheme="mqtts")
    with pytest.raises(SourceError, match="certificate verify failed"):
        await first(url)
    with pytest.raises(SourceError, match="without TLS"):
        await first(it.url("rover/a", "connect_timeout_s=0.5"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with followed(open_source("telemetry", url)) as found:
        context = ssl.create_default_context()
        with fail_after(10):
            while not found:
                async with Client("127.0.0.1", it.port, tls_context=context) as client:
                    await client.publish("rover/a", '{"a": 1}', qos=1)
    assert found[0].values == {"a": 1}


class FakeBroker:
    """A server that answers each packet with the next of some answers.

    Attributes:
        answers: those left; an empty one closes the connection.
        may_answer: answers are sent once this is set.
        events: `opened` and `closed` connections, `received` packets, and `answered` ones.
    """

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.may_answer = Event()
        self.may_answer.set()
        self.events: Recorder[str] = Recorder()

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
        self.events.append("opened")
        async with stream:
            with suppress(EndOfStream, BrokenResourceError):
                while await stream.receive():
                    self.events.append("received")
                    await self.may_answer.wait()
                    if self.answers:
                        answer = self.answers.pop(0)
                        if answer:
                            await stream.send(answer)
                        self.events.append("answered")
                        if not answer:
                            break
        self.events.append("closed")

    async def until_all_closed(self, connections: int) -> None:
        """Wait until that many connections were closed, and none is open."""
        await self.events.until(
            lambda events: events.count("opened") == events.count("closed") == connections
        )


CONNACK = b"\x20\x02\x00\x00"
CONNACK_REFUSED = b"\x20\x02\x00\x05"
SUBACK = b"\x90\x03\x00\x01\x00"
SUBACK_REFUSED = b"\x90\x03\x00\x01\x80"


async def test_a_broker_that_never_answers_times_out_and_is_closed() -> None:
    fake = FakeBroker()
    async with fake.serving() as url:
        with pytest.raises(SourceError, match="timed out"):
            await first(f"{url}?connect_timeout_s=0.2")
        await fake.until_all_closed(2)  # the probe, and aiomqtt


async def test_a_broker_that_never_answers_does_not_delay_shutdown() -> None:
    fake = FakeBroker()
    async with fake.serving() as url:
        with fail_after(connections.CONNECT_TIMEOUT_S / 2):
            async with followed(open_source("telemetry", url)):
                await fake.events.until(lambda events: "received" in events)
        await fake.until_all_closed(2)


async def test_a_refused_subscription_is_an_error_with_the_topic() -> None:
    async with FakeBroker(CONNACK, SUBACK_REFUSED).serving() as url:
        with pytest.raises(SourceError, match="'rover/a'"):
            await first(url)


async def test_a_missing_broker_is_an_error_with_its_address() -> None:
    async with FakeBroker().serving() as url:
        pass
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:\d+"):
        await first(url)


By = Literal["scope", "task"]
by_each = pytest.mark.parametrize("by", ["scope", "task"])


@asynccontextmanager
async def cancelled_at_the_end(url: str, by: By) -> AsyncIterator[None]:
    """Read the source during the block, and cancel at its end, within half a second."""
    scope = CancelScope()

    async def read() -> None:
        with scope:
            async for _ in open_source("telemetry", url).samples():
                pass

    task = asyncio.create_task(read())  # asyncio cancels once, anyio until the scope ends
    yield
    assert not task.done()
    (scope if by == "scope" else task).cancel()
    with fail_after(5):
        await asyncio.wait({task})


@asynccontextmanager
async def nothing_left(fake: FakeBroker) -> AsyncIterator[None]:
    """Check that tasks and connections of the block end soon after it."""
    before = asyncio.all_tasks()
    yield
    await fake.events.until(
        lambda events: events.count("opened") == events.count("closed"), timeout_s=10
    )
    while left := asyncio.all_tasks() - before:
        done, _ = await asyncio.wait(left, timeout=10)
        assert done


@by_each
@pytest.mark.parametrize(
    "answers", [(), (CONNACK,), (b"",)], ids=["no answer", "no suback", "closes"]
)
async def test_cancelling_a_stalled_connect_leaves_nothing_open(
    answers: tuple[bytes, ...], by: By
) -> None:
    fake = FakeBroker(*answers)
    async with fake.serving() as url, nothing_left(fake), cancelled_at_the_end(url, by):
        await fake.events.until(
            lambda events: "received" in events and events.count("answered") == len(answers)
        )


@by_each
async def test_cancelling_a_connect_at_any_time_leaves_nothing_open(by: By) -> None:
    fake = FakeBroker()

    async def answer(turns: int) -> None:
        for _ in range(turns):
            await checkpoint()
        fake.may_answer.set()

    async with fake.serving() as url:
        for turns in range(-10, 20):
            fake.answers = [CONNACK, SUBACK]
            fake.may_answer = Event()
            fake.events.clear()
            async with (
                nothing_left(fake),
                create_task_group() as tasks,
                cancelled_at_the_end(url, by),
            ):
                await fake.events.until(lambda events: "received" in events)
                tasks.start_soon(answer, max(0, -turns))
                for _ in range(turns):
                    await checkpoint()


@by_each
@pytest.mark.parametrize(
    "answers", [(), (CONNACK, SUBACK), (CONNACK_REFUSED,)], ids=["no answer", "accepted", "refused"]
)
async def test_a_connection_opened_after_the_cancellation_is_closed(
    answers: tuple[bytes, ...], by: By, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_connect = threading.Event(), threading.Event()
    connect = socket.create_connection

    def connect_late(*args: Any, **options: Any) -> socket.socket:
        begun.set()
        may_connect.wait(10)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", connect_late)  # in the thread of aiomqtt
    fake = FakeBroker(*answers)
    async with fake.serving() as url, nothing_left(fake):
        try:
            async with cancelled_at_the_end(url, by):
                assert await to_thread.run_sync(begun.wait, 10)
        finally:
            may_connect.set()
        await fake.events.until(lambda events: events.count("opened") == 2)  # the probe, aiomqtt


async def test_a_full_queue_drops_and_counts_its_oldest_message() -> None:
    losses = Losses("mqtt")
    queue = connections.drop_oldest(losses)(maxsize=2)
    for n in "abc":
        queue.put_nowait(Message(n, b"", 0, False, 0, None))
    assert [str(queue.get_nowait().topic) for _ in range(2)] == ["b", "c"]
    assert losses.count == 1


def test_a_bundle_closes_after_its_window() -> None:
    bundle = Bundle(0.1)
    assert bundle.left_s(10) is None
    assert bundle.add({"a": 1}, 10.0) is None
    assert bundle.add({"b": 2}, 10.05) is None
    assert bundle.left_s(10.05) == pytest.approx(0.05)
    assert bundle.add({"c": 3}, 10.2) == Sample(10.0, {"a": 1, "b": 2})
    assert bundle.close() == Sample(10.2, {"c": 3})
    assert bundle.close() is None


def test_a_bundle_closes_at_a_second_value_and_when_the_clock_is_set_back() -> None:
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
def test_a_url_is_parsed(url: str, address: Address) -> None:
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
def test_a_value_is_named_by_the_levels_from_the_first_wildcard_on(
    topics: str, topic: str, name: str
) -> None:
    assert dotted(Address("host", 1883, False, topics).value_place(topic)) == name


@pytest.mark.parametrize(
    ("topics", "topic", "name"),
    [
        ("rover/state", "rover/state", ""),
        ("tele/+/SENSOR", "tele/plug/SENSOR", "plug"),
        ("tele/#", "tele/plug/SENSOR", "plug.SENSOR"),
        ("+/rover/#", "lab/rover/arm/state", "lab.arm.state"),
        ("rover/#", "rover", ""),
        ("$share/g/rover/+", "rover/arm", "arm"),
    ],
)
def test_a_sample_is_named_by_the_levels_that_differ(topics: str, topic: str, name: str) -> None:
    assert dotted(Address("host", 1883, False, topics).topic_place(topic)) == name


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("mqtt:rover", "broker"),
        ("mqtt:///rover", "broker"),
        ("mqtt://host", "topic"),
        ("mqtt://host/", "topic"),
        ("mqtt://host:x/a", "'x'"),
        ("mqtt://host/a#", "'a#'"),
        ("mqtt://host/%00", "65,535"),
        ("mqtt://host/a?qos=3", "qos=3: "),
        ("mqtt://host/a?keepalive_s=0", "keepalive_s=0: "),
        ("mqtt://host/a?window_s=0", "window_s=0: "),
        ("mqtt://host/a?each=topic", "each=topic: "),
        ("mqtt://host/a?each=parameter&path=x", "path, time, prefix, format: "),
        ("mqtt://host/a?each=parameter&format=ttn", "path, time, prefix, format: "),
        ("mqtt://host/a?format=xml", "format=xml: "),
        ("mqtt://host/a?timezone=Mars", "timezone=Mars: "),
        ("mqtt://host/a?discovery=a/%23", "discovery=a/#: "),
    ],
)
def test_an_invalid_url_or_option_is_refused(url: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert fact in str(caught.value)


def test_it_is_paced_only_with_a_period() -> None:
    assert not isinstance(open_source("telemetry", "mqtt://host/a"), Paced)
    assert isinstance(open_source("telemetry", "mqtt://host/a?period_s=1"), Paced)


def test_without_aiomqtt_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("sources.mqtt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(SourceError, match=r"pip install 'cosmic-rover\[mqtt\]'"):
        open_source("telemetry", "mqtt://host/a")
