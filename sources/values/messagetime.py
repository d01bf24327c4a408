"""The time of a message: where it is, and what replaces one that cannot be true."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING, Any

from sources.values.cells import number_of
from sources.values.losses import Losses
from sources.values.parsing import PayloadRefused, at, noun
from sources.values.times import EARLIEST_LIVE, is_stamp, parse_datetime, time_zone, timestamp_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME_PLACES = ("t", "time", "timestamp", "ts", "header.stamp", "Time")
"""Dotted places that are searched for a time, in this order.

`header.stamp` is that of ROS messages. `Time` is that of Tasmota: the local time of the device,
without its time zone.
"""

LAST_SEEN = "last_seen"
"""The place of the time in messages of Zigbee2MQTT, which also have `linkquality`."""

_ELSEWHERE = timezone(timedelta(hours=1))


class MessageTime:
    """Finds the times of messages. A time before 2001 counts as unknown: no clock was set.

    Args:
        place: dotted place that must hold a time; empty to search the `TIME_PLACES`.
        zone: the time zone of times without an offset, such as `Europe/Berlin`; UTC if empty.
        source: its name in the log.

    Raises:
        OptionError: the time zone does not exist.

    Attributes:
        replaced: times that were not used, so that their samples have the time of arrival.
    """

    def __init__(self, place: str, zone: str, source: str) -> None:
        self._places = (place,) if place else TIME_PLACES
        self._is_required = bool(place)
        self._has_zone = bool(zone)
        self._zone = time_zone(zone) or UTC
        self.replaced = Losses(source, "replaced time")

    def of(self, value: Any) -> float | None:
        """POSIX seconds of a time; `None` if there is none, or if it is replaced."""
        t = timestamp_of(value, self._zone)
        if t is not None and t >= EARLIEST_LIVE:
            return t
        if value is not None:
            self._replace(value)
        return None

    def find(self, root: Any, part: Any) -> tuple[float | None, str]:
        """The time of a message, and its place in `part` (empty if it is elsewhere).

        Args:
            root: the message.
            part: the values in it.

        Raises:
            PayloadRefused: the place that must hold a time does not.
        """
        uptime: Any = None
        for place, holder, value in self._candidates(root, part):
            consumed = place if holder is part else ""
            t = timestamp_of(value, self._zone)
            if t is not None and t >= EARLIEST_LIVE:
                return None if self._is_unknown_zone(place, value) else t, consumed
            if t is not None or is_stamp(value) or (self._is_required and _is_number(value)):
                self._replace(value)
                return None, consumed
            if uptime is None and _is_number(value):
                uptime = value
        if self._is_required:
            place = self._places[0]
            raise PayloadRefused(f"expected a time at {place!r}, found {noun(at(part, place))}")
        if uptime is not None:  # it stays a value
            self._replace(uptime)
        return None, ""

    def _candidates(self, root: Any, part: Any) -> Iterator[tuple[str, Any, Any]]:
        places = self._places
        if not self._is_required and "linkquality" in part:
            places = (*places, LAST_SEEN)
        for place in places:
            for holder in (part,) if part is root else (part, root):
                value = at(holder, place) if "." in place else holder.get(place)
                if value is not None:
                    yield place, holder, value

    def _is_unknown_zone(self, place: str, value: Any) -> bool:
        """Whether a time is the local time of a device with Tasmota, in an unknown time zone."""
        return (
            place == "Time"
            and not self._has_zone
            and isinstance(value, str)
            and parse_datetime(value, UTC) != parse_datetime(value, _ELSEWHERE)
        )

    def _replace(self, value: Any) -> None:
        self.replaced.add(f"{str(value)[:40]} is not a time since 2001; the arrival is the time")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    return number_of(value) is not None
