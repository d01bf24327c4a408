"""Uplinks of The Things Stack (The Things Network, version 3), over MQTT or as a webhook.

Source: https://www.thethingsindustries.com/docs/integrations/data-formats/
"""

from __future__ import annotations

from typing import Any

from sources.values.flatten import HIDDEN
from sources.values.formats.reading import Reading
from sources.values.parsing import PayloadRefused, at

_UNITS = {"uplink.rssi": "dBm", "uplink.snr": "dB"}


def is_ttn(root: Any) -> bool:
    """Whether a message is one of The Things Stack."""
    return isinstance(at(root, "end_device_ids.device_id"), str)


def read_ttn(root: Any) -> list[Reading]:
    """The decoded payload of an uplink, and the quality of its reception; no other message.

    Raises:
        PayloadRefused: the message names no device.
    """
    device = at(root, "end_device_ids.device_id")
    if not isinstance(device, str):
        raise PayloadRefused("expected a text at 'end_device_ids.device_id'")
    uplink = root.get("uplink_message")
    if not isinstance(uplink, dict):  # a join, a downlink, a location
        return []
    application = at(root, "end_device_ids.application_ids.application_id")
    decoded = uplink.get("decoded_payload")
    values = {
        **(decoded if isinstance(decoded, dict) else {}),
        "uplink": {
            "f_port": uplink.get("f_port"),
            "f_cnt": uplink.get("f_cnt", 0),  # zeros are left out of the message
            **_reception(uplink.get("rx_metadata")),
        },
    }
    time = root.get("received_at") or uplink.get("received_at")
    return [Reading(values, time, f"{application}{HIDDEN}{device}", _UNITS)]


def _reception(gateways: Any) -> dict[str, Any]:
    """The gateways that received the uplink, with the strongest signal among them."""
    found = [one for one in gateways if isinstance(one, dict)] if isinstance(gateways, list) else []
    signals = [one for one in found if isinstance(one.get("rssi"), int | float)]
    best = max(signals, key=lambda one: one["rssi"], default={})
    return {"gateways": len(found), "rssi": best.get("rssi"), "snr": best.get("snr")}
