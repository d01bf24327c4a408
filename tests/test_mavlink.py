"""MAVLink: messages of real pymavlink peers, over UDP, TCP and a serial port."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as dialect

from sources.base import Event, Sample, Severity, SourceError
from sources.links import Chunk
from sources.mavlink import MavlinkTelemetry
from sources.mavlink.receiver import MAX_PARSED_BYTES, MAX_UNREADABLE, Receiver
from sources.mavlink.vehicles import VehicleClock
from sources.registry import SourceSettingError, open_source
from sources.values.losses import Losses
from tests.reading import first_error, reading
from tests.recorder import Recorder
from tests.test_net import machine
from tests.test_serial import Device
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


pytestmark = pytest.mark.anyio

T = 1_790_000_000.0


class Vehicle:
    """A vehicle's side of MAVLink: makes the bytes of messages."""

    def __init__(self, system: int = 1, component: int = 1) -> None:
        self._mavlink = dialect.MAVLink(None, srcSystem=system, srcComponent=component)

    def bytes_of(self, kind: str, *args: Any, **fields: Any) -> bytes:
        message = getattr(self._mavlink, f"{kind}_encode")(*args, **fields)
        packed: bytes = message.pack(self._mavlink)
        return packed


@asynccontextmanager
async def listening(
    query: str = "", events: Recorder[Event] | None = None
) -> AsyncIterator[tuple[MavlinkTelemetry, Recorder[Sample]]]:
    """A source on a free UDP port, and the samples that it has received."""
    source = open_source("telemetry", f"mavlink:udpin:127.0.0.1:0{query}")
    assert isinstance(source, MavlinkTelemetry)
    async with reading(source, events) as samples:
        await until(lambda: not source.place.endswith(":0"))
        yield source, samples


