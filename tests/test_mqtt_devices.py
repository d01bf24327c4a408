"""Devices of usual programs, over a real mosquitto; their projects document these messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sources.base import Parameter, Sample, SourceError
from sources.mqtt import MqttTelemetry
from sources.mqtt.discovery import Entity, entities
from sources.mqtt.topics import is_telemetry
from tests.test_mqtt import Mosquitto, broker, followed, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["broker"]  # a fixture

pytestmark = pytest.mark.anyio

T = 1_790_000_000
KITCHEN = {
    "battery": 87,
    "humidity": 51.2,
    "linkquality": 120,
    "temperature": 21.4,
    "voltage": 3005,
}
BUTTON = {"action": "single", "battery": 100, "linkquality": 78, "last_seen": T * 1000 + 250}
PLUG = {
    "Time": "2026-09-21T16:13:20",
    "ENERGY": {
        "TotalStartTime": "2026-01-01T00:00:00",
        "Total": 20.125,
        "Yesterday": 1.5,
        "Today": 0.25,
        "Power": 42,
        "Voltage": 231,
        "Current": 0.182,
    },
}
STATE = {
    "Time": "2026-09-21T16:13:20",
    "Uptime": "0T00:10:11",
    "UptimeSec": 611,
    "POWER": "ON",
    "Wifi": {"AP": 1, "SSId": "lab", "RSSI": 100, "Signal": -44},
}


async def received(
    it: Mosquitto, topics: str, messages: list[tuple[str, Any]], samples: int, **options: Any
) -> tuple[list[Sample], MqttTelemetry]:
    """The samples of messages, in their order; the first message has a sample."""
    await it.start()
    await publish(it, messages[0], retain=True)
    source = MqttTelemetry(it.url(topics), clock=lambda: T, **options)
    async with followed(source) as found:
        await found.until(lambda found: len(found) > 0)
        found.clear()  # the source is subscribed
        await publish(it, *messages)
        await found.until(lambda found: len(found) >= samples)
    return list(found), source


def merged(samples: list[Sample]) -> dict[str, Any]:
    return {name: value for sample in samples for name, value in sample.values.items()}


async def test_zigbee2mqtt_devices_keep_their_names_and_times(
    broker: Callable[..., Mosquitto],
) -> None:
    messages = [
        ("zigbee2mqtt/bridge/state", {"state": "online"}),
        ("zigbee2mqtt/bridge/devices", [{"ieee_address": "0x00158d00", "type": "Coordinator"}]),
        ("zigbee2mqtt/kitchen", {**KITCHEN, "last_seen": "2026-09-21T16:13:20+02:00"}),
        ("zigbee2mqtt/kitchen/availability", {"state": "online"}),
        ("zigbee2mqtt/hall/button", BUTTON),
        ("zigbee2mqtt/hall/button/set", {"state": "ON"}),
        ("zigbee2mqtt/hall/button/availability", b"offline"),
    ]
    found, source = await received(broker(), "zigbee2mqtt/#", messages, 5)
    assert merged(found) == {
        "bridge.state.state": "online",
        **{f"kitchen.{name}": value for name, value in KITCHEN.items()},
        "kitchen.availability.state": "online",
        "hall.button.action": "single",
        "hall.button.battery": 100,
        "hall.button.linkquality": 78,
        "hall.button.availability": "offline",
    }
    times = {sample.t for sample in found for name in sample.values if "linkq" in name}
    assert times == {T, T + 0.25}
    assert source.losses.count == 0


async def test_two_tasmota_devices_keep_their_names_and_energy_is_flattened(
    broker: Callable[..., Mosquitto],
) -> None:
    lamp = {**PLUG, "ENERGY": {**PLUG["ENERGY"], "Power": 7}}  # type: ignore[dict-item]
    messages = [("tele/plug/SENSOR", PLUG), ("tele/lamp/SENSOR", lamp)]
    found, _ = await received(broker(), "tele/+/SENSOR", messages, 2)
    values = merged(found)
    assert (values["plug.ENERGY.Power"], values["lamp.ENERGY.Power"]) == (42, 7)
    assert values["plug.ENERGY.Total"] == 20.125
    assert "plug.Time" not in values
    assert {sample.t for sample in found} == {T}


async def test_tasmota_state_and_will_are_read_below_one_filter(
    broker: Callable[..., Mosquitto],
) -> None:
    messages = [
        ("tele/plug/STATE", STATE),
        ("cmnd/plug/POWER", b"ON"),
        ("tele/plug/LWT", b"Online"),
    ]
    found, _ = await received(broker(), "+/plug/+", messages, 2, timezone="Europe/Berlin")
    assert {sample.t for sample in found if len(sample.values) > 1} == {T}
    values = merged(found)
    assert values["tele.plug.LWT"] == "Online"
    assert values["tele.STATE.Wifi.Signal"] == -44
    assert not any("cmnd" in name for name in values)


async def test_names_without_topics_merge_what_one_device_sends_on_several(
    broker: Callable[..., Mosquitto],
) -> None:
    messages = [("rover/power", {"volts": 28}), ("rover/drive", {"speed": 0.1})]
    found, _ = await received(broker(), "rover/+", messages, 2, topic_names=False)
    assert merged(found) == {"volts": 28, "speed": 0.1}


async def test_topics_whose_names_become_equal_stay_apart(broker: Callable[..., Mosquitto]) -> None:
    messages = [("r/a.b/c", {"n": 1}), ("r/a/b.c", {"n": 2}), ("r/a/b/c", {"n": 3})]
    found, _ = await received(broker(), "r/#", messages, 3)
    assert sorted(merged(found)) == ["a.b.c.n", "a.b.c.n_2", "a.b.c.n_3"]


async def test_ttn_and_owntracks_are_recognised_over_mqtt(broker: Callable[..., Mosquitto]) -> None:
    uplink = {
        "end_device_ids": {"device_id": "w1", "application_ids": {"application_id": "lab"}},
        "received_at": "2026-09-21T14:13:20.123456789Z",
        "uplink_message": {"decoded_payload": {"temperature": 21.5}},
    }
    location = {"_type": "location", "lat": 48.8, "lon": 2.3, "tst": T, "tid": "ph"}
    messages = [
        ("v3/lab@ttn/devices/w1/up", uplink),
        ("v3/lab@ttn/devices/w1/join", {**uplink, "uplink_message": None}),
        ("owntracks/jane/phone", location),
        ("owntracks/bob/phone", location),
    ]
    found, _ = await received(broker(), "+/#", messages, 3)
    values = merged(found)
    assert values["w1.temperature"] == 21.5
    assert values["owntracks.jane.phone.location"] == {"lat": 48.8, "lon": 2.3}
    assert values["owntracks.bob.phone.location"] == {"lat": 48.8, "lon": 2.3}


DEVICE = {"identifiers": ["zigbee2mqtt_0x00158d00"], "name": "kitchen"}


def about(source: MqttTelemetry) -> Mapping[str, Parameter]:
    return {parameter.name: parameter for parameter in source.parameters}


async def test_discovery_gives_units_and_descriptions_before_and_after_the_values(
    broker: Callable[..., Mosquitto],
) -> None:
    humidity = {
        "device": DEVICE,
        "device_class": "humidity",
        "name": "Humidity",
        "state_topic": "zigbee2mqtt/kitchen",
        "unit_of_measurement": "%",
        "value_template": "{{ value_json.humidity }}",
    }
    power = {
        "name": "plug ENERGY Power",
        "stat_t": "tele/plug/SENSOR",
        "unit_of_meas": "W",
        "dev_cla": "power",
        "val_tpl": "{{value_json['ENERGY']['Power']}}",
        "dev": {"ids": ["218FF9"]},
    }
    will = {"~": "tele/plug", "stat_t": "~/LWT", "name": "Connection", "dev": {"name": "plug"}}
    messages = [
        ("tele/first", {"n": 1}),
        ("homeassistant/sensor/0x00158d00/humidity/config", humidity),
        ("homeassistant/binary_sensor/218FF9_lwt/config", will),
        ("homeassistant/sensor/broken/config", b"{"),
        ("zigbee2mqtt/kitchen", KITCHEN),
        ("tele/plug/SENSOR", PLUG),
        ("tele/plug/LWT", b"Online"),
        ("homeassistant/sensor/218FF9_power/config", power),
        ("tele/last", {"n": 1}),
    ]
    it = broker()
    _, source = await received(it, "+/#", messages, 5, discovery="homeassistant")
    parameters = about(source)
    assert parameters["zigbee2mqtt.kitchen.humidity"].unit == "%"
    assert parameters["zigbee2mqtt.kitchen.humidity"].description == "kitchen Humidity"
    assert parameters["tele.plug.LWT"].description == "plug Connection"
    assert parameters["tele.plug.SENSOR.ENERGY.Power"].unit == "W"
    assert not any("config" in name for name in parameters)
    assert source.losses.count > 0  # the broken one


async def test_discovery_is_read_where_the_filter_does_not_cover_it(
    broker: Callable[..., Mosquitto],
) -> None:
    config = {"stat_t": "env/a/temperature", "unit_of_meas": "°C", "name": "Air"}
    other = {**config, "stat_t": "lab/a/temperature", "unit_of_meas": "K"}
    messages: list[tuple[str, Any]] = [
        ("env/a/temperature", 21.5),
        ("ha/sensor/a/config", config),
        ("ha/sensor/b/config", other),  # of a topic that the filter does not match
        ("ha/sensor/c/config", {**config, "stat_t": "env/+/temperature", "unit_of_meas": "K"}),
    ]
    messages.append(messages[0])
    options: dict[str, Any] = {"discovery": "ha", "each": "parameter", "window_s": 0.01}
    _, source = await received(broker(), "env/#", messages, 2, **options)
    assert about(source)["a.temperature"].unit == "°C"


BASE = {"stat_t": "a/b", "unit_of_meas": "V", "name": "n"}


@pytest.mark.parametrize(
    ("template", "keys"),
    [
        ("", ()),
        ("{{ value }}", ()),
        ("{{ value | float }}", ()),
        ("{{ value_json.temperature }}", ("temperature",)),
        ("{{ value_json.temperature | round(1) }}", ("temperature",)),
        ("{{ value_json['a b']['c'] }}", ("a b", "c")),
        ('{{ value_json["a"].b[0] }}', ("a", "b", "0")),
        ("{% if value_json.x %}{{ value_json.x }}{% endif %}", ("x",)),
    ],
)
def test_a_value_template_names_the_place_of_a_value(template: str, keys: tuple[str, ...]) -> None:
    config = json.dumps({**BASE, "val_tpl": template})
    assert entities(config.encode()) == [Entity("a/b", keys, "V", "n")]


@pytest.mark.parametrize(
    "config",
    [
        {**BASE, "val_tpl": "{{ value_json.a + value_json.b }}"},
        {**BASE, "val_tpl": "{{ value_json.p / 1000 }}"},
        {**BASE, "val_tpl": "{{ value_json.p * -1 }}"},
        {**BASE, "val_tpl": "{{ value_json.p | multiply(0.01) }}"},
        {**BASE, "val_tpl": "{{ (value_json.w | float / 1000) | round(2) }}"},
        {**BASE, "val_tpl": "{{ value | float / 10 }}"},
        {**BASE, "val_tpl": "{{ value_json.get('a') }}"},
        {**BASE, "val_tpl": "{{ value_json[name] }}"},
        {"name": "button", "command_topic": "a/set"},
        {},
    ],
    ids=str,
)
def test_a_computed_value_and_a_config_without_state_announce_nothing(config: Any) -> None:
    assert entities(json.dumps(config).encode()) == []
    assert entities(b"") == []


def test_a_device_may_announce_its_components_together() -> None:
    config = {
        "dev": {"name": "bench"},
        "stat_t": "bench/state",
        "cmps": {
            "t": {"p": "sensor", "dev_cla": "temperature", "unit_of_meas": "°C",
                  "val_tpl": "{{ value_json.t }}"},
            "h": {"p": "sensor", "name": "Humidity", "unit_of_meas": "%",
                  "val_tpl": "{{ value_json.h }}", "stat_t": "bench/h"},
        },
    }  # fmt: skip
    assert entities(json.dumps(config).encode()) == [
        Entity("bench/state", ("t",), "°C", "bench temperature"),
        Entity("bench/h", ("h",), "%", "bench Humidity"),
    ]


@pytest.mark.parametrize("payload", [b"{", b"7", b"\xff"])
def test_a_discovery_message_that_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(SourceError):
        entities(payload)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("zigbee2mqtt/kitchen", True),
        ("zigbee2mqtt/set", True),
        ("zigbee2mqtt/kitchen/availability", True),
        ("zigbee2mqtt/bridge/state", True),
        ("zigbee2mqtt/bridge/devices", False),
        ("zigbee2mqtt/kitchen/get", False),
        ("zigbee2mqtt/kitchen/set/state", False),
        ("tele/plug/STATE", True),
        ("cmnd/plug/POWER", False),
        ("tasmota/discovery/218FF9/config", False),
        ("homeassistant/status", True),
        ("homeassistant/sensor/a/config", False),
        ("rover/config", True),
    ],
)
def test_topics_of_commands_and_descriptions_are_not_telemetry(topic: str, expected: bool) -> None:
    assert is_telemetry(topic) is expected
