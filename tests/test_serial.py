"""Lines of a serial port: a pseudo terminal stands for the device."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from anyio import create_task_group, fail_after, move_on_after, sleep

from rover.flush import Flusher
from rover.settings import Settings
from rover.supervise import State
from rover.telemetry import Telemetry
from sources.base import SourceError
from sources.links import serial_port
from sources.registry import SourceSettingError, open_source
from tests.reading import first_error, reading
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

quiet = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
"""For pyserial's RFC 2217, which calls deprecated methods of threads."""


class Device:
    """A serial device and its cable: `path` is the port, and stays the same when plugged again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: list[int] = []

    def plug(self) -> None:
        self.ends = list(pty.openpty())
        tty.setraw(self.ends[0])
        os.set_blocking(self.ends[0], False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self.ends[1]))

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        while self.ends:
            os.close(self.ends.pop())

    def send(self, data: bytes) -> None:
        os.write(self.ends[0], data)

    @contextmanager
    def sending(self, data: bytes) -> Iterator[None]:
        """Send the data again and again, without a pause in which a reader could begin."""
        stopped = threading.Event()

        def send() -> None:
            while not stopped.wait(0.001):
                with suppress(BlockingIOError):  # nobody reads: a device does not wait
                    self.send(data)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    found = Device(tmp_path / "ttyUSB0")
    found.plug()
    yield found
    found.unplug()


async def settled() -> None:
    """Wait until a port that was opened before has noticed that no line is arriving."""
    await sleep(3 * serial_port.SETTLE_S)


async def test_a_line_that_began_before_the_port_was_opened_is_skipped(device: Device) -> None:
    source = open_source("telemetry", f"serial:{device.path}?baud=115200")
    with device.sending(b"1.5,hum=40\ntemp=2"):  # each piece begins and ends inside a line
        async with reading(source) as samples:
            await samples.until(lambda found: len(found) >= 3)
    assert samples[0].values == {"temp": 21.5, "hum": 40}


async def test_the_header_of_a_device_that_starts_when_it_is_opened_is_read(device: Device) -> None:
    source = open_source("telemetry", f"serial:{device.path}")
    async with reading(source) as samples:
        await settled()  # an Arduino restarts when its port is opened, and is silent meanwhile
        device.send(b"temp [\xc2\xb0C],hum\r\n21.5,")
        device.send(b"40\r\n")
        await samples.until(lambda found: len(found) == 1)
    assert samples[0].values == {"temp": 21.5, "hum": 40}
    assert [p.unit for p in source.parameters] == ["°C", ""]


async def test_noise_costs_only_its_line(device: Device) -> None:
    async with reading(open_source("telemetry", f"serial:{device.path}")) as samples:
        await settled()
        device.send(bytes(range(14, 256)) + b"\ntemp=21.5\n\x00temp=3\ntemp=22.5\n")
        await samples.until(lambda found: len(found) == 2)
    assert [sample.values["temp"] for sample in samples] == [21.5, 22.5]


async def test_the_wrong_baud_rate_is_an_error_that_names_it(device: Device) -> None:
    with device.sending(b"\x80\xfe\n"):
        error = await first_error(open_source("telemetry", f"serial:{device.path}?baud=57600"))
    assert isinstance(error, SourceError)
    assert "baud=57600" in str(error)


async def test_a_silent_device_can_be_cancelled_and_the_loop_runs_meanwhile(device: Device) -> None:
    ticks = 0
    async with reading(open_source("telemetry", f"serial:{device.path}")) as samples:
        with move_on_after(0.3):
            while True:
                await sleep(0.01)
                ticks += 1
        with fail_after(5):
            device.send(b"a=1\n")
            await samples.until(lambda found: len(found) == 1)
    assert ticks > 3


async def test_a_device_that_was_unplugged_is_read_again_when_it_is_back(device: Device) -> None:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    source = open_source("telemetry", f"serial:{device.path}")
    telemetry = Telemetry(source, settings, flusher)
    async with create_task_group() as tasks:
        for run in (flusher.run, telemetry.run):
            tasks.start_soon(run)
        with device.sending(b"a=1\n"):
            await until(lambda: telemetry.health.state is State.LIVE)
        device.unplug()
        await until(lambda: telemetry.health.state is State.DOWN)
        assert str(device.path) in telemetry.health.detail
        device.plug()
        with device.sending(b"a=2\n"):
            await until(lambda: telemetry.health.state is State.LIVE)
        tasks.cancel_scope.cancel()


async def test_a_device_that_falls_silent_is_stale_until_it_sends_again(device: Device) -> None:
    settings = Settings()
    flusher = Flusher(settings.heartbeat_s)
    source = open_source("telemetry", f"serial:{device.path}?period_s=0.1")
    telemetry = Telemetry(source, settings, flusher)
    async with create_task_group() as tasks:
        for run in (flusher.run, telemetry.run):
            tasks.start_soon(run)
        with device.sending(b"a=1\n"):
            await until(lambda: telemetry.health.state is State.LIVE)
        await until(lambda: telemetry.health.state is State.STALE)
        with device.sending(b"a=1\n"):
            await until(lambda: telemetry.health.state is State.LIVE)
        tasks.cancel_scope.cancel()


async def test_a_port_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    error = await first_error(open_source("telemetry", f"serial:{tmp_path}/ttyUSB9"))
    assert isinstance(error, SourceError)
    assert "ttyUSB9" in str(error)


async def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("temp=21.5\n")
    error = await first_error(open_source("telemetry", f"serial:{tmp_path}/notes.txt"))
    assert isinstance(error, SourceError)


async def test_a_port_that_another_program_reads_is_an_error(device: Device) -> None:
    async with reading(open_source("telemetry", f"serial:{device.path}")) as samples:
        await settled()
        device.send(b"a=1\n")
        await samples.until(lambda found: len(found) == 1)
        error = await first_error(open_source("telemetry", f"serial:{device.path}"))
    assert isinstance(error, SourceError)
    assert isinstance(error.__cause__, OSError)


async def test_a_port_without_permission_is_an_error_that_names_the_group(device: Device) -> None:
    group = device.path.group()
    device.path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may open anything
    try:
        error = await first_error(open_source("telemetry", f"serial:{os.ttyname(device.ends[1])}"))
    finally:
        os.seteuid(user)
    assert isinstance(error, SourceError)
    assert f"usermod -aG {group}" in str(error)


@quiet
async def test_a_port_of_a_computer_that_does_not_answer_can_be_cancelled() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts a connection, and never speaks RFC 2217
        port = silent.getsockname()[1]
        with fail_after(2), move_on_after(0.3) as scope:
            await first_error(open_source("telemetry", f"serial:rfc2217://127.0.0.1:{port}"))
        for thread in threading.enumerate():
            if thread.name.startswith("open "):
                assert thread.daemon
                thread.join()  # pyserial gives up after 3 s
    assert scope.cancelled_caught


@quiet
async def test_a_port_of_another_computer_is_read_over_rfc_2217(device: Device) -> None:
    server = subprocess.Popen(  # noqa: ASYNC220 # it starts at once
        [sys.executable, "-c", REMOTE, os.ttyname(device.ends[1])],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        source = open_source("telemetry", f"serial:rfc2217://127.0.0.1:{port}?baud=19200")
        with device.sending(b"temp=21.5\n"):
            async with reading(source) as samples:
                await samples.until(lambda found: len(found) >= 3)
    finally:
        server.kill()
        server.communicate()
    assert samples[0].values == {"temp": 21.5}


REMOTE = """
import socket, sys, threading, serial, serial.rfc2217
class Port(serial.Serial):  # a pseudo terminal has no modem lines
    cts = dsr = ri = cd = property(lambda self: False)
    _update_dtr_state = _update_rts_state = lambda self: None
