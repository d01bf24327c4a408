"""Messages of known formats become samples; the messages are as those projects document them."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rover.telemetry.values import usable_values
from sources.base import Sample
from sources.values.flatten import LEVEL
from sources.values.payload import PayloadReader, PayloadRefused

NOW = 1_790_000_000.0
USER = f"jane{LEVEL}phone"


def reader(**options: Any) -> PayloadReader:
    return PayloadReader(clock=lambda: NOW, **options)


def read(message: Any, place: str | None = None, **options: Any) -> list[Sample]:
    return reader(**options).samples(json.dumps(message), place)


def units(it: PayloadReader) -> dict[str, str]:
    return {p.name: p.unit for p in it.parameters if p.unit}


UPLINK: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "weather-1",
        "application_ids": {"application_id": "lab"},
        "dev_eui": "0004A30B001C0530",
        "dev_addr": "00BCB929",
    },
    "correlation_ids": ["as:up:01HF3"],
    "received_at": "2026-09-21T14:13:20.123456789Z",
    "uplink_message": {
        "session_key_id": "AXA50c",
        "f_port": 2,
        "f_cnt": 7,
        "frm_payload": "gkHe",
        "decoded_payload": {"temperature": 21.5, "gps": {"latitude": 52.4, "longitude": 4.9}},
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "roof"}, "rssi": -112, "snr": -3.5},
            {"gateway_ids": {"gateway_id": "hill"}, "rssi": -97, "snr": 8.25},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}},
        "received_at": "2026-09-21T14:13:20.012Z",
    },
}


def test_a_ttn_uplink_has_the_device_before_its_names() -> None:
    it = reader()
    [sample] = it.samples(json.dumps(UPLINK), "v3.lab@ttn.devices.weather-1.up")
    assert sample.t == pytest.approx(NOW + 0.123456, abs=1e-6)
    assert sample.values == {
        "weather-1.temperature": 21.5,
        "weather-1.gps": {"latitude": 52.4, "longitude": 4.9},
        "weather-1.uplink.f_port": 2,
        "weather-1.uplink.f_cnt": 7,
        "weather-1.uplink.gateways": 2,
        "weather-1.uplink.rssi": -97,
        "weather-1.uplink.snr": 8.25,
    }
    assert units(it) == {"weather-1.uplink.rssi": "dBm", "weather-1.uplink.snr": "dB"}


def test_a_ttn_uplink_without_decoded_payload_has_the_quality_of_its_reception() -> None:
    uplink = {"f_port": 1, "rx_metadata": [{"rssi": -80}]}  # a count of 0 is left out
    [sample] = read({**UPLINK, "uplink_message": uplink})
    assert sample.values["weather-1.uplink.f_cnt"] == 0
    assert sample.values["weather-1.uplink.rssi"] == -80


def test_a_ttn_message_that_is_not_an_uplink_has_no_sample() -> None:
    join = {key: UPLINK[key] for key in ("end_device_ids", "received_at")}
    assert read({**join, "join_accept": {"session_key_id": "AXBSH1"}}) == []


def test_devices_of_two_ttn_applications_with_one_name_are_two_devices() -> None:
    it = reader()
    ids = {**UPLINK["end_device_ids"], "application_ids": {"application_id": "field"}}
    messages = (UPLINK, {**UPLINK, "end_device_ids": ids})
    [[one], [two]] = [it.samples(json.dumps(message)) for message in messages]
    assert "weather-1.temperature" in one.values
    assert "weather-1.temperature_2" in two.values


LOCATION = {
    "_type": "location",
    "BSSID": "00:11:22:33:44:55",
    "acc": 12,
    "alt": 154,
    "batt": 53,
    "bs": 1,
    "conn": "w",
    "created_at": 1_790_000_005,
    "inregions": ["lab"],
    "lat": 48.856826,
    "lon": 2.292713,
    "m": 1,
    "t": "u",
    "tid": "ph",
    "tst": 1_789_999_990,
    "vel": 4,
}
LOCATION_VALUES: dict[str, Any] = {
    "location": {"lat": 48.856826, "lon": 2.292713, "alt": 154},
    "trigger": "u",
    "acc": 12,
    "batt": 53,
    "bs": 1,
    "conn": "w",
    "inregions.0": "lab",
    "m": 1,
    "tid": "ph",
    "vel": 4,
}


def named(start: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{start}.{name}": value for name, value in values.items()}


@pytest.mark.parametrize(
    ("place", "topic", "start"),
    [
        (USER, None, "jane.phone"),
        (None, "owntracks/jane/phone", "jane.phone"),
        (None, None, "ph"),
        ("", None, ""),
    ],
    ids=["mqtt", "http", "http without topic", "one topic"],
)
def test_an_owntracks_location_is_a_place_of_its_device(
    place: str | None, topic: str | None, start: str
) -> None:
    message = LOCATION | ({"topic": topic} if topic else {})
    expected = named(start, LOCATION_VALUES) if start else LOCATION_VALUES
    assert read(message, place) == [Sample(1_789_999_990, expected)]


def test_units_of_an_owntracks_location_are_in_the_dictionary() -> None:
    it = reader()
    it.samples(json.dumps(LOCATION), "")
    assert units(it) == {"acc": "m", "batt": "%", "vel": "km/h"}


def test_an_owntracks_transition_has_its_region() -> None:
    message = {"_type": "transition", "event": "enter", "desc": "lab", "tst": NOW, "wtst": 5}
    assert read(message, USER)[0].values == {
        "jane.phone.transition": "enter",
        "jane.phone.region": "lab",
    }


@pytest.mark.parametrize("kind", ["lwt", "waypoint", "card", "cmd", "status"])
def test_other_owntracks_messages_have_no_sample(kind: str) -> None:
    assert read({"_type": kind, "tst": 1_789_999_990}, USER) == []


def test_an_encrypted_owntracks_message_is_refused() -> None:
    with pytest.raises(PayloadRefused, match="encrypted"):
        read({"_type": "encrypted", "data": "b2xkIHdvcmxk"})


def test_senml_names_join_base_and_record_and_times_are_relative_or_absolute() -> None:
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "bt": 1_789_999_000.5, "bu": "A", "bver": 5,
         "n": "voltage", "u": "V", "v": 120.1},
        {"n": "current", "t": -5, "v": 1.2},
        {"n": "current", "t": -4, "v": 1.3},
    ]  # fmt: skip
    it = reader()
    start = "urn:dev:ow:10e2073a01080063:"
    assert it.samples(json.dumps(pack)) == [
        Sample(1_789_998_995.5, {f"{start}current": 1.2}),
        Sample(1_789_998_996.5, {f"{start}current": 1.3}),
        Sample(1_789_999_000.5, {f"{start}voltage": 120.1}),
    ]
    assert units(it) == {f"{start}voltage": "V", f"{start}current": "A"}


def test_small_senml_times_count_from_the_arrival() -> None:
    pack = [{"bn": "room.", "n": "t", "u": "Cel", "v": 23.5, "t": -60}, {"n": "open", "vb": True}]
    it = reader()
    assert it.samples(json.dumps(pack)) == [
        Sample(NOW - 60, {"room.t": 23.5}),
        Sample(NOW, {"room.open": True}),
    ]
    assert units(it) == {"room.t": "°C"}


def test_senml_values_have_their_base_their_sum_and_any_type() -> None:
    pack = [
        {"bn": "m:", "bv": 20, "n": "energy", "u": "J", "v": 1.5, "s": 7},
        {"n": "label", "vs": "Machine Room"},
        {"n": "blob", "vd": "aGkgCg"},
    ]
    assert read(pack) == [
        Sample(NOW, {"m:energy": 21.5, "m:energy.sum": 7, "m:label": "Machine Room"})
    ]


def test_senml_names_of_devices_without_base_name_start_with_the_topic() -> None:
    [sample] = read([{"n": "temperature", "v": 1}], "kitchen")
    assert sample.values == {"kitchen.temperature": 1}


@pytest.mark.parametrize(
    "pack",
    [[{"n": "a", "v": 1, "needed_": 1}], [{"v": 1}], [7], {"n": "a", "v": 1}],
    ids=["unknown label", "no name", "no record", "no list"],
)
def test_a_pack_that_senml_does_not_allow_is_refused(pack: Any) -> None:
    with pytest.raises(PayloadRefused):
        read(pack, format="senml")


@pytest.mark.parametrize(
    "message",
    [
        [{"t": NOW, "v": 1}],
        [{"n": 5, "v": 1}],
        {"_type": "location", "type": "x"},
        {"op": "publish"},
    ],
    ids=str,
)
def test_similar_messages_are_plain_json(message: Any) -> None:
    assert read(message) == read(message, format="json")


@pytest.mark.parametrize("name", ["ttn", "owntracks", "rosbridge", "senml"])
def test_a_message_without_the_wanted_format_is_refused(name: str) -> None:
    with pytest.raises(PayloadRefused):
        read({"a": 1}, format=name)


STAMP = {"sec": 1_789_999_999, "nanosec": 250_000_000}
HEADER = {"stamp": STAMP, "frame_id": "base_link"}
COVARIANCE = [0.01, 0, 0, 0, 0.01, 0, 0, 0, 0.01]
XYZ = {"x": 1.0, "y": 2.0, "z": 3.0}
XYZW = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}
FIX = {
    "header": HEADER,
    "status": {"status": 0, "service": 1},
    "latitude": 18.44,
    "longitude": 77.45,
    "altitude": -2560.5,
    "position_covariance": COVARIANCE,
    "position_covariance_type": 2,
}
BATTERY = {
    "header": HEADER,
    "voltage": 25.2,
    "temperature": None,  # NaN
    "current": -1.5,
    "charge": 4.1,
    "capacity": 5.0,
    "design_capacity": 5.2,
    "percentage": 0.82,
    "power_supply_status": 2,
    "power_supply_health": 1,
    "power_supply_technology": 2,
    "present": True,
    "cell_voltage": [4.2, 4.19],
    "cell_temperature": [],
    "location": "slot1",
    "serial_number": "B-7",
}
BATTERY_LISTS = {"cell_voltage", "cell_temperature"}
MESSAGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "NavSatFix": (FIX, {"location": {"lat": 18.44, "lon": 77.45, "alt": -2560.5}, "fix": 0}),
    "NavSatFix without fix": (
        FIX
        | {"status": {"status": -1, "service": 1}, "latitude": 0, "longitude": 0, "altitude": 0},
        {"location": None, "fix": -1},
    ),
    "BatteryState": (
        BATTERY,
        {
            k: v
            for k, v in BATTERY.items()
            if k not in ("header", "cell_voltage", "cell_temperature")
        }
        | {"cell_voltage.0": 4.2, "cell_voltage.1": 4.19},
    ),
    "JointState": (
        {
            "header": HEADER,
            "name": ["arm_1", "arm_2"],
            "position": [0.5, -0.25],
            "velocity": [],
            "effort": [1.5, None],
        },
        {
            "joint.arm_1.position": 0.5,
            "joint.arm_1.effort": 1.5,
            "joint.arm_2.position": -0.25,
            "joint.arm_2.effort": None,
        },
    ),
    "Imu": (
        {
            "header": HEADER,
            "orientation": XYZW,
            "orientation_covariance": COVARIANCE,
            "angular_velocity": XYZ,
            "angular_velocity_covariance": COVARIANCE,
            "linear_acceleration": XYZ,
            "linear_acceleration_covariance": COVARIANCE,
        },
        {"orientation": XYZW, "angular_velocity": XYZ, "linear_acceleration": XYZ},
    ),
    "Odometry": (
        {
            "header": HEADER,
            "child_frame_id": "base_link",
            "pose": {"pose": {"position": XYZ, "orientation": XYZW}, "covariance": [0.0] * 36},
            "twist": {"twist": {"linear": XYZ, "angular": XYZ}, "covariance": [0.0] * 36},
        },
        {
            "pose.pose.position": XYZ,
            "pose.pose.orientation": XYZW,
            "twist.twist.linear": XYZ,
            "twist.twist.angular": XYZ,
        },
    ),
    "LaserScan": (
        {"header": HEADER, "angle_min": -1.57, "ranges": [1.0] * 360, "intensities": []},
        {"angle_min": -1.57},
    ),
    "DiagnosticArray": (
        {
            "header": HEADER,
            "status": [
                {
                    "level": 0,
                    "name": "motor: left",
                    "message": "OK",
                    "hardware_id": "m1",
                    "values": [{"key": "temperature", "value": "41"}],
                },
                {
                    "level": 2,
                    "name": "lidar",
                    "message": "no data",
                    "values": [],
                },
            ],
        },
        {
            "status.motor: left.level": 0,
            "status.motor: left.message": "OK",
            "status.motor: left.hardware_id": "m1",
            "status.motor: left.values.temperature": "41",
            "status.lidar.level": 2,
            "status.lidar.message": "no data",
        },
    ),
    "TFMessage": (
        {
            "transforms": [
                {
                    "header": HEADER,
                    "child_frame_id": "wheel",
                    "transform": {"translation": XYZ, "rotation": XYZW},
                }
            ]
        },
        {
            "transforms.wheel.transform.translation": XYZ,
            "transforms.wheel.transform.rotation": XYZW,
        },
    ),
    "CompressedImage": (
        {"header": HEADER, "format": "jpeg", "data": "/9j/" * 2000},
        {"format": "jpeg"},
    ),
    "Duration": ({"header": HEADER, "left": {"sec": 5, "nanosec": 500_000_000}}, {"left": 5.5}),
}


def published(message: dict[str, Any], topic: str = "/rover/part") -> dict[str, Any]:
    return {"op": "publish", "topic": topic, "msg": message}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_ros_message_becomes_the_values_that_its_type_means(name: str) -> None:
    message, expected = MESSAGES[name]
    [sample] = read(published(message))
    assert sample.values == named("rover.part", expected)
    assert sample.t == (1_789_999_999.25 if "header" in message else NOW)
    [alone] = read(published(message), has_topics=False)
    assert alone.values == expected


def test_joints_with_one_name_are_not_merged() -> None:
    message = {"name": ["elbow", "elbow"], "position": [1, 2]}
    [sample] = read(published(message), has_topics=False)
    assert sample.values == {"position.0": 1, "position.1": 2, "name.0": "elbow", "name.1": "elbow"}


def test_units_of_a_battery_state_are_in_the_dictionary() -> None:
    it = reader()
    it.samples(json.dumps(published(BATTERY)))
    assert units(it)["rover.part.voltage"] == "V"
    assert units(it)["rover.part.charge"] == "Ah"


@pytest.mark.parametrize("stamp", [{"sec": 0, "nanosec": 0}, {"secs": 0, "nsecs": 0}], ids=str)
def test_a_ros_stamp_of_zero_is_replaced_by_the_arrival_and_counted(stamp: dict[str, int]) -> None:
    it = reader()
    [sample] = it.samples(json.dumps(published({"header": {"stamp": stamp}, "a": 1})))
    assert sample == Sample(NOW, {"rover.part.a": 1})
    assert it.replaced_times.count == 1


def test_ros_1_stamps_are_read() -> None:
    header = {"seq": 9, "stamp": {"secs": 1_789_999_999, "nsecs": 500_000_000}, "frame_id": ""}
    assert read(published({"header": header, "a": 1})) == [
        Sample(1_789_999_999.5, {"rover.part.a": 1})
    ]


def test_two_topics_whose_names_become_equal_are_two_parameters() -> None:
    it = reader()
    found = [it.samples(json.dumps(published({"a": 1}, topic))) for topic in ("/a,b", "/a b")]
    assert [list(sample.values) for [sample] in found] == [["a b.a"], ["a b.a_2"]]


def test_an_error_that_rosbridge_reports_is_refused_with_its_text() -> None:
    with pytest.raises(PayloadRefused, match="no such topic"):
        read({"op": "status", "level": "error", "msg": "no such topic"})


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["name", "value", "status", "sec", "rssi", "v"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def with_any(message: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Messages with the members of a real one, of which some have any value."""
    return st.fixed_dictionaries({key: st.just(value) | ANY for key, value in message.items()})


@given(
    with_any(UPLINK)
    | with_any(UPLINK["uplink_message"]).map(lambda uplink: UPLINK | {"uplink_message": uplink})
    | with_any(LOCATION)
    | st.lists(with_any({"bn": "a", "bt": NOW, "n": "b", "u": "V", "v": 1, "s": 2, "t": 3}))
    | st.sampled_from([message for message, _ in MESSAGES.values()])
    .flatmap(with_any)
    .map(published)
)
def test_any_message_like_a_real_one_is_read_or_refused(message: Any) -> None:
    with suppress(PayloadRefused):
        for sample in read(message):
            assert math.isfinite(sample.t)


@pytest.mark.parametrize("levels", [100, 400])
def test_a_deeply_nested_message_has_no_usable_value(levels: int) -> None:
    deep = '{"a":' * levels + "1" + "}" * levels
    with suppress(PayloadRefused):
        [sample] = reader().samples(f'{{"op": "publish", "topic": "/a", "msg": {deep}}}')
        usable, unusable = usable_values(sample.values)
        assert (usable, len(unusable)) == ({}, 1)
