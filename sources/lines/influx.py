"""InfluxDB line protocol: `weather,station=dock temperature=21.5,wind=3i 1790000000000000000`.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import re
import time as clocks
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sources.values.flatten import HIDDEN, join_place
from sources.values.parsing import PayloadRefused, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sources.base import Sample
    from sources.values.payload import PayloadReader

Precision = Literal["ns", "us", "ms", "s", "n", "u"]
"""The unit of timestamps; `n` and `u` are those of InfluxDB 1."""

PER_SECOND: Mapping[Precision, int] = {
    "ns": 10**9,
    "us": 10**6,
    "ms": 1000,
    "s": 1,
    "n": 10**9,
    "u": 10**6,
}
"""Units of each precision in a second."""

MAX_FIELDS = 1000
"""Maximum number of fields of one point."""

_MIN_S, _MAX_S = 1e8, 1e11  # 1973 and 5138, as in `timestamp_of`

# each alternative starts with another character, so the match takes linear time
_MEASUREMENT = re.compile(r"(?:[^\\, \n]|\\[, ]|\\(?![, ]))+")
_KEY = re.compile(r"(?:[^\\,= \n]|\\[,= ]|\\(?![,= ]))+")
_TEXT = re.compile(r'"((?:[^"\\]|\\["\\]|\\(?!["\\]))*)"')
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([iu]?)")
_BOOLEANS = {"t": True, "T": True, "true": True, "True": True, "TRUE": True}
_BOOLEANS |= {"f": False, "F": False, "false": False, "False": False, "FALSE": False}
_BOOLEAN = re.compile("|".join(sorted(_BOOLEANS, key=len, reverse=True)))
_TIMESTAMP = re.compile(r"-?\d{1,20}(?=[ \r]*(?:\n|$))")
_END = re.compile(r"[ \r]*(?:\n|$)")
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Point:
    """One line.

    Attributes:
        measurement: its name.
        tags: keys and values, sorted by key.
        fields: values by key.
        timestamp: in the precision of the request; `None` if the line has none.
        line: its number, from 1.
    """

    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: Mapping[str, float | int | bool | str]
    timestamp: int | None
    line: int


def points(text: str) -> Iterator[Point]:
    """Yield the points of a text; comments and blank lines are skipped.

    Raises:
        PayloadRefused: a line is not line protocol; its place is the number of the line.
    """
    at, line = 0, 1
    while at < len(text):
        start = at
        if end := _END.match(text, at):
            at = end.end()
        elif text[at] in " \t":
            at += 1
        elif text[at] == "#":
            at = text.find("\n", at) + 1 or len(text)
        else:
            try:
                point, at = _point(text, at, line)
            except _Expected as exc:
                column = exc.at - (text.rfind("\n", 0, exc.at) + 1) + 1
                place = f"line {line + text.count(chr(10), start, exc.at)}"
                reason = f"not line protocol: expected {exc.what} at column {column:,}"
                raise PayloadRefused(reason, place) from None
            yield point
        line += text.count("\n", start, at)


class _Expected(Exception):
    def __init__(self, what: str, at: int) -> None:
        self.what = what
        self.at = at
        super().__init__(what)


def _point(text: str, at: int, line: int) -> tuple[Point, int]:
    measurement, at = _name(_MEASUREMENT, "a measurement", text, at, r"\\([, ])")
    tags: dict[str, str] = {}
    while text.startswith(",", at):
        key, at = _name(_KEY, "a tag", text, at + 1)
        value, at = _name(_KEY, "the value of the tag", text, _after("=", text, at))
        if key in tags:
            raise _Expected(f"the tag {key[:40]!r} only once", at)
        tags[key] = value
    at = _after_spaces(text, _after(" ", text, at))
    fields: dict[str, float | int | bool | str] = {}
    while True:
        key, at = _name(_KEY, "a field such as temperature=21.5", text, at)
        fields[key], at = _value(text, _after("=", text, at))
        if len(fields) > MAX_FIELDS:
            raise _Expected(f"at most {MAX_FIELDS:,} fields", at)
        if not text.startswith(",", at):
            break
        at += 1
    spaces = _after_spaces(text, at)
    stamp = _TIMESTAMP.match(text, spaces) if spaces > at else None
    at = stamp.end() if stamp else spaces
    end = _END.match(text, at)
    if end is None:
        raise _Expected("a timestamp, a comma or the end of the line", at)
    timestamp = int(stamp[0]) if stamp else None
    return Point(measurement, tuple(sorted(tags.items())), fields, timestamp, line), end.end()


def _name(
    pattern: re.Pattern[str], what: str, text: str, at: int, escaped: str = r"\\([,= ])"
) -> tuple[str, int]:
    match = pattern.match(text, at)
    if match is None:
        raise _Expected(what, at)
    return re.sub(escaped, r"\1", match[0].rstrip("\r")), match.end()


def _after(sign: str, text: str, at: int) -> int:
    if not text.startswith(sign, at):
        raise _Expected("a space and a field" if sign == " " else f"{sign!r}", at)
    return at + len(sign)


def _after_spaces(text: str, at: int) -> int:
    while text.startswith(" ", at):
        at += 1
    return at


def _value(text: str, at: int) -> tuple[float | int | bool | str, int]:
    if match := _TEXT.match(text, at):
        return _ESCAPED_IN_TEXT.sub(r"\1", match[1]), match.end()
    if match := _NUMBER.match(text, at):
        digits, kind = match.groups()
        if not kind:
            return float(digits), match.end()
        low, high = (-(2**63), 2**63) if kind == "i" else (0, 2**64)
        if digits.lstrip("+-").isdecimal() and len(digits) <= 21 and low <= int(digits) < high:
            return int(digits), match.end()
        raise _Expected("a whole number of 64 bits", at)
    if match := _BOOLEAN.match(text, at):
        return _BOOLEANS[match[0]], match.end()
    raise _Expected("a number, a boolean or a text in double quotes", at)


class InfluxReader:
    """Reads samples from line protocol.

    The name of a parameter is the measurement, the values of the tags in the order of their keys,
    and the field, with dots between them: `cpu,host=rover,cpu=cpu0 usage=3.5` is
    `cpu.cpu0.rover.usage`. If two series would have the same name, the second one's name ends in
    `_2`.

    Args:
        reader: makes the samples, and learns their parameters.
        clock: POSIX seconds; the time of points without a timestamp.
    """

    def __init__(self, reader: PayloadReader, clock: Callable[[], float] = clocks.time) -> None:
        self._reader = reader
        self._clock = clock

    def samples(
        self,
        body: bytes | str,
        precision: Precision = "ns",
        tags: str | None = None,
        device: str = "",
    ) -> Iterator[tuple[str, Sample]]:
        """Yield the sample of each point, with its place: `line 3`.

        Args:
            body: in line protocol.
            precision: the unit of the timestamps.
            tags: keys of the tags that become part of names, separated by commas; `None` for all.
            device: starts all names, if it is not empty.

        Raises:
            PayloadRefused: the body is not line protocol or has no point, or a time is not between
                1973 and 5138.
        """
        wanted = None if tags is None else {key.strip() for key in tags.split(",")}
        arrived, point = self._clock(), None
        for point in points(decode(body)):
            line, start = f"line {point.line}", _place(point, wanted, device)
            values = {f"{start}.{key}": value for key, value in point.fields.items()}
            try:
                t = arrived if point.timestamp is None else _time(point.timestamp, precision)
                yield line, self._reader.sample(values, t)
            except PayloadRefused as exc:
                raise PayloadRefused(exc.reason, line) from exc
        if point is None:
            raise PayloadRefused("the body has no point")


def _place(point: Point, wanted: set[str] | None, device: str) -> str:
    """The place of a field, up to the field; its hidden part distinguishes it from other series."""
    tags = [tag for tag in point.tags if wanted is None or tag[0] in wanted]
    hidden = join_place(device, point.measurement, *(f"{key}={value}" for key, value in tags))
    names = filter(None, [device, point.measurement, *(value for _, value in tags)])
    return f"{hidden}{HIDDEN}{'.'.join(names)}"


def _time(timestamp: int, precision: Precision) -> float:
    t = timestamp / PER_SECOND[precision]
    if not _MIN_S <= t < _MAX_S:
        raise PayloadRefused(
            f"the timestamp {timestamp} with precision={precision} is not between the years 1973"
            " and 5138; set precision to ns, us, ms or s"
        )
    return t
