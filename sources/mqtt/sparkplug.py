"""Sparkplug B: metrics of edge nodes and their devices, by name or by the alias of their birth.

Source: Eclipse Sparkplug 3.0.0, sections 4 (topics), 5 (operation) and 6 (payloads).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from sources.mqtt.protobuf import Payload
from sources.values.flatten import LEVEL, join_place
from sources.values.formats import Reading
from sources.values.names import clean_name
from sources.values.parsing import PayloadRefused, check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sources.base import Sample
    from sources.values.losses import Losses
    from sources.values.payload import PayloadReader

NAMESPACE = "spBv1.0"

MAX_METRICS = 20_000
"""Maximum number of metrics in all births."""

MAX_NODES_ASKED = 1000
"""Maximum number of edge nodes whose requests are remembered."""

REBIRTH_INTERVAL_S = 30.0
"""Seconds between two requests to the same edge node."""

_CONTROL = ("Node Control/", "Device Control/", "bdSeq")
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}  # Int8, Int16, Int32, Int64
_UNITS = ("engUnit", "EngUnit", "unit", "units")
_DESCRIPTIONS = ("Documentation", "Description", "description")


@dataclass(slots=True)
class _Known:
    """The metrics that one node or device has announced."""

    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    """An edge node since its birth. The key of the node itself in `known` is empty."""

    session: int | None = None
    known: dict[str, _Known] = field(default_factory=dict)


class Sparkplug:
    """Reads the messages of edge nodes.

    Args:
        reader: makes samples.
        varies: whether a level of the topic, from 0, differs between the topics of the filter.
        losses: counts metrics whose alias is unknown.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        reader: PayloadReader,
        varies: Callable[[int], bool],
        losses: Losses,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._varies = varies
        self._losses = losses
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._unknown: dict[tuple[str, str], None] = {}  # an ordered set

    def read(self, topic: str, payload: bytes) -> list[Sample]:
        """The samples of a message: one for each time in it.

        Raises:
            PayloadRefused: the topic or the payload is not one of Sparkplug B.
        """
        levels = topic.split("/")
        if len(levels) not in (4, 5):
            raise PayloadRefused("it is not a topic of Sparkplug B")
        _, group, kind, node_id, *devices = levels
        device = devices[0] if devices else ""
        if kind not in ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"):
            return []  # a command
        check_size(payload)
        message = Payload()
        try:
            message.ParseFromString(payload)
        except DecodeError as exc:
            raise PayloadRefused("it is not a payload of Sparkplug B") from exc
        if message.uuid == "SPBV1.0_COMPRESSED":
            raise PayloadRefused("it is compressed; turn compression off in the edge node")
        key = (group, node_id)
        node = self._nodes.get(key)
        if kind == "NBIRTH" or node is None:
            node = _Node(_session(message) if kind == "NBIRTH" else None)
        if kind.endswith("DEATH"):
            return self._death(levels, node, message)
        if kind.endswith("BIRTH"):
            self._nodes[key] = node
            self._learn(node, device, message.metrics)
        return self._values(levels, node, device, message, is_birth=kind.endswith("BIRTH"))

    def rebirths(self) -> list[tuple[str, bytes]]:
        """The commands, with their topics, that ask nodes with unknown aliases for their births."""
        now = self._clock()
        wanted, self._unknown = self._unknown, {}
        if len(self._asked) > MAX_NODES_ASKED:
            self._asked.clear()
        due = [k for k in wanted if abs(now - self._asked.get(k, -1e9)) >= REBIRTH_INTERVAL_S]
        self._asked |= dict.fromkeys(due, now)
        message = Payload(timestamp=int(now * 1000))
        message.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
        command: bytes = message.SerializeToString()
        return [(f"{NAMESPACE}/{group}/NCMD/{node}", command) for group, node in due]

    def _learn(self, node: _Node, device: str, metrics: Iterable[Any]) -> None:
        known = node.known[device] = _Known()
        total = sum(len(one.types) + 1 for n in self._nodes.values() for one in n.known.values())
        for metric in metrics:
            if total + len(known.types) >= MAX_METRICS:
                raise PayloadRefused(
                    f"all births have more than {MAX_METRICS:,} metrics, the limit"
                )
            known.types[_text(metric.name)] = metric.datatype
            if metric.HasField("alias"):
                known.names[metric.alias] = _text(metric.name)

    def _values(
        self, levels: list[str], node: _Node, device: str, message: Any, *, is_birth: bool
    ) -> list[Sample]:
        place = self._place(levels)
        known = (node.known.get(device, _Known()), node.known.get("", _Known()))
        found: dict[int, dict[str, Any]] = {}
        unknown = 0
        for metric in message.metrics:
            name = _text(metric.name) or next(
                (one.names[metric.alias] for one in known if metric.alias in one.names), ""
            )
            kind = metric.datatype or known[0].types.get(name, 0)
            if not name or (not kind and _is_whole(metric)):  # its sign is unknown
                unknown += 1
            elif not name.startswith(_CONTROL):
                values = found.setdefault(metric.timestamp or message.timestamp, {})
                values[name.replace("/", LEVEL)] = _value(metric, kind)
                self._describe(join_place(place, name.replace("/", LEVEL)), metric.properties)
        if unknown:
            if len(self._unknown) < MAX_NODES_ASKED:
                self._unknown[levels[1], levels[3]] = None
            self._losses.add(
                f"the birth of {levels[3]!r} was not received, so {unknown} metrics have no name or"
                " no type; set rebirth=true to ask for it"
            )
        readings = [Reading(values, t or None, place) for t, values in sorted(found.items())]
        if is_birth:
            readings.append(Reading({"online": True}, place=place))
        return [self._reader.of(reading) for reading in readings]

    def _death(self, levels: list[str], node: _Node, message: Any) -> list[Sample]:
        """The death of a node or a device. The time in it is that of the birth, so it has none."""
        if levels[2] == "NDEATH":
            if node.session is not None and _session(message) != node.session:
                return []  # the will of an earlier session
            devices = [[*levels[:4], device] for device in node.known if device]
        else:
            devices = []
        places = map(self._place, [levels, *devices])
        return [self._reader.of(Reading({"online": False}, place=place)) for place in places]

    def _place(self, levels: list[str]) -> str:
        """The place of a node or a device: the levels that vary, without the kind of message."""
        return LEVEL.join(
            level for n, level in enumerate(levels) if n not in (0, 2) and self._varies(n)
        )

    def _describe(self, place: str, properties: Any) -> None:
        if not properties.keys:
            return
        texts: Mapping[str, str] = {
            _text(key): clean_name(_text(value.string_value), "")[:120]
            for key, value in zip(properties.keys, properties.values, strict=False)
        }
        unit, description = (
            next((texts[key] for key in keys if texts.get(key)), "")
            for keys in (_UNITS, _DESCRIPTIONS)
        )
        if unit or description:
            self._reader.describe(place, unit, description)


