"""NMEA 0183 sentences, as GNSS receivers, compasses and weather stations send them.

Source: the sentences as pynmeagps defines them, which follow NMEA 0183 v4.11.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from sources.base import Sample, SourceError
from sources.values.parsing import PayloadRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sources.base import Value

KNOT_M_S = 1852 / 3600

SENTENCE = re.compile(rb"[$!][A-Z][A-Z0-9]{2,}[^$!*]*\*[0-9A-Fa-f]{2}\s*$")
"""A whole sentence at the end of a line; bytes before it are noise."""

FIXES = (
    *("none", "single", "differential", "PPS", "RTK", "float RTK", "estimated", "manual"),
    "simulated",
)
"""The meaning of GGA's quality."""

DIMENSIONS = {1: "none", 2: "2D", 3: "3D"}
"""The meaning of GSA's mode."""

UNITS: Mapping[str, str] = {
    "location": "°",
    "altitude": "m",
    "geoid_separation": "m",
    "speed": "m/s",
    "course": "°",
    "heading": "°",
}
"""By the name of a parameter, without the talker."""

GNSS_TALKERS = frozenset({"GP", "GN", "GL", "GA", "GB", "BD", "GQ", "QZ", "GI"})
"""Talkers of satellite receivers. A receiver changes between them, so they share their names."""

DAY_S = 86_400

EPOCH_S = 1.0
"""Seconds for which sentences without a time belong to the sentence with a time before them."""


