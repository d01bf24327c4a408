"""Messages of the OwnTracks apps, over MQTT or HTTP.

Source: https://owntracks.org/booklet/tech/json/
"""

from __future__ import annotations

from typing import Any

from sources.values.flatten import LEVEL
from sources.values.formats.reading import Reading
from sources.values.parsing import PayloadRefused, noun

TYPES = frozenset(
    {
        "beacon", "card", "cmd", "configuration", "dump", "encrypted", "location", "lwt", "request",
        "status", "steps", "transition", "waypoint", "waypoints",
    }
)  # fmt: skip
"""Values of `_type`."""

_UNITS = {
    "acc": "m",
    "batt": "%",
    "cog": "°",
    "p": "kPa",
    "rad": "m",
    "vac": "m",
    "vel": "km/h",
}
_ENVELOPE = {"_type", "_id", "topic", "lat", "lon", "alt", "tst", "created_at", "t", "image"}
_ENVELOPE |= {"BSSID", "SSID", "imagename", "inrids", "isotst", "disptst", "ghash"}


def is_owntracks(root: Any) -> bool:
    """Whether a message is one of OwnTracks."""
    return _type(root) in TYPES and "type" not in root


def read_owntracks(root: Any, place: str | None) -> list[Reading]:
    """The location, the region that was entered or left, or the steps; no other message.

    Args:
        root: parsed JSON.
        place: of the topic; `None` if the message has no topic.

    Raises:
        PayloadRefused: the message is not one of OwnTracks, or is encrypted.
    """
    kind = _type(root)
    if kind not in TYPES:
        raise PayloadRefused(f"expected a type of OwnTracks at '_type', found {noun(kind)}")
    if kind == "encrypted":
        raise PayloadRefused("the message is encrypted; remove the secret key in the app")
    device = _device(root, place)
    match kind:
        case "location":
            location = {key: root.get(key) for key in ("lat", "lon", "alt")}
            values = {"location": location} | ({"trigger": root["t"]} if "t" in root else {})
            values |= {key: value for key, value in root.items() if key not in _ENVELOPE}
            return [Reading(values, root.get("tst"), device, _UNITS)]
        case "transition":
            values = {"transition": root.get("event"), "region": root.get("desc")}
            return [Reading(values, root.get("tst"), device)]
        case "steps":
            return [Reading({"steps": root.get("steps")}, root.get("tst"), device)]
    return []


def _type(root: Any) -> str | None:
    kind = root.get("_type") if isinstance(root, dict) else None
    return kind if isinstance(kind, str) else None


def _device(root: dict[str, Any], place: str | None) -> str | None:
    """The place of the user and the device; `None` for that of the topic."""
    topic = root.get("topic")
    if isinstance(topic, str) and topic.startswith("owntracks/"):
        return LEVEL.join(topic.split("/")[1:3]) if place != "" else None
    tracker = root.get("tid")
    return tracker if place is None and isinstance(tracker, str) else None
