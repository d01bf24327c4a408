"""Topics of usual programs whose messages are not telemetry."""

from __future__ import annotations


def is_telemetry(topic: str) -> bool:
    """Whether the messages of a topic may be telemetry: not a command, and not a description.

    The programs are Zigbee2MQTT, Tasmota, Home Assistant and Sparkplug with their default topics.
    """
    match topic.split("/"):
        case ["zigbee2mqtt", "bridge", *rest]:
            return rest == ["state"]
        case ["zigbee2mqtt", *rest]:
            return not {"set", "get"} & set(rest[1:])
        case ["cmnd", _, *_] | ["tasmota", "discovery", *_] | ["spBv1.0", "STATE", *_]:
            return False
        case ["homeassistant", _, *rest]:
            return rest[-1:] != ["config"]
    return True
