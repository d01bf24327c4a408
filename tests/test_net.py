"""Lines over TCP and UDP, over real sockets."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio import (
    BrokenResourceError,
    Event,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
)
from anyio.abc import SocketAttribute

from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from sources.base import Paced, SourceError
from sources.lines import LineTelemetry
from sources.lines.splitter import MAX_LINE_BYTES
from sources.lines.telemetry import MAX_UNREADABLE
from sources.links import tcp
from sources.registry import open_source
from tests.reading import first_error, reading
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from anyio.abc import SocketStream

    from sources.base import Sample
    from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


def source_of(url: str) -> LineTelemetry:
    source = open_source("telemetry", url)
    assert isinstance(source, LineTelemetry)
    return source


def port_of(source: LineTelemetry) -> int:
    return int(source.place.rpartition(":")[2])


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[tuple[LineTelemetry, Recorder[Sample]]]:
    """A listener that is open, and the samples that it has received."""
    source = source_of(url)
    async with reading(source) as samples:
        await until(lambda: port_of(source))
        yield source, samples


@asynccontextmanager
async def machine(*lines: bytes, close: bool = True, port: int = 0) -> AsyncIterator[int]:
    """A TCP server that sends some bytes to each client; yields its port."""

    async def answer(client: SocketStream) -> None:
        async with client:
            with suppress(BrokenResourceError):  # the client has closed the connection
                for line in lines:
                    await client.send(line)
                if not close:
                    await Event().wait()

    async with (
        await create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener,
        create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 # no Django here
        tasks.cancel_scope.cancel()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        yield found


@pytest.fixture
def other_sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.2", 0))
        yield found


def values(samples: Recorder[Sample]) -> list[dict[str, object]]:
    return [dict(sample.values) for sample in samples]


async def test_a_tcp_client_reads_lines_across_packets() -> None:
    async with (
        machine(b"a=1\nb=", b"2\r\n", b"c=3", close=False) as port,
        reading(source_of(f"tcp://127.0.0.1:{port}")) as samples,
    ):
        await samples.until(lambda found: len(found) == 2)
    assert values(samples) == [{"a": 1}, {"b": 2}]


async def test_a_machine_that_closes_the_connection_is_an_error_with_its_address() -> None:
    async with machine(b"a=1\n") as port:
        error = await first_error(source_of(f"tcp://127.0.0.1:{port}"))
    assert isinstance(error, SourceError)
    assert f"tcp://127.0.0.1:{port}" in str(error)


async def test_a_machine_that_does_not_exist_is_an_error() -> None:
    async with machine() as port:
        pass
    error = await first_error(source_of(f"tcp://127.0.0.1:{port}"))
    assert isinstance(error, SourceError)


def keepalive_timers(port: int) -> int:
    """The number of connections from or to a port whose silence the system watches."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = f":{port:04X}"
    return sum(
        row[5].startswith("02:") for row in rows if row[1].endswith(ends) or row[2].endswith(ends)
    )


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
async def test_connections_of_client_and_listener_are_probed_while_they_are_silent() -> None:
    async with (
        machine(b"a=1\n", close=False) as port,
        reading(source_of(f"tcp://127.0.0.1:{port}")) as samples,
    ):
        await samples.until(lambda found: len(found) == 1)
        assert keepalive_timers(port) == 1
    async with listening("tcp-listen://:0") as (source, samples):
        with socket.create_connection(("127.0.0.1", port_of(source))) as client:
            client.sendall(b"a=1\n")
            await samples.until(lambda found: len(found) == 1)
            assert keepalive_timers(port_of(source)) == 1


async def test_a_restarted_machine_is_read_again() -> None:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    async with create_task_group() as tasks:
        async with machine(b"a=1\n", close=False) as port:
            telemetry = Telemetry(source_of(f"tcp://127.0.0.1:{port}"), settings, flusher)
            for run in (flusher.run, telemetry.run):
                tasks.start_soon(run)
            await until(lambda: telemetry.health.state is State.LIVE)
        await until(lambda: telemetry.health.state is State.DOWN)
        assert str(port) in telemetry.health.detail
        async with machine(b"a=2\n", close=False, port=port):
            await until(lambda: telemetry.health.state is State.LIVE)
            tasks.cancel_scope.cancel()


