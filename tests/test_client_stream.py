"""The client's streams reconnect, resume, and report what is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anyio import fail_after

from rover import client
from rover.client import (
    Client,
    ClientError,
    ConnectionFailed,
    Gap,
    Interruption,
    NotARover,
    Refused,
    Sample,
    Silent,
)
from rover.client.backoff import MAX_RETRY_AFTER_S, Backoff
from rover.client.http import retry_after
from tests.cutting import cutting, events, scripted
from tests.serving import free_port
from tests.test_telemetry_routes import START, ManualSource, serving

if TYPE_CHECKING:
    from tests.conftest import Serve

pytestmark = pytest.mark.anyio

SAMPLE = 'id: a-{n}\ndata: {{"t": "2026-09-21T14:13:2{n}.000Z", "speed": {n}}}\n\n'
RETRY = "retry: 50\n\n"


def samples(*numbers: int) -> str:
    return "".join(SAMPLE.format(n=n) for n in numbers)


def header(head: bytes, name: bytes) -> bytes | None:
    lines = (line.partition(b": ") for line in head.lower().splitlines())
    return next((value for found, _, value in lines if found == name), None)


async def test_a_stream_resumes_after_each_cut_without_loss_or_duplicate(serve: Serve) -> None:
    source = ManualSource(40)
    received: list[Sample] = []
    cuts = 0
    async with (
        serving(serve, source, retry_ms=50) as (url, _),
        cutting(url, 900, 700, 1500) as proxy,
        Client(proxy.url) as rover,
        rover.telemetry(last=40) as stream,
    ):
        with fail_after(10):
            while len(received) < 40:
                event = await anext(stream)
                if isinstance(event, Sample):
                    received.append(event)
                assert not isinstance(event, Gap)
                cuts += isinstance(event, Interruption)
    assert [sample.values["speed"] for sample in received] == list(range(40))
    assert [sample.t for sample in received] == [START + n for n in range(40)]
    assert cuts == 3
    resumed = [header(head, b"last-event-id") for head in proxy.requests]
    assert resumed[0] is None
    assert all(resumed[1:])
    assert b"last=" not in proxy.requests[1]


async def test_a_gap_is_a_value() -> None:
    gap = {"after": "a-1", "resumed": "a-7", "lost": 6, "reason": "expired"}
    body = f"{RETRY}{samples(1)}event: gap\ndata: {json.dumps(gap)}\n\n{samples(8)}"
    async with scripted(events(body)) as server, Client(server.url) as rover:
        stream = rover.telemetry()
        found = [await anext(stream) for _ in range(3)]
    assert found[1] == Gap(6, "expired", "a-1", "a-7")


async def test_bye_disconnects_and_the_retry_time_of_the_server_is_used() -> None:
    body = f"{samples(1)}event: bye\nretry: 100\ndata: {{}}\n\n"
    async with scripted(events(body), events(samples(2))) as server, Client(server.url) as rover:
        stream = rover.telemetry()
        first, bye, second = [await anext(stream) for _ in range(3)]
    assert isinstance(bye, Interruption)
    assert 0.05 <= bye.retry_s <= 0.1
    assert [e.id for e in (first, second) if isinstance(e, Sample)] == ["a-1", "a-2"]
    assert header(server.requests[1], b"last-event-id") == b"a-1"


async def test_a_server_that_restarts_is_asked_again_after_its_retry_after() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
    async with scripted(events(RETRY + samples(1)), busy) as server, Client(server.url) as rover:
        stream = rover.telemetry()
        _, cut, refused = [await anext(stream) for _ in range(3)]
    assert isinstance(cut, Interruption)
    assert cut.retry_s <= 0.05
    assert isinstance(refused, Interruption)
    assert refused.retry_s == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 503])
async def test_a_first_attempt_that_is_refused_raises(status: int) -> None:
    problem = b'{"detail": "the reason"}'
    head = f"HTTP/1.1 {status} No\r\ncontent-type: application/problem+json\r\n"
    answer = f"{head}content-length: {len(problem)}\r\n\r\n".encode() + problem
    async with scripted(answer) as server, Client(server.url) as rover:
        with pytest.raises(Refused) as refused:
            await anext(rover.telemetry())
    assert (refused.value.status, refused.value.detail) == (status, "the reason")


async def test_a_permanent_refusal_ends_a_stream_that_was_connected() -> None:
    gone = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    async with scripted(events(RETRY + samples(1)), gone) as server, Client(server.url) as rover:
        stream = rover.telemetry()
        await anext(stream)
        await anext(stream)
        with pytest.raises(Refused):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_silence_is_a_cut() -> None:
    async with scripted() as server, Client(server.url) as rover:
        stream = rover.stream("stream/rover-telemetry", {}, silence_s=0.05)
        with pytest.raises(Silent):
            await anext(stream)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
        b"220 mail.example\r\n\r\n",
        events("data: no sample\n\n"),
        events('data: {"no": "time"}\n\n'),
    ],
)
async def test_another_server_is_recognised(answer: bytes) -> None:
    async with scripted(answer) as server, Client(server.url) as rover:
        with pytest.raises(NotARover):
            await anext(rover.telemetry())


async def test_wait_repeats_the_first_attempt_too() -> None:
    async with Client(f"http://127.0.0.1:{free_port()}") as rover:
        with pytest.raises(ConnectionFailed, match="refused"):
            await anext(rover.telemetry())
        assert isinstance(await anext(rover.telemetry(wait=True)), Interruption)


@pytest.mark.parametrize(
    "url",
    ["lab.example", "ftp://lab.example", "http://", "http://[", "http://a:99999", "http://a/?b"],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(ClientError):
        Client(url)


def test_delays_double_up_to_a_limit_with_jitter() -> None:
    backoff = Backoff(2.0)
    ceilings = [2, 4, 8, 16, 30, 30]
    for ceiling in ceilings:
        assert ceiling / 2 <= backoff.next_delay_s() <= ceiling
    assert backoff.next_delay_s(retry_after_s=120) == 120
    assert backoff.next_delay_s(retry_after_s=1e9) == MAX_RETRY_AFTER_S
    backoff.succeed()
    assert backoff.next_delay_s() <= 2


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7") == 7
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert retry_after("Fri, 31 Dec 9999 23:59:59 GMT")
    assert retry_after("soon") is None
    assert retry_after("\u0663") is None
    assert retry_after(None) is None


def test_the_public_names_are_sorted() -> None:
    assert sorted(client.__all__) == client.__all__
    assert all(getattr(client, name).__doc__ for name in client.__all__)