port = Port(sys.argv[1], timeout=0.05)
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    client, _ = listener.accept()
class Client:
    write = staticmethod(client.sendall)
manager = serial.rfc2217.PortManager(port, Client())
def receive():
    while data := client.recv(1024):
        port.write(b"".join(manager.filter(data)))
threading.Thread(target=receive, daemon=True).start()
while True:
    if data := port.read(port.in_waiting or 1):
        client.sendall(b"".join(manager.escape(data)))
"""


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("serial:", "serial:some/path"),
        ("serial:/dev/ttyUSB0?baud=3", "baud=3: "),
        ("serial:/dev/ttyUSB0?baud=fast", "baud=fast: "),
        ("serial:/dev/ttyUSB0?framing=9X9", "framing=9X9: "),
        ("serial:socket://host:5005", "tcp://host:port"),
        ("serial:rfc2217://host", "rfc2217://host:port"),
    ],
)
def test_an_invalid_url_or_option_is_refused(url: str, fact: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source("telemetry", url)
    assert fact in str(caught.value)


def test_without_pyserial_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sources.serial_port")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "sources.links.serial_port", raising=False)
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(SourceSettingError) as caught:
        open_source("telemetry", "serial:/dev/ttyUSB0")
    assert caught.value.hint == "pip install 'cosmic-rover[serial]'"