async def test_machines_connect_to_a_listener_and_leave_it() -> None:
    async with listening("tcp-listen://:0") as (source, samples):
        async with await connect_tcp("127.0.0.1", port_of(source)) as first:
            await first.send(b"a=1\nb=")
            await samples.until(lambda found: len(found) == 1)
            async with await connect_tcp("127.0.0.1", port_of(source)) as second:
                await second.send(b"c=3\n")  # not mixed with the first one's unfinished line
                await samples.until(lambda found: len(found) == 2)
            await first.send(b"2\n")
            await samples.until(lambda found: len(found) == 3)
        async with await connect_tcp("127.0.0.1", port_of(source)) as third:
            await third.send(b"d=4\n")
            await samples.until(lambda found: len(found) == 4)
    assert values(samples) == [{"a": 1}, {"c": 3}, {"b": 2}, {"d": 4}]


async def test_an_unfinished_line_of_a_closed_or_reset_connection_is_lost() -> None:
    async with listening("tcp-listen://:0") as (source, samples):
        for linger in (None, struct.pack("ii", 1, 0)):  # the second one resets the connection
            with socket.create_connection(("127.0.0.1", port_of(source))) as client:
                if linger:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                client.sendall(b"a=1\nb=2")
                count = len(samples) + 1
                await samples.until(lambda found, count=count: len(found) == count)  # type: ignore[misc]
        await until(lambda: source.losses.count == 2)
    assert values(samples) == [{"a": 1}, {"a": 1}]


async def test_a_listener_accepts_a_limited_number_of_connections() -> None:
    async with listening("tcp-listen://:0") as (source, samples):
        clients = []
        for number in range(tcp.MAX_CONNECTIONS + 1):
            client = await connect_tcp("127.0.0.1", port_of(source))
            clients.append(client)
            if number < tcp.MAX_CONNECTIONS:
                await client.send(b"a=1\n")
                await samples.until(lambda found: len(found) == number + 1)  # noqa: B023
        with fail_after(5), pytest.raises(Exception):  # noqa: B017, PT011 # closed or reset
            await clients[-1].receive()
        for client in clients:
            await client.aclose()


@pytest.mark.parametrize("scheme", ["tcp-listen", "udp"])
async def test_a_listener_on_a_busy_port_is_an_error_that_names_the_port(scheme: str) -> None:
    async with listening(f"{scheme}://:0") as (source, _):
        error = await first_error(source_of(f"{scheme}://:{port_of(source)}"))
    assert isinstance(error, SourceError)
    assert str(port_of(source)) in str(error)


@pytest.mark.parametrize("written", ["udp:0", "udp::0", "udp://:0", "udp:127.0.0.1:0"])
async def test_the_slashes_of_an_address_may_be_left_out(written: str) -> None:
    async with listening(written) as (source, _):
        assert source.place == f"udp://127.0.0.1:{port_of(source)}"


@pytest.mark.parametrize("scheme", ["tcp-listen", "udp"])
async def test_a_listener_without_a_host_is_open_to_this_machine_only(scheme: str) -> None:
    async with listening(f"{scheme}://:0") as (source, _):
        assert source.place == f"{scheme}://127.0.0.1:{port_of(source)}"


async def test_a_datagram_has_one_or_several_lines(sender: socket.socket) -> None:
    async with listening("udp://:0") as (source, samples):
        address = ("127.0.0.1", port_of(source))
        for datagram in (b"a=1\nb=2\n", b'{"c": 3}', b"", b"\n", b"x,y\n4,5"):
            sender.sendto(datagram, address)
        await samples.until(lambda found: len(found) == 4)
    assert values(samples) == [{"a": 1}, {"b": 2}, {"c": 3}, {"x": 4, "y": 5}]


