"""Messages with a link to a part of the mission: a time, an image, an upload or an alarm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rover.comms.crew.shapes import Field
from rover.errors import MessageRefused
from rover.invisible import is_blank
from sources.values.times import parse_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

LINK = "link"
"""The kind of a message with a link. Its `data` has one of `FIELDS`."""

TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
"""The forms of ISO 8601 that browsers read too. A time without an offset is in UTC."""


def _is_time(value: object) -> bool:
    is_time = isinstance(value, str) and TIME.fullmatch(value)
    return bool(is_time) and parse_datetime(str(value)) is not None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and not is_blank(value) and value.isprintable()


FIELDS: Mapping[str, Field] = {
    "t": Field("a time in ISO 8601, such as 2026-11-28T21:52:00Z", _is_time),
    "image": Field("the id of an image", _is_id),
    "upload": Field("the id of an upload", _is_id),
    "alarm": Field("the id of an alarm", _is_id),
}


def check_link(data: Mapping[str, Any]) -> None:
    """Check the `data` of a link. It may have further members.

    Raises:
        MessageRefused: it does not have exactly one of `FIELDS`, or that one is malformed.
    """
    given = [name for name in FIELDS if name in data]
    if len(given) != 1:
        names = ", ".join(f"`{name}`" for name in FIELDS)
        has = " and ".join(f"`{name}`" for name in given) or "none of them"
        reason = f"`data` of a `{LINK}` must have exactly one of {names}; it has {has}"
        raise MessageRefused("malformed", reason)
    [name] = given
    if not FIELDS[name].accepts(data[name]):
        raise MessageRefused("malformed", f"`{name}` of a `{LINK}` must be {FIELDS[name].rule}")
