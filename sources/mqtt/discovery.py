"""Units and descriptions from the discovery messages of Home Assistant.

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sources.values.names import clean_name
from sources.values.parsing import PayloadRefused, check_size, decode, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_DESCRIPTION = 120
"""Maximum characters of a description, and of a unit."""

_LONG = {
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "stat_t": "state_topic",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
"""The abbreviations of the keys that are read."""

_TEMPLATE = re.compile(
    r"""\{\{-?\s*value(?:_json((?:\s*\.\s*\w+|\[\s*(?:'[^']*'|"[^"]*"|\d+)\s*\])+))?\s*"""
    r"""(?:\|\s*(?:float|int|string|round|default|is_defined)\s*(?:\([^(){}]*\))?\s*)*-?\}\}"""
)
"""A template that takes one value as it is; its filters change at most the form and the digits."""

_IF = re.compile(r"\{%-?\s*if\b[^%]*%\}(.*)\{%-?\s*endif\s*-?%\}")
_KEY = re.compile(r"""\.\s*(\w+)|\[\s*(?:'([^']*)'|"([^"]*)"|(\d+))\s*\]""")
_METHODS = {"get", "items", "keys", "values"}


@dataclass(frozen=True, slots=True)
class Entity:
    """One measurement that a device announces.

    Attributes:
        topic: of its messages.
        keys: that lead to it in a message; empty if the message is the value.
        unit: may be empty.
        description: the names of the device and of the measurement.
    """

    topic: str
    keys: tuple[str, ...]
    unit: str
    description: str


def filters(prefix: str) -> Sequence[str]:
    """The topic filters of discovery messages."""
    return (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")


def entities(payload: bytes) -> list[Entity]:
    """The measurements that a discovery message announces; none if it is empty, a removal.

    Raises:
        PayloadRefused: it is not a JSON object.
    """
    check_size(payload)
    text = decode(payload)
    if not text.strip():
        return []
    root = parse(text)
    if not isinstance(root, dict):
        raise PayloadRefused("expected a discovery message, an object")
    config = _expanded(root)
    components = config.get("components")
    if not isinstance(components, dict):
        return _entity(config)
    parts = (part for part in components.values() if isinstance(part, dict))
    return [
        entity for part in parts for entity in _entity(config | {"name": None} | _expanded(part))
    ]


def _expanded(config: Mapping[str, Any]) -> dict[str, Any]:
    return {_LONG.get(key, key): value for key, value in config.items()}


def _entity(config: Mapping[str, Any]) -> list[Entity]:
    topic = config.get("state_topic")
    if not isinstance(topic, str):  # a button, a camera
        return []
    base = _text(config.get("~"))
    if topic.startswith("~"):
        topic = base + topic[1:]
    elif topic.endswith("~"):
        topic = topic[:-1] + base
    keys = _keys(_text(config.get("value_template")))
    if keys is None:
        return []
    device = config.get("device")
    owner = _text(device.get("name")) if isinstance(device, dict) else ""
    name = _text(config.get("name")) or _text(config.get("device_class"))
    description = name if name.startswith(owner) else f"{owner} {name}"
    unit = _text(config.get("unit_of_measurement"))
    return [Entity(topic, keys, _line(unit), _line(description))]


def _keys(template: str) -> tuple[str, ...] | None:
    """The keys of the value that a template takes; `None` if it computes: the unit is not ours."""
    if wrapped := _IF.fullmatch(template.strip()):
        template = wrapped[1]
    if not template.strip():
        return ()
    found = _TEMPLATE.fullmatch(template.strip())
    if found is None or template.count("value") > 1:
        return None
    keys = tuple(filter(None, sum(_KEY.findall(found[1] or ""), ())))
    return None if set(keys) & _METHODS else keys


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(text: str) -> str:
    return clean_name(text, "")[:MAX_DESCRIPTION]