def _session(message: Any) -> int | None:
    """The number of the session (`bdSeq`) in a birth or a death of a node."""
    return next((_number(m) for m in message.metrics if m.name == "bdSeq"), None)


def _text(text: str | bytes) -> str:
    """A text of the message; the library returns bytes for one that is not UTF-8."""
    return text if isinstance(text, str) else text.decode(errors="replace")


def _is_whole(metric: Any) -> bool:
    return bool(metric.HasField("long_value") or metric.HasField("int_value"))


def _number(metric: Any) -> int:
    number: int = metric.long_value if metric.HasField("long_value") else metric.int_value
    return number


def _value(metric: Any, kind: int) -> Any:
    """The value as plain Python; `None` for one that is not telemetry, such as a file."""
    if metric.is_null:
        return None
    if bits := _SIGNED_BITS.get(kind):  # sent as the two's complement
        number = _number(metric) & (1 << bits) - 1
        return number - (1 << bits) if number >> (bits - 1) else number
    if metric.HasField("template_value"):
        metrics = () if metric.template_value.is_definition else metric.template_value.metrics
        return {_text(m.name).replace("/", LEVEL): _value(m, m.datatype) for m in metrics}
    for name in ("int", "long", "float", "double", "boolean", "string"):
        if metric.HasField(f"{name}_value"):
            value = getattr(metric, f"{name}_value")
            return _text(value) if name == "string" else value
    return None
