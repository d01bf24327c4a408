"""Notifications reach a receiver, and a receiver that is down or slow delays nothing."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever

from rover.errors import SettingError
from rover.flush import Flusher
from rover.settings import Settings
from rover.telemetry import Telemetry
from rover.telemetry.alarms import AlarmLog
from rover.telemetry.limits import Level, LimitWatch
from rover.telemetry.notices import Message, Notice
from rover.telemetry.notify import Notifier, Timing
from rover.telemetry.receivers import SendError, open_receivers
from sources.base import Limits, Parameter, Sample
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rover.telemetry.alarm import Action, Alarm

pytestmark = pytest.mark.anyio

T = 1_790_000_000.0
FAST = Timing(alarm_interval_s=3600, pause_s=0, first_retry_s=0.001, send_timeout_s=0.05)
PARAMETERS = [
    Parameter("speed", "m/s", limits=Limits(yellow=(None, 50), red=(None, 80))),
    Parameter("battery", "V", limits=Limits(red=(3.2, None))),
]
MESSAGE = Message([Notice("1", "speed is red", Level.RED, {"parameter": "speed"})])


class Endpoint:
    """An HTTP server that stores what it receives.

    Attributes:
        requests: path, headers and JSON of each request.
        statuses: of the next responses; 200 after the last.
        answers: cleared while no request is answered.
    """

    def __init__(self) -> None:
        self.requests: Queue[tuple[str, dict[str, str], Any]] = Queue()
        self.statuses: list[int] = []
        self.answers = threading.Event()
        self.answers.set()

    @contextmanager
    def running(self) -> Iterator[str]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.answers.wait(20)
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.requests.put((self.path, headers, json.loads(body)))
                self.send_response(endpoint.statuses.pop(0) if endpoint.statuses else 200)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            yield f"127.0.0.1:{server.server_port}"
            self.answers.set()
            server.shutdown()
            thread.join()


class Mission:
    """Alarms that are reported to a notifier."""

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier
        self.log = AlarmLog(clock=lambda: T, on_change=self._report)
        self._watch = LimitWatch(PARAMETERS)
        self._t = T

    def measure(self, **values: float) -> None:
        self._t += 1
        for change in self._watch.check(Sample(self._t, values)):
            self.log.apply(change)

    def _report(self, alarm: Alarm, action: Action, was: Level) -> None:
        self.notifier.report(alarm, action, was, self.log.as_json(alarm))

    @property
    def states(self) -> list[dict[str, Any]]:
        return [dict(state) for state in self.notifier.as_json()]


@asynccontextmanager
async def mission(urls: str, **options: Any) -> AsyncIterator[Mission]:
    notifier = Notifier(open_receivers(urls), **{"timing": FAST, "clock": lambda: T, **options})
    async with create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        with fail_after(20):
            yield Mission(notifier)
        tasks.cancel_scope.cancel()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


async def test_a_webhook_gets_an_alarm_that_is_raised_gets_worse_and_ends(
    endpoint: Endpoint,
) -> None:
    timing = FAST._replace(alarm_interval_s=0)
    with endpoint.running() as host:
        async with mission(f"http://ops:s%40cret@{host}/hook?key=k3y", timing=timing) as alarms:
            bodies: list[dict[str, Any]] = []
            for speed in (60, 90, 60, 20):  # the return to yellow is no news
                alarms.measure(speed=speed)
                if speed != 60 or not bodies:
                    await until(lambda: not endpoint.requests.empty())
                    path, headers, body = endpoint.requests.get()
                    assert path == "/hook?key=k3y"
                    assert headers["content-type"] == "application/json"
                    assert headers["authorization"] == "Basic b3BzOnNAY3JldA=="
                    bodies.append(body)
                sent = len(bodies)
                await until(lambda sent=sent: alarms.states[0]["sent"] == sent)  # type: ignore[misc]
    found = [
        [(a["action"], a["level"], a["value"], a["unit"]) for a in b["alarms"]] for b in bodies
    ]
    assert found == [
        [("raised", "yellow", 60, "m/s")],
        [("changed", "red", 90, "m/s")],
        [("ended", "nominal", 20, "m/s")],
    ]
    assert bodies[1]["text"] == "speed is red: 90 m/s, above 80 m/s"
    assert {body["more"] for body in bodies} == {0}


async def test_a_message_is_sent_again_until_it_is_accepted(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.statuses = [503, 302, 404]
    with endpoint.running() as host:
        async with mission(f"http://ops:s3cret@{host}/t0ken") as alarms:
            alarms.measure(speed=90)
            await until(lambda: alarms.states[0]["sent"] == 1)
            [state] = alarms.states
    assert (state["failed"], state["waiting"], state["state"]) == (3, 0, "ok")
    assert (state["receiver"], "404" in state["last_error"]) == (f"http://{host}", True)
    assert [endpoint.requests.get()[0] for _ in range(4)] == ["/t0ken"] * 4
    assert endpoint.requests.empty()
    for secret in ("s3cret", "t0ken"):
        assert secret not in caplog.text + json.dumps(state)


async def test_a_dead_and_a_slow_receiver_delay_no_other(endpoint: Endpoint) -> None:
    slow = Endpoint()
    slow.answers.clear()
    with socket.socket() as unused, endpoint.running() as host, slow.running() as slow_host:
        unused.bind(("127.0.0.1", 0))  # nothing listens there
        dead_host = f"127.0.0.1:{unused.getsockname()[1]}"
        urls = f"http://{dead_host}/, http://{slow_host}/ http://{host}/"
        async with mission(urls) as alarms:
            alarms.measure(speed=90)
            await until(lambda: alarms.states[2]["sent"] == 1)
            await until(lambda: all(state["failed"] > 2 for state in alarms.states[:2]))
            assert [state["state"] for state in alarms.states] == ["failing", "failing", "ok"]
            assert [state["waiting"] for state in alarms.states[2:]] == [0]
            slow.answers.set()
            await until(lambda: alarms.states[1]["state"] == "ok")
    assert slow.requests.qsize() == 2  # one thread at a time, whatever the number of attempts


async def test_a_shelved_alarm_is_not_sent_until_its_shelf_ends(endpoint: Endpoint) -> None:
    with endpoint.running() as host:
        async with mission(f"http://{host}/", timing=FAST._replace(alarm_interval_s=0)) as alarms:
            alarms.measure(speed=90)
            await until(lambda: alarms.states[0]["sent"] == 1)
            [alarm] = alarms.log.latched
            alarms.log.shelve(alarm.id, "bo", "", 5)
            alarms.measure(speed=20)
            alarms.measure(speed=95)
            assert alarms.states[0]["waiting"] == 0
            alarms.log.shelve(alarm.id, "bo", "", 0)
            await until(lambda: alarms.states[0]["sent"] == 2)
    found = [endpoint.requests.get()[2]["alarms"][0] for _ in range(2)]
    assert [(a["action"], a["value"]) for a in found] == [("raised", 90), ("unshelved", 95)]


async def test_alarms_below_the_minimum_level_are_not_sent(endpoint: Endpoint) -> None:
    with endpoint.running() as host:
        async with mission(f"http://{host}/", min_level=Level.RED) as alarms:
            alarms.measure(speed=60)
            alarms.measure(battery=3.1999999)
            await until(lambda: alarms.states[0]["sent"] == 1)
    body = endpoint.requests.get()[2]
    assert body["text"] == "battery is red: 3.1999999 V, below 3.2 V"


class Hot:
    """A source whose speed is too high."""

    parameters = tuple(PARAMETERS)

    async def samples(self) -> AsyncIterator[Sample]:
        yield Sample(T, {"speed": 90.0})
        await sleep_forever()


async def test_an_alarm_of_the_telemetry_reaches_the_receivers_of_the_settings(
    endpoint: Endpoint,
) -> None:
    with endpoint.running() as host:
        settings = Settings(notify=f"http://{host}/", notify_level="red")
        telemetry = Telemetry(Hot(), settings, Flusher(settings.heartbeat_s), clock=lambda: T)
        async with create_task_group() as tasks:
            tasks.start_soon(telemetry.run)
            with fail_after(20):
                await until(lambda: telemetry.notifier.as_json()[0]["sent"] == 1)
            tasks.cancel_scope.cancel()
    [alarm] = endpoint.requests.get()[2]["alarms"]
    assert (alarm["id"], alarm["action"]) == (telemetry.alarms.latched[0].id, "raised")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise_sends_to_its_services(endpoint: Endpoint) -> None:
    with endpoint.running() as host:
        [receiver] = open_receivers(f"json://user:s3cret@{host}/t0ken")
        receiver.send(MESSAGE)
        endpoint.statuses = [500]
        with pytest.raises(SendError) as caught:
            receiver.send(MESSAGE)
    path, _, body = endpoint.requests.get()
    assert (path, body["message"], body["type"]) == ("/t0ken", "speed is red", "failure")
    for text in (receiver.name, str(caught.value)):
        assert "s3cret" not in text
        assert "t0ken" not in text


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "urls",
    [
        "s3cret",
        "https:///s3cret",
        "https://host:port/s3cret",
        "https://host/s3cret\0",
        "https://host/ unknown://s3cret",
        "unknown://s3cret",
    ],
)
def test_an_unusable_url_stops_the_start_without_its_secret(urls: str) -> None:
    with pytest.raises(SettingError) as caught:
        open_receivers(urls)
    assert caught.value.name == "ROVER_NOTIFY"
    assert "s3cret" not in str(caught.value)


def test_urls_are_separated_by_white_space_or_commas() -> None:
    receivers = open_receivers(
        " https://a.example/x,y https://b.example:8443/z,\nhttp://[::1]:80/ "
    )
    assert [receiver.name for receiver in receivers] == [
        "https://a.example",
        "https://b.example:8443",
        "http://[::1]:80",
    ]
    assert open_receivers("") == []


def test_the_settings_hide_the_urls_and_check_the_level() -> None:
    settings = Settings.from_env({"ROVER_NOTIFY": "https://h.example/s3cret"})
    assert "s3cret" not in repr(settings)
    with pytest.raises(SettingError):
        Settings.from_env({"ROVER_NOTIFY_LEVEL": "orange"})