class NmeaReader:
    """Reads the values of sentences, one at a time.

    The date and time of RMC or ZDA give the date to sentences that have only a time of day. A
    sentence without a time has the time of the sentences before it. Without any, the time of
    arrival is used, and so it is while the receiver has no fix, as its clock may be wrong then.

    Args:
        clock: POSIX seconds.

    Attributes:
        units: by parameter name.

    Raises:
        SourceError: pynmeagps is not installed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._parse = _parser()
        self._clock = clock
        self.units: dict[str, str] = {}
        self._epoch_t: float | None = None
        self._epoch_arrived = 0.0
        self._seen: dict[str, str] = {}

    def sample(self, line: bytes) -> Sample | None:
        """The sample of a sentence; `None` if it has no values.

        Raises:
            PayloadRefused: the sentence is damaged, or not one that can be read.
        """
        arrived = self._clock()
        found = SENTENCE.search(line)
        if found is None:
            raise PayloadRefused("not a whole NMEA sentence with a checksum")
        if found[0][:1] == b"!":
            raise PayloadRefused("AIS sentences cannot be read")
        message = self._parse(found[0])
        talker, kind = message.talker, message.msgID
        fields = {k: v for k, v in vars(message).items() if not k.startswith("_") and v != ""}
        values = {
            k: v
            for k, v in _values(message.identity, kind, talker, fields).items()
            if v is not None
        }
        self._read_time(kind, fields, arrived)
        prefix = "" if talker in GNSS_TALKERS or talker == "P" else f"{talker}."
        named: dict[str, Value] = {}
        for name, value in values.items():
            if self._seen.get(prefix + name, kind) == kind:  # else the epoch has it already
                named[prefix + name] = value
                if unit := UNITS.get(name):
                    self.units[prefix + name] = unit
        t = self._time(named, arrived)
        self._seen.update(dict.fromkeys(named, kind))
        return Sample(t, named) if named else None

    def _read_time(self, kind: str, fields: Mapping[str, Any], arrived: float) -> None:
        """Begin a new epoch if the sentence has a valid time of another one."""
        at = fields.get("time")
        if not isinstance(at, time) or not _is_valid(kind, fields):
            return
        day = _date(kind, fields)
        if day is None:
            expected = arrived if self._epoch_t is None else self._epoch_t
            day = datetime.fromtimestamp(expected, UTC).date()
            t = datetime.combine(day, at, UTC).timestamp()
            t -= round((t - expected) / DAY_S) * DAY_S  # the day that is nearest
        else:
            t = datetime.combine(day, at, UTC).timestamp()
        if t != self._epoch_t:
            self._epoch_t, self._epoch_arrived = t, arrived
            self._seen.clear()

    def _time(self, named: Mapping[str, Value], arrived: float) -> float:
        if self._epoch_t is None:
            return arrived
        elapsed_s = max(0.0, arrived - self._epoch_arrived)
        if elapsed_s < EPOCH_S and not self._seen.keys() & named.keys():
            return self._epoch_t
        return self._epoch_t + elapsed_s


def _parser() -> Callable[[bytes], Any]:
    """A function that parses a sentence, or raises `PayloadRefused`."""
    try:
        from pynmeagps import NMEAReader
        from pynmeagps.exceptions import NMEAMessageError, NMEAParseError, NMEATypeError
    except ImportError as exc:
        raise SourceError(
            "NMEA 0183 needs an optional dependency: pip install 'cosmic-rover[nmea]'"
        ) from exc

    def parse(sentence: bytes) -> Any:
        try:
            message = NMEAReader.parse(sentence)
        except (NMEAMessageError, NMEAParseError, NMEATypeError, ValueError, IndexError) as exc:
            raise PayloadRefused(" ".join(str(exc).split())) from exc
        if message is None:
            raise PayloadRefused("not a sentence that can be read")
        return message

    return parse


def _values(
    identity: str, kind: str, talker: str, fields: Mapping[str, Any]
) -> Mapping[str, Value]:
    """The values of a sentence by name, in SI units and degrees; `None` if not measured."""
    get = fields.get
    position = {"location": _location(fields)}
    match kind:
        case "GGA":
            quality = get("quality")
            return (position if quality else {}) | {
                "fix": _nth(FIXES, quality),
                "satellites": get("numSV"),
                "hdop": get("HDOP"),
                "altitude": get("alt") if quality else None,
                "geoid_separation": get("sep") if quality else None,
            }
        case "GNS":
            altitude = get("alt")
            return position | {
                "satellites": get("numSV"),
                "hdop": get("HDOP"),
                "altitude": altitude,
            }
        case "RMC" | "GLL":
            if not _is_valid(kind, fields):
                return {}
            return position | {"speed": _knots(get("spd")), "course": get("cog")}
        case "VTG":
            return {"speed": _knots(get("sogn")), "course": get("cogt")}
        case "GSA":
            dops = {name.lower(): get(name) for name in ("PDOP", "HDOP", "VDOP")}
            return {"fix_dimension": DIMENSIONS.get(get("navMode", 0))} | dops
        case "GSV":
            return {f"satellites_in_view.{talker}": get("numSV")} if get("msgNum") == 1 else {}
        case "HDT" | "THS":
            return {"heading": get("headingT", get("headt"))}
        case "ZDA":
            return {}
    name = identity if talker == "P" else kind
    others = {f"{name}.{key}": value for key, value in fields.items()}
    return {key: value for key, value in others.items() if isinstance(value, float | int | str)}


def _location(fields: Mapping[str, Any]) -> dict[str, float] | None:
    lat, lon = fields.get("lat"), fields.get("lon")
    if not isinstance(lat, float) or not isinstance(lon, float):
        return None
    if abs(lat) > 90 or abs(lon) > 180:
        raise PayloadRefused(f"latitude {lat:g} or longitude {lon:g} is out of range")
    return {"lat": lat, "lon": lon}


def _is_valid(kind: str, fields: Mapping[str, Any]) -> bool:
    """Whether the receiver vouches for position and time."""
    if kind == "GGA":
        return bool(fields.get("quality"))
    return str(fields.get("status", "A")) == "A"


def _date(kind: str, fields: Mapping[str, Any]) -> date | None:
    found = fields.get("date")
    if isinstance(found, date):
        return found
    if kind != "ZDA":
        return None
    try:
        return date(*(int(fields[key]) for key in ("year", "month", "day")))
    except (KeyError, ValueError):
        return None


def _knots(speed: Any) -> float | None:
    return round(speed * KNOT_M_S, 4) if isinstance(speed, float | int) else None


def _nth(names: tuple[str, ...], number: Any) -> str | None:
    return names[number] if isinstance(number, int) and 0 <= number < len(names) else None
