"""Sparkplug B: bytes that another library (pysparkplug 0.6.1) has encoded, and a real mosquitto."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiomqtt import Client
from anyio import create_task_group
from hypothesis import given
from hypothesis import strategies as st

from sources.base import Sample, SourceError
from sources.mqtt import MqttTelemetry
from sources.mqtt.address import Address
from sources.mqtt.protobuf import Payload
from sources.mqtt.sparkplug import REBIRTH_INTERVAL_S, Sparkplug
from sources.registry import open_source
from sources.values.losses import Losses
from sources.values.payload import PayloadReader, PayloadRefused
from tests.recorder import Recorder
from tests.test_mqtt import Mosquitto, broker, followed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["broker"]  # a fixture

pytestmark = pytest.mark.anyio

T = 1_790_000_000
NOW = T + 100.0
NODE = "spBv1.0/plant/{}/gateway"
DEVICE = "spBv1.0/plant/{}/gateway/pump"
NBIRTH = bytes.fromhex(  # bdSeq 7, Node Control/Rebirth, Properties/Hardware by alias 1
    "0880d8c1a28c3412120a0562645365711880d8c1a28c342004580712210a144e6f646520436f6e74726f6c2f52656269"
    "7274681880d8c1a28c34200b700012260a1350726f706572746965732f486172647761726510011880d8c1a28c34200c"
    "7a04506920351800"
)
DBIRTH = bytes.fromhex(
    "0880d8c1a28c3412240a12496e707574732f54656d706572617475726510021880d8c1a28c342009650000ac41121d0a"
    "05436f756e7410031880d8c1a28c34200858ffffffffffffffffff0112170a064f666673657410041880d8c1a28c3420"
    "0250fbff03121b0a0342696710051880d8c1a28c342004588080808080e0ffffff0112150a064f6e6c696e6510061880"
    "d8c1a28c34200b7001121b0a075374617274656410071880d8c1a28c34200d5880d8c1a28c341801"
)
DDATA = bytes.fromhex(  # aliases 2, 4 and 3, which is null; two times; no types
    "08d0e7c1a28c34120e100218dce3c1a28c34650000b241120d100418d0e7c1a28c3450faff03120b100318d0e7c1a28c"
    "3438011802"
)
NDEATH = bytes.fromhex("0880d8c1a28c3412120a0562645365711880d8c1a28c3420045807")
DDEATH = bytes.fromhex("08a89ec2a28c341803")


class Host:
    """A reader of Sparkplug messages, with a clock that a test sets."""

    def __init__(self, topics: str = "spBv1.0/#") -> None:
        self.now = NOW
        self.reader = PayloadReader(clock=lambda: self.now)
        self.losses = Losses("sparkplug")
        address = Address("host", 1883, False, topics)
        self._decoder = Sparkplug(self.reader, address.varies, self.losses, lambda: self.now)
        self.rebirths = self._decoder.rebirths

    def read(self, topic: str, payload: bytes) -> list[Sample]:
        return self._decoder.read(topic, payload)

    def born(self) -> Host:
        self.read(NODE.format("NBIRTH"), NBIRTH)
        self.read(DEVICE.format("DBIRTH"), DBIRTH)
        return self


def test_births_name_the_metrics_of_nodes_and_devices() -> None:
    host = Host()
    assert host.read(NODE.format("NBIRTH"), NBIRTH) == [
        Sample(T, {"plant.gateway.Properties.Hardware": "Pi 5"}),
        Sample(NOW, {"plant.gateway.online": True}),
    ]
    values = {
        "Inputs.Temperature": 21.5,
        "Count": 2**64 - 1,
        "Offset": -5,
        "Big": -(2**40),
        "Online": True,
        "Started": T * 1000,
    }
    assert host.read(DEVICE.format("DBIRTH"), DBIRTH) == [
        Sample(T, {f"plant.gateway.pump.{name}": value for name, value in values.items()}),
        Sample(NOW, {"plant.gateway.pump.online": True}),
    ]


def test_data_is_read_by_alias_and_each_metric_has_its_time() -> None:
    assert Host().born().read(DEVICE.format("DDATA"), DDATA) == [
        Sample(T + 1.5, {"plant.gateway.pump.Inputs.Temperature": 22.25}),
        Sample(T + 2, {"plant.gateway.pump.Offset": -6, "plant.gateway.pump.Count": None}),
    ]


@pytest.mark.parametrize(
    ("topics", "name"),
    [
        ("spBv1.0/plant/#", "gateway.pump.Offset"),
        ("spBv1.0/plant/+/gateway/#", "pump.Offset"),
        ("spBv1.0/plant/+/gateway/pump", "Offset"),
        ("+/plant/+/+/+", "gateway.pump.Offset"),
    ],
)
def test_names_start_with_the_levels_that_differ_without_the_kind(topics: str, name: str) -> None:
    [_, sample] = Host(topics).born().read(DEVICE.format("DDATA"), DDATA)
    assert name in sample.values


def test_the_death_of_a_node_is_that_of_its_devices() -> None:
    deaths = Host().born().read(NODE.format("NDEATH"), NDEATH)
    assert deaths == [
        Sample(NOW, {"plant.gateway.online": False}),
        Sample(NOW, {"plant.gateway.pump.online": False}),
    ]


def test_the_death_of_an_earlier_session_is_ignored() -> None:
    death = Payload.FromString(NDEATH)
    death.metrics[0].long_value = 6
    assert Host().born().read(NODE.format("NDEATH"), death.SerializeToString()) == []


def test_the_death_of_a_device_is_its_own() -> None:
    deaths = Host().born().read(DEVICE.format("DDEATH"), DDEATH)
    assert deaths == [Sample(NOW, {"plant.gateway.pump.online": False})]


def test_data_without_its_birth_is_counted_and_asks_for_the_birth_now_and_then() -> None:
    host = Host()
    assert host.read(DEVICE.format("DDATA"), DDATA) == []
    assert host.losses.count == 1
    [(topic, command)] = host.rebirths()
    assert topic == NODE.format("NCMD")
    [metric] = Payload.FromString(command).metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == (
        "Node Control/Rebirth",
        11,
        True,
    )
    for passed_s, asked in ((1, 0), (REBIRTH_INTERVAL_S, 1)):
        host.now += passed_s
        host.read(DEVICE.format("DDATA"), DDATA)
        assert len(host.rebirths()) == asked
    host.born()
    host.read(DEVICE.format("DDATA"), DDATA)
    assert host.rebirths() == []


def test_a_new_birth_of_the_node_forgets_the_aliases_of_its_devices() -> None:
    host = Host().born()
    host.read(NODE.format("NBIRTH"), NBIRTH)
    assert host.read(DEVICE.format("DDATA"), DDATA) == []
    assert host.losses.count == 1


def test_a_whole_number_without_a_type_is_not_guessed() -> None:
    message = Payload(timestamp=T * 1000)
    message.metrics.add(name="Offset", int_value=65530)
    message.metrics.add(name="Label", string_value="x")
    host = Host()
    [sample] = host.read(DEVICE.format("DDATA"), message.SerializeToString())
    assert sample.values == {"plant.gateway.pump.Label": "x"}
    assert host.losses.count == 1


def test_units_and_descriptions_of_properties_are_in_the_dictionary() -> None:
    message = Payload(timestamp=T * 1000)
    metric = message.metrics.add(name="Level", datatype=10, double_value=1.5)
    metric.properties.keys.extend(["engUnit", "Documentation"])
    for text in ("m", "Above the floor"):
        metric.properties.values.add(type=12, string_value=text)
    host = Host()
    host.read(DEVICE.format("DBIRTH"), message.SerializeToString())
    [parameter] = [p for p in host.reader.parameters if p.name.endswith("Level")]
    assert (parameter.unit, parameter.description) == ("m", "Above the floor")


def test_a_template_is_flattened_and_other_values_are_left_out() -> None:
    message = Payload(timestamp=T * 1000)
    template = message.metrics.add(name="Motor", datatype=19).template_value
    template.metrics.add(name="Speed", datatype=3, int_value=2**32 - 7)
    message.metrics.add(name="File", datatype=18)
    [sample] = Host().read(DEVICE.format("DDATA"), message.SerializeToString())
    assert sample.values == {"plant.gateway.pump.Motor.Speed": -7, "plant.gateway.pump.File": None}


def test_a_metric_without_a_time_has_that_of_its_arrival() -> None:
    message = Payload()
    message.metrics.add(name="Level", datatype=10, double_value=1.5)
    [sample] = Host().read(DEVICE.format("DDATA"), message.SerializeToString())
    assert sample.t == NOW


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("spBv1.0/plant", NBIRTH),
        (NODE.format("NBIRTH"), b"\xff\xff"),
        (NODE.format("NBIRTH"), b'{"a": 1}'),
        (NODE.format("NDATA"), Payload(uuid="SPBV1.0_COMPRESSED").SerializeToString()),
    ],
)
def test_other_bytes_and_topics_are_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(PayloadRefused):
        Host().read(topic, payload)


def test_a_name_that_is_not_utf_8_is_read() -> None:
    [sample, _] = Host().read(DEVICE.format("DBIRTH"), DBIRTH.replace(b"Count", b"Co\xffnt"))
    assert "plant.gateway.pump.Co�nt" in sample.values


@given(st.binary(max_size=60), st.sampled_from([NBIRTH, DBIRTH, DDATA]), st.integers(0, 120))
def test_any_bytes_are_read_or_refused(noise: bytes, payload: bytes, position: int) -> None:
    for changed in (noise, payload[:position] + noise + payload[position:], payload[:position]):
        for kind in ("NBIRTH", "DDATA", "NDEATH"):
            with suppress(PayloadRefused):
                Host().read(DEVICE.format(kind), changed)


@pytest.mark.parametrize("kind", ["NCMD", "DCMD"])
def test_commands_have_no_sample(kind: str) -> None:
    assert Host().read(NODE.format(kind), NBIRTH) == []


async def test_a_node_that_is_asked_for_its_birth_is_read_over_mqtt(
    broker: Callable[..., Mosquitto],
) -> None:
    it = broker()
    await it.start()
    commands: Recorder[str] = Recorder()
    source = MqttTelemetry(it.url("spBv1.0/%23"), rebirth=True)

    async def run_node(client: Client) -> None:
        await client.subscribe(NODE.format("NCMD"), qos=1)
        await client.publish(DEVICE.format("DDATA"), DDATA, qos=1, retain=True)
        async for message in client.messages:
            commands.append(str(message.topic))
            for topic, payload in (
                (NODE.format("NBIRTH"), NBIRTH),
                (DEVICE.format("DBIRTH"), DBIRTH),
            ):
                await client.publish(topic, payload, qos=1)

    async with Client("127.0.0.1", it.port) as node, create_task_group() as tasks:
        tasks.start_soon(run_node, node)
        async with followed(source) as found:
            await found.until(
                lambda found: any("plant.gateway.pump.Big" in s.values for s in found)
            )
        tasks.cancel_scope.cancel()
    assert commands == [NODE.format("NCMD")]


def test_without_protobuf_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sources.mqtt.sparkplug", raising=False)
    monkeypatch.setitem(sys.modules, "sources.mqtt.protobuf", None)
    with pytest.raises(SourceError, match=r"cosmic-rover\[sparkplug\]"):
        open_source("telemetry", "mqtt://host/spBv1.0/#")
    other: Any = open_source("telemetry", "mqtt://host/#")  # only its Sparkplug messages are lost
    assert other.losses.count == 0
