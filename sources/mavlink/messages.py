"""The values of a message.

Source: https://mavlink.io/en/messages/common.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sources.base import Severity
from sources.mavlink.dialect import load, unknown_values
from sources.values.names import legal_name

if TYPE_CHECKING:
    from sources.base import Value

MAX_ITEMS = 20
"""Maximum number of items of an array; a longer one holds data of another protocol."""

DEGREES_E7 = "degE7"
"""The unit of latitudes and longitudes: 10⁻⁷ degrees."""

NOT_TELEMETRY = frozenset(
    ("PARAM_VALUE", "PARAM_EXT_VALUE", "LOG_ENTRY", "LOG_DATA", "TIMESYNC", "SYSTEM_TIME")
    + ("TERRAIN_REQUEST", "TERRAIN_DATA", "ENCAPSULATED_DATA", "DATA_TRANSMISSION_HANDSHAKE")
    + ("ADSB_VEHICLE", "AIS_VESSEL", "COLLISION", "UTM_GLOBAL_POSITION")
)
"""Messages of protocols, and of other vehicles. So is each message that has a target."""

WITH_TARGET = frozenset({"GIMBAL_DEVICE_ATTITUDE_STATUS", "MOUNT_STATUS"})
"""Messages that have a target and are telemetry."""

TIMES = ("time_boot_ms", "time_usec")
"""Fields that hold the time of a message."""

SEVERITIES = (*(Severity.ERROR,) * 4, Severity.WARNING, *(Severity.INFO,) * 3)
"""The severity of an event by that of a STATUSTEXT: emergency to error, warning, the rest."""

ARMED = 128
"""The bit of HEARTBEAT's `base_mode` that means that the motors may run."""

ARDUPILOT = 3
"""HEARTBEAT's `autopilot` of ArduPilot, whose modes the dialect names."""

_COPTERS = (2, 3, 4, 13, 14, 15, 29, 35)
MODES = dict.fromkeys(_COPTERS, "COPTER_MODE") | {
    1: "PLANE_MODE",
    5: "TRACKER_MODE",
    10: "ROVER_MODE",
    11: "ROVER_MODE",
    12: "SUB_MODE",
}
"""The enumeration of ArduPilot's modes, by HEARTBEAT's `type`."""


class MessageReader:
    """Reads the values of messages: `ATTITUDE.roll`, `BATTERY_STATUS.0.voltages.1`.

    Values are as in the message, with these exceptions: a latitude and a longitude are a vector
    `location` in degrees, enumerations are texts, and a number that means "unknown" is `None`.

    Args:
        dialect: the name of the dialect.
    """

    def __init__(self, dialect: str) -> None:
        self._enums = load(dialect).enums
        self._unknown = unknown_values(dialect)

    def values(self, message: Any) -> tuple[dict[str, Value], dict[str, str]]:
        """The values of a message and their units, by name; none if it is not telemetry."""
        name = message.msgname
        if name in NOT_TELEMETRY:
            return {}, {}
        if "target_system" in message.fieldnames and name not in WITH_TARGET:
            return {}, {}
        start = name
        if message.instance_field:
            start += f".{legal_name(str(getattr(message, message.instance_field)))}"
        fields = {
            field: _shortest(getattr(message, field))
            if kind == "float"
            else getattr(message, field)
            for field, kind in zip(message.fieldnames, message.fieldtypes, strict=True)
            if field not in TIMES and field != message.instance_field
        }
        values, units = self._locations(message, fields)
        for field, value in fields.items():
            values |= self._plain(message, field, value)
            if unit := message.fieldunits_by_name.get(field):
                units[field] = unit
        if name == "HEARTBEAT":
            values |= self._state(message)
        return (
            {f"{start}.{field}": value for field, value in values.items()},
            {f"{start}.{field}": units.get(field.partition(".")[0], "") for field in values},
        )

    def _locations(
        self, message: Any, fields: dict[str, Any]
    ) -> tuple[dict[str, Value], dict[str, str]]:
        """The locations in degrees and their units; their fields are removed."""
        found: dict[str, Value] = {}
        for field in [f for f in fields if message.fieldunits_by_name.get(f) == DEGREES_E7]:
            others = (field.replace("lat", other) for other in ("lon", "lng", "long"))
            other = next((o for o in others if o != field and o in fields), None)
            if other is None:
                continue
            lat, lon = fields.pop(field), fields.pop(other)
            start = field.replace("latitude", "").replace("lat", "").replace("_int", "").strip("_")
            known = bool(lat or lon) and abs(lat) <= 90e7 and abs(lon) <= 180e7
            found[f"{start}_location".strip("_")] = (
                {"lat": lat / 1e7, "lon": lon / 1e7} if known else None
            )
        return found, dict.fromkeys(found, "°")

    def _plain(self, message: Any, field: str, value: Any) -> dict[str, Value]:
        unknown = self._unknown.get((message.msgname, field))
        if isinstance(value, list | tuple):
            if len(value) > MAX_ITEMS:
                return {}
            return {
                f"{field}.{index}": None if item == unknown else item
                for index, item in enumerate(value)
            }
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return {field: value.rstrip("\0")}
        if value == unknown:
            return {field: None}
        enum = message.fieldenums_by_name.get(field)
        if enum and message.fielddisplays_by_name.get(field) != "bitmask":
            return {field: self._text(enum, value)}
        return {field: value}

    def _text(self, enum: str, value: int) -> str:
        entry = self._enums.get(enum, {}).get(value)
        return str(value) if entry is None else str(entry.name).removeprefix(f"{enum}_")

    def _state(self, heartbeat: Any) -> dict[str, Value]:
        state: dict[str, Value] = {"armed": bool(heartbeat.base_mode & ARMED)}
        modes = MODES.get(heartbeat.type)
        if heartbeat.autopilot == ARDUPILOT and modes:
            state["mode"] = self._text(modes, heartbeat.custom_mode)
        return state


def _shortest(value: Any) -> Any:
    """The shortest decimal of a number of 32 bits: 0.1 instead of 0.10000000149011612."""
    if isinstance(value, list | tuple):
        return [_shortest(item) for item in value]
    return float(str(np.float32(value)))
