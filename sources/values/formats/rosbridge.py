"""Messages of ROS 1 and ROS 2 in the envelope of rosbridge: `{"op": "publish", "topic", "msg"}`.

The envelope does not name the type of a message, so its members decide.

Source: https://github.com/RobotWebTools/rosbridge_suite/blob/ros2/ROSBRIDGE_PROTOCOL.md, and the
message definitions of sensor_msgs, nav_msgs, diagnostic_msgs and tf2_msgs.
"""

from __future__ import annotations

from typing import Any

from sources.values.cells import number_of
from sources.values.flatten import LEVEL, MAX_ITEMS
from sources.values.formats.reading import Reading
from sources.values.parsing import PayloadRefused, at, noun
from sources.values.times import is_stamp

MAX_TEXT = 4096
"""Maximum characters of a text; a longer one is bulk data (an image)."""

_BATTERY = {"voltage", "percentage", "power_supply_status"}
_BATTERY_UNITS = {
    "voltage": "V",
    "temperature": "°C",
    "current": "A",
    "charge": "Ah",
    "capacity": "Ah",
    "design_capacity": "Ah",
}
_NO_FIX = -1  # sensor_msgs/NavSatStatus


def is_rosbridge(root: Any) -> bool:
    """Whether a message is one of rosbridge."""
    if not isinstance(root, dict):
        return False
    match root.get("op"):
        case "publish":
            return isinstance(root.get("topic"), str) and isinstance(root.get("msg"), dict)
        case "status":
            return "level" in root and "msg" in root
    return False


def read_rosbridge(root: Any, has_prefix: bool = True) -> list[Reading]:
    """The values of one published message, without its header and its covariances.

    Args:
        root: parsed JSON.
        has_prefix: whether the names start with the topic.

    Raises:
        PayloadRefused: it is not a published message; the text shows what rosbridge reports.
    """
    op = root.get("op") if isinstance(root, dict) else None
    if op == "status":
        raise PayloadRefused(f"rosbridge reports: {root.get('msg')!s:.200}")
    if not is_rosbridge(root):
        raise PayloadRefused(f"expected a published message, found the operation {noun(op)}")
    message = root["msg"]
    place = root["topic"].strip("/").replace("/", LEVEL) if has_prefix else None
    units = _BATTERY_UNITS if message.keys() >= _BATTERY else {}
    return [Reading(_message(message), at(message, "header.stamp"), place, units)]


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if {"latitude", "longitude", "altitude", "status"} <= message.keys():
        return _fix(message)
    names = message.get("name")
    if isinstance(names, list) and isinstance(message.get("position"), list) and _distinct(names):
        return {"joint": _joints(message)}
    plain: dict[str, Any] = _plain(message)
    return plain


def _distinct(names: list[Any]) -> bool:
    return len(set(map(str, names))) == len(names)


def _fix(message: dict[str, Any]) -> dict[str, Any]:
    """A NavSatFix; without a fix its position has no meaning."""
    fix = at(message, "status.status")
    keys = {"lat": "latitude", "lon": "longitude", "alt": "altitude"}
    location = {key: message[name] if fix != _NO_FIX else None for key, name in keys.items()}
    return {"location": location, "fix": fix}


def _joints(message: dict[str, Any]) -> dict[str, Any]:
    """A JointState: lists in the order of the names. An empty list was not measured."""
    joints: dict[str, Any] = {}
    for quantity in ("position", "velocity", "effort"):
        values = message.get(quantity)
        if isinstance(values, list) and len(values) == len(message["name"]):
            for name, value in zip(message["name"], values, strict=True):
                joints.setdefault(str(name), {})[quantity] = value
    return joints


def _plain(value: Any) -> Any:
    """The value without headers, covariances and bulk data; times as seconds."""
    if isinstance(value, dict):
        if is_stamp(value):
            return _seconds(value)
        return {key: _plain(member) for key, member in value.items() if _is_value(key, member)}
    if isinstance(value, list):
        return _named(value) or [_plain(item) for item in value]
    return value


def _is_value(key: str, member: Any) -> bool:
    if key in ("header", "child_frame_id") or key.endswith(("covariance", "covariance_type")):
        return False
    if isinstance(member, list):
        return len(member) <= MAX_ITEMS or bool(_named(member))
    return not isinstance(member, str) or len(member) <= MAX_TEXT


def _named(items: list[Any]) -> dict[str, Any]:
    """The items by their names, as in DiagnosticArray and TFMessage; empty if they have none."""
    for key in ("name", "child_frame_id", "key"):
        found = {
            item[key]: _plain(_without(item, key))
            for item in items
            if isinstance(item, dict) and isinstance(item.get(key), str)
        }
        if len(found) == len(items):
            return found
    return {}


def _without(item: dict[str, Any], key: str) -> Any:
    rest = {name: member for name, member in item.items() if name != key}
    return rest["value"] if rest.keys() == {"value"} else rest


def _seconds(stamp: dict[str, Any]) -> float:
    parts = {key.startswith("n"): number_of(part) or 0.0 for key, part in stamp.items()}
    return parts[False] + parts[True] / 1e9