async def test_an_unfinished_datagram_is_not_joined_with_the_next(sender: socket.socket) -> None:
    async with listening("udp://:0?format=json") as (source, samples):
        address = ("127.0.0.1", port_of(source))
        for datagram in (b'{"a": ', b"1}", b'{"b": 2}'):
            sender.sendto(datagram, address)
        await samples.until(lambda found: len(found) == 1)
        assert source.losses.count == 2
    assert values(samples) == [{"b": 2}]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports dropped datagrams")
async def test_datagrams_that_the_system_drops_are_counted(sender: socket.socket) -> None:
    async with listening("udp://:0") as (source, samples):
        address, sent = ("127.0.0.1", port_of(source)), 0

        def send() -> None:
            nonlocal sent
            sent += 1
            sender.sendto(b"temp=21.5", address)

        for _ in range(20_000):  # more than the buffer holds, while the source cannot read
            send()
        await until(lambda: len(samples) > 100)
        assert source.losses.count == 0  # the number comes with the next datagram that is kept

        def is_counted() -> bool:
            send()
            return source.losses.count > 0

        await until(is_counted)
        await until(lambda: source.losses.count + len(samples) == sent)


async def test_two_senders_never_share_a_parameter(
    sender: socket.socket, other_sender: socket.socket
) -> None:
    async with listening("udp://:0") as (source, samples):
        address = ("127.0.0.1", port_of(source))
        sender.sendto(b"temp=20", address)
        other_sender.sendto(b"temp=30 hum=40", address)
        sender.sendto(b"temp=21", address)
        await samples.until(lambda found: len(found) == 3)
        assert source.losses.count == 1
    assert values(samples) == [{"temp": 20}, {"hum": 40}, {"temp": 21}]


async def test_the_sender_is_part_of_the_name_if_asked(
    sender: socket.socket, other_sender: socket.socket
) -> None:
    async with listening("udp://:0?prefix=sender") as (source, samples):
        address = ("127.0.0.1", port_of(source))
        sender.sendto(b"temp [K],hum\n290,40\n", address)
        other_sender.sendto(b"temp=30", address)
        await samples.until(lambda found: len(found) == 2)
    assert values(samples) == [
        {"127_0_0_1.temp": 290, "127_0_0_1.hum": 40},
        {"127_0_0_2.temp": 30},
    ]
    assert {p.name: p.unit for p in source.parameters}["127_0_0_1.temp"] == "K"


async def test_a_sender_without_line_ends_costs_bounded_memory_and_is_reported() -> None:
    async with listening("tcp-listen://:0") as (source, samples):
        async with await connect_tcp("127.0.0.1", port_of(source)) as client:
            await client.send(b"x" * (2 * MAX_LINE_BYTES) + b"\na=1\n")
            await samples.until(lambda found: len(found) == 1)
        assert source.losses.count == 1


async def test_a_link_without_a_readable_line_is_an_error() -> None:
    async with machine(b"hello\n" * MAX_UNREADABLE, close=False) as port:
        with fail_after(5):
            error = await first_error(source_of(f"tcp://127.0.0.1:{port}"))
    assert isinstance(error, SourceError)
    assert "format" in str(error)


def test_it_is_paced_only_with_a_period() -> None:
    assert isinstance(source_of("tcp://127.0.0.1:9?period_s=0.5"), Paced)
    assert not isinstance(source_of("tcp://127.0.0.1:9"), Paced)


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("tcp://127.0.0.1", "tcp://host:port"),
        ("tcp://:5005", "tcp://host:port"),
        ("tcp:5005", "tcp://host:port"),
        ("tcp://host:0", "port=0: "),
        ("udp://:99999", "udp://host:port"),
        ("tcp-listen://[::1", "tcp-listen://host:port"),
        ("udp://:5005?format=xml", "format=xml: "),
        ("udp://:5005?prefix=x", "prefix=x: "),
        ("udp://:5005?format=json&columns=a", "columns=a: "),
        ("tcp://host:5005?prefix=sender", "prefix=sender: "),
    ],
)
def test_an_invalid_url_or_option_is_refused(url: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert fact in str(caught.value)