def send(source: MavlinkTelemetry, *packets: bytes, host: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((host, 0))
        for packet in packets:
            peer.sendto(packet, ("127.0.0.1", int(source.place.rpartition(":")[2])))


async def values_of(*packets: bytes, query: str = "") -> dict[str, object]:
    """The values of all messages."""
    async with listening(query) as (source, samples):
        send(source, *packets, Vehicle(9).bytes_of("scaled_pressure", 0, 1, 1, 1))
        await samples.until(lambda found: any("PRESSURE" in key for s in found for key in s.values))
        return {key: value for sample in samples[:-1] for key, value in sample.values.items()}


async def test_a_message_of_a_pymavlink_connection_is_a_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAVLINK20", "1")
    from pymavlink import mavutil

    async with listening() as (source, samples):
        address = source.place.removeprefix("udp://")
        vehicle = mavutil.mavlink_connection(f"udpout:{address}", source_system=1)
        try:
            vehicle.mav.attitude_send(1000, 0.1, -0.2, 0.3, 0.01, -0.02, 0.04)
            await samples.until(lambda found: len(found) == 1)
        finally:
            vehicle.close()
    assert samples[0].values == {
        "ATTITUDE.roll": 0.1,
        "ATTITUDE.pitch": -0.2,
        "ATTITUDE.yaw": 0.3,
        "ATTITUDE.rollspeed": 0.01,
        "ATTITUDE.pitchspeed": -0.02,
        "ATTITUDE.yawspeed": 0.04,
    }
    assert {p.name: p.unit for p in source.parameters}["ATTITUDE.roll"] == "rad"


async def test_the_kinds_and_units_are_those_of_the_dialect() -> None:
    async with listening() as (source, samples):
        send(
            source, Vehicle().bytes_of("sys_status", 0, 0, 0, 500, 12_600, -1, 80, 0, 0, 0, 0, 0, 0)
        )
        await samples.until(lambda found: len(found) == 1)
    kinds = {p.name: (p.kind, p.unit) for p in source.parameters}
    assert kinds["SYS_STATUS.voltage_battery"] == ("integer", "mV")


async def test_mavlink_1_is_read_too() -> None:
    from pymavlink.dialects.v10 import common

    old = common.MAVLink(None, srcSystem=1, srcComponent=1)
    packet = old.vfr_hud_encode(1.5, 2.5, 90, 40, 100.0, 0.5).pack(old)
    assert packet[0] == 0xFE
    assert (await values_of(packet))["VFR_HUD.airspeed"] == 1.5


async def test_a_position_is_a_vector_in_degrees() -> None:
    found = await values_of(
        Vehicle().bytes_of(
            "gps_raw_int", 0, 3, 184_447_000, 774_508_000, 545_400, 90, 120, 50, 0, 8
        )
    )
    assert found["GPS_RAW_INT.location"] == {"lat": 18.4447, "lon": 77.4508}
    assert found["GPS_RAW_INT.fix_type"] == "3D_FIX"
    assert found["GPS_RAW_INT.alt"] == 545_400
    assert "GPS_RAW_INT.lat" not in found


async def test_numbers_that_mean_unknown_are_not_values() -> None:
    vehicle = Vehicle()
    found = await values_of(
        vehicle.bytes_of("gps_raw_int", 0, 0, 0, 0, 0, 65535, 65535, 65535, 65535, 255),
        vehicle.bytes_of("sys_status", 0, 0, 0, 500, 65535, -1, -1, 0, 0, 0, 0, 0, 0),
        vehicle.bytes_of(
            "battery_status", 1, 1, 1, 32767, [4100, 4090] + [65535] * 8, 250, -1, -1, 80
        ),
    )
    assert found["GPS_RAW_INT.location"] is None
    assert found["GPS_RAW_INT.satellites_visible"] is None
    assert found["SYS_STATUS.voltage_battery"] is None
    assert found["SYS_STATUS.battery_remaining"] is None
    assert found["BATTERY_STATUS.1.voltages.1"] == 4090
    assert found["BATTERY_STATUS.1.voltages.2"] is None
    assert found["BATTERY_STATUS.1.temperature"] is None
    assert found["BATTERY_STATUS.1.battery_remaining"] == 80


async def test_instances_of_a_message_are_kept_apart() -> None:
    vehicle = Vehicle()
    found = await values_of(
        vehicle.bytes_of("named_value_float", 0, b"tilt", 1.5),
        vehicle.bytes_of("named_value_float", 0, b"load", 2.5),
    )
    assert found == {"NAMED_VALUE_FLOAT.tilt.value": 1.5, "NAMED_VALUE_FLOAT.load.value": 2.5}


async def test_a_heartbeat_has_the_mode_of_ardupilot_and_a_statustext_its_text() -> None:
    vehicle = Vehicle()
    found = await values_of(
        vehicle.bytes_of("heartbeat", 10, 3, 0b10000001, 15, 4),
        vehicle.bytes_of("statustext", 4, b"PreArm: GPS not healthy"),
    )
    assert found["HEARTBEAT.mode"] == "GUIDED"
    assert found["HEARTBEAT.armed"] is True
    assert found["HEARTBEAT.system_status"] == "ACTIVE"
    assert found["STATUSTEXT.text"] == "PreArm: GPS not healthy"
    assert found["STATUSTEXT.severity"] == "WARNING"


async def test_a_statustext_is_an_event_and_its_pieces_are_joined() -> None:
    vehicle, long = Vehicle(), "Mission: 12 WP, " * 7
    events: Recorder[Event] = Recorder()
    async with listening(events=events) as (source, _):
        send(
            source,
            vehicle.bytes_of("statustext", 2, b"Crash: disarming"),
            vehicle.bytes_of("statustext", 4, long[:50].encode(), 7, 0),
            vehicle.bytes_of("statustext", 4, long[50:100].encode(), 7, 1),
            vehicle.bytes_of("statustext", 4, long[100:].encode(), 7, 2),
            vehicle.bytes_of("statustext", 6, b"ArduRover V4.6.0"),
        )
        await events.until(lambda found: len(found) == 3)
    assert [(event.severity, event.name, event.message) for event in events] == [
        (Severity.ERROR, "STATUSTEXT", "Crash: disarming"),
        (Severity.WARNING, "STATUSTEXT", long),
        (Severity.INFO, "STATUSTEXT", "ArduRover V4.6.0"),
    ]


async def test_messages_of_protocols_and_of_other_aircraft_are_not_telemetry() -> None:
    vehicle = Vehicle()
    found = await values_of(
        vehicle.bytes_of("param_value", b"RATE", 1.0, 9, 100, 1),
        vehicle.bytes_of("command_long", 1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0),
        vehicle.bytes_of("adsb_vehicle", 7, 0, 0, 0, 0, 0, 0, 0, b"N1", 0, 0, 0, 0),
    )
    assert found == {}


async def test_several_vehicles_and_components_are_kept_apart() -> None:
    hud = ("vfr_hud", 1.5, 2, 3, 4, 5, 6)
    gcs, first, second = Vehicle(255, 190), Vehicle(7), Vehicle(8)
    found = await values_of(
        gcs.bytes_of("heartbeat", 6, 8, 0, 0, 4),
        first.bytes_of(*hud),
        second.bytes_of(*hud),
        Vehicle(7, 154).bytes_of(*hud),
    )
    starts = {name.partition("VFR_HUD")[0] for name in found if "VFR_HUD" in name}
    assert starts == {"", "sys8.", "comp154."}
    assert "sys255.comp190.HEARTBEAT.type" in found


async def test_one_system_can_be_chosen() -> None:
    hud = ("vfr_hud", 1.5, 2, 3, 4, 5, 6)
    async with listening("?system=8") as (source, samples):
        send(source, Vehicle(7).bytes_of(*hud), Vehicle(8).bytes_of(*hud))
        await samples.until(lambda found: len(found) == 1)
    assert "VFR_HUD.airspeed" in samples[0].values


async def test_two_vehicles_with_the_same_id_never_share_a_parameter() -> None:
    async with listening() as (source, samples):
        send(source, Vehicle().bytes_of("vfr_hud", 1, 1, 1, 1, 1, 1))
        await samples.until(lambda found: len(found) == 1)
        send(source, Vehicle().bytes_of("vfr_hud", 2, 1, 1, 1, 1, 1), host="127.0.0.2")
        await until(lambda: source.losses.count)
    assert [sample.values.get("VFR_HUD.airspeed") for sample in samples] == [1.0]


async def test_damage_costs_only_its_message_and_is_counted() -> None:
    good = Vehicle().bytes_of("vfr_hud", 1.5, 2, 3, 4, 5, 6)
    bad = good[:12] + bytes([good[12] ^ 1]) + good[13:]
    async with machine(b"\x00noise" + good[:7], good[7:] + bad + good, close=False) as port:
        source = open_source("telemetry", f"mavlink:tcp:127.0.0.1:{port}")
        assert isinstance(source, MavlinkTelemetry)
        async with reading(source) as samples:
            await samples.until(lambda found: len(found) == 2)
    assert source.losses.count >= 2


async def test_a_message_that_the_dialect_lacks_is_counted() -> None:
    async with listening("?dialect=common") as (source, samples):
        vehicle = Vehicle()
        send(
            source,
            vehicle.bytes_of("ahrs2", 0, 0, 0, 0, 0, 0),
            vehicle.bytes_of("vfr_hud", 1, 1, 1, 1, 1, 1),
        )
        await samples.until(lambda found: len(found) == 1)
        assert source.losses.count == 1


async def test_a_link_without_mavlink_is_an_error() -> None:
    async with machine(b"\xfd\x01hello, world\n" * 10 * MAX_UNREADABLE, close=False) as port:
        error = await first_error(open_source("telemetry", f"mavlink:tcp:127.0.0.1:{port}"))
    assert isinstance(error, SourceError)


def test_a_parser_keeps_a_bounded_number_of_bytes() -> None:
    receiver = Receiver(dialect, Losses("test"), "ardupilotmega")
    packet = Vehicle().bytes_of("vfr_hud", 1.5, 2, 3, 4, 5, 6)
    stream = packet * 5000
    count = 0
    for start in range(0, len(stream), 1001):  # hardly a chunk ends with a message
        count += len(list(receiver.messages(Chunk(stream[start : start + 1001]), 0)))
        assert receiver.kept_bytes < MAX_PARSED_BYTES + 2000
    assert count == 5000


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    found = Device(tmp_path / "ttyACM0")
    found.plug()
    yield found
    found.unplug()


async def test_a_serial_device_is_read(device: Device) -> None:
    source = open_source("telemetry", f"mavlink:{device.path}?baud=115200")
    with device.sending(Vehicle().bytes_of("vfr_hud", 1.5, 2, 3, 4, 5, 6)):
        async with reading(source) as samples:
            await samples.until(lambda found: len(found) >= 3)
    assert samples[-1].values["VFR_HUD.airspeed"] == 1.5


def message(kind: str, **fields: Any) -> Any:
    return getattr(dialect, f"MAVLink_{kind}_message")(**fields)


def attitude(boot_s: float) -> Any:
    rest = dict.fromkeys(("roll", "pitch", "yaw", "rollspeed", "pitchspeed", "yawspeed"), 0.0)
    return message("attitude", time_boot_ms=round(boot_s * 1000), **rest)


def test_the_time_since_the_start_is_mapped_by_the_message_that_was_fastest() -> None:
    clock = VehicleClock()
    arrivals = {10.0: T + 0.3, 10.1: T + 0.15, 10.2: T + 0.5, 10.3: T + 0.4}
    times = [clock.time(attitude(boot_s), arrived) for boot_s, arrived in arrivals.items()]
    assert times == pytest.approx([T + 0.3, T + 0.15, T + 0.25, T + 0.35], abs=1e-3)


def test_a_vehicle_that_starts_again_has_its_own_times_again() -> None:
    clock = VehicleClock()
    clock.time(attitude(5000), T)
    assert clock.time(attitude(2), T + 60) == T + 60


def test_a_slow_clock_of_a_vehicle_does_not_fall_behind() -> None:
    clock = VehicleClock()
    delays_s = [
        clock.time(attitude(second * (1 - 50e-6)), T + second) - (T + second)  # 50 ppm slow
        for second in range(0, 86_400, 10)
    ]
    assert max(map(abs, delays_s)) < 0.01


def test_a_time_in_unix_microseconds_is_used_as_it_is() -> None:
    vibration = dict.fromkeys(("vibration_x", "vibration_y", "vibration_z"), 0.0)
    vibration |= dict.fromkeys(("clipping_0", "clipping_1", "clipping_2"), 0)
    found = message("vibration", time_usec=1_790_000_000_500_000, **vibration)
    assert VehicleClock().time(found, T + 99) == T + 0.5


def test_a_message_without_a_time_has_the_time_of_arrival() -> None:
    heartbeat = message(
        "heartbeat",
        type=10,
        autopilot=3,
        base_mode=0,
        custom_mode=0,
        system_status=4,
        mavlink_version=3,
    )
    assert VehicleClock().time(heartbeat, T) == T


@pytest.mark.parametrize(
    ("url", "fact"),
    [
        ("mavlink:", "mavlink:some/path"),
        ("mavlink:udpin:", "udpin:HOST:PORT"),
        ("mavlink:14550", "udpin:HOST:PORT"),
        ("mavlink:udp:127.0.0.1:99999", "udpin:HOST:PORT"),
        ("mavlink:udpout:127.0.0.1:14550", "udpin:HOST:PORT"),
        ("mavlink:tcp::5760", "udpin:HOST:PORT"),
        ("mavlink://127.0.0.1:14550", ""),
        ("mavlink:/dev/ttyACM0?baud=3", "baud=3: "),
        ("mavlink:udpin::14550?dialect=x", "dialect=x: "),
        ("mavlink:udpin::14550?system=256", "system=256: "),
    ],
)
def test_an_invalid_address_or_option_is_refused(url: str, fact: str) -> None:
    with pytest.raises(SourceSettingError) as caught:
        open_source("telemetry", url)
    assert fact in str(caught.value)
