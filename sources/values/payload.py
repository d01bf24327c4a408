"""Samples out of JSON payloads."""

from __future__ import annotations

import json
import time as clocks
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from sources.base import Kind, Parameter, Sample, SourceError, Value
from sources.values.flatten import Flattener, TooMuch
from sources.values.times import timestamp_of

MAX_PAYLOAD_BYTES = 2**20

TIMES = ("t", "time", "timestamp", "ts", "header.stamp")
"""Where a time is looked for, in this order; the last is that of ROS messages."""

MAX_LEARNED = 2000
"""A device that invents ever new parameters is not followed further."""


class PayloadRefused(SourceError):
    """A payload cannot be taken as samples.

    Attributes:
        reason: why.
        place: where in the payload, such as `line 3`; may be empty.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason = reason
        self.place = place
        super().__init__(f"{place}: {reason}" if place else reason)


class PayloadReader:
    """Reads samples out of JSON payloads, and remembers which parameters there were.

    A payload is taken whole or refused whole.

    Args:
        parameters: those declared, in the order people shall see them.
        time: dotted place of the time; where nobody says, `TIMES` are tried, and a sample without
            any of them was measured when it arrived.
        path: dotted place of the values inside the payload, such as `msg`.
        prefix: dotted place of a text that all names begin with, such as `topic`.
        clock: POSIX seconds.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] = (),
        *,
        time: str = "",
        path: str = "",
        prefix: str = "",
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        declared = tuple(parameters)
        self._known = {parameter.name: parameter for parameter in declared}
        self._flattener = Flattener(declared)
        self._times = (time,) if time else TIMES
        self._must_have_time = bool(time)
        self._path = path
        self._prefix = prefix
        self._clock = clock

    @property
    def parameters(self) -> Sequence[Parameter]:
        """Those declared, then those that were seen besides, with what their values tell."""
        return tuple(self._known.values())

    def samples(self, payload: bytes | str) -> list[Sample]:
        """The samples of a payload: an object is one, a list of objects is several.

        Raises:
            PayloadRefused: it is no such thing, or has no time where `time` says.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadRefused(
                f"it has {len(payload):,} bytes, more than {MAX_PAYLOAD_BYTES:,} at once"
            )
        return [sample for _, sample in self._placed(_parse(_decode(payload)))]

    def batch(self, body: bytes) -> Iterator[tuple[str, Sample]]:
        """The samples of a whole body, each with its place: JSON as above, or JSON lines of it.

        Raises:
            PayloadRefused: as above; the samples before it were yielded.
        """
        text = _decode(body)
        lines = ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        try:
            yield from self._placed(_parse(text))
        except NotJson as whole:
            first = next(lines, None)
            if first is None:
                raise PayloadRefused("it is empty") from None
            try:
                _parse(first[1])
            except NotJson:
                raise whole from None
            for number, line in chain([first], lines):
                yield from self._line(f"line {number}", line)

    def values(self, name: str, payload: bytes | str) -> dict[str, Value]:
        """The value of one parameter, as JSON or as plain text; of an object, the values in it.

        Raises:
            PayloadRefused: it is not text, or too much of it.
        """
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadRefused(f"it has {len(payload):,} bytes")
        text = _decode(payload)
        try:
            value = _parse(text)
        except NotJson:
            value = text.strip() or None
        return self._flattened(value, name)

    def _line(self, line: str, text: str) -> Iterator[tuple[str, Sample]]:
        try:
            for place, sample in self._placed(_parse(text)):
                yield ", ".join(filter(None, (line, place))), sample
        except PayloadRefused as exc:
            item = "" if isinstance(exc, NotJson) else exc.place
            place = ", ".join(filter(None, (line, item)))
            raise PayloadRefused(exc.reason, place) from exc

    def _placed(self, root: Any) -> Iterator[tuple[str, Sample]]:
        """The samples of what JSON gave, each with its place."""
        arrived = self._clock()
        several = isinstance(root, list)
        for number, item in enumerate(root if several else [root], 1):
            place = f"item {number}" if several else ""
            try:
                yield place, self._sample(item, arrived)
            except PayloadRefused as exc:
                raise PayloadRefused(exc.reason, place) from exc

    def _sample(self, root: Any, arrived: float) -> Sample:
        part = _at(root, self._path) if self._path else root
        if not isinstance(part, dict):
            where = f" at {self._path!r}" if self._path else ""
            raise PayloadRefused(f"there is no object{where}, but {_noun(part)}")
        prefix = ""
        if self._prefix:
            text = _at(root, self._prefix)
            if not isinstance(text, str):
                raise PayloadRefused(f"there is no text at {self._prefix!r}, but {_noun(text)}")
            prefix = text.strip("/").replace("/", ".")
        t, consumed = self._time(root, part)
        return Sample(arrived if t is None else t, self._flattened(part, prefix, consumed))

    def _time(self, root: Any, part: Any) -> tuple[float | None, str]:
        """The time told, and its place in the part, if it is there."""
        for place in self._times:
            if (t := timestamp_of(_at(part, place))) is not None:
                return t, place
            if part is not root and (t := timestamp_of(_at(root, place))) is not None:
                return t, ""
        if self._must_have_time:
            found = _at(part, self._times[0])
            raise PayloadRefused(f"there is no time at {self._times[0]!r}, but {_noun(found)}")
        return None, ""

    def _flattened(self, value: Any, name: str, skip: str = "") -> dict[str, Value]:
        try:
            values = self._flattener.flatten(value, name, skip)
        except TooMuch as exc:
            raise PayloadRefused(str(exc)) from exc
        for known, told in values.items():
            if told is not None and known not in self._known and len(self._known) < MAX_LEARNED:
                self._known[known] = Parameter(known, kind=_kind(told))
        return values


class NotJson(PayloadRefused):
    """A payload is not JSON at all."""


def _decode(payload: bytes | str) -> str:
    try:
        return payload if isinstance(payload, str) else payload.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise PayloadRefused(f"it is no UTF-8: {exc.reason} at byte {exc.start:,}") from exc


def _parse(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}" if "\n" in text.strip() else ""
        raise NotJson(f"no JSON ({exc.msg}, column {exc.colno})", place) from exc
    except RecursionError as exc:
        raise PayloadRefused("it is nested too deep") from exc


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, none of whose values is lost to a second one of the same name."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise PayloadRefused(f"the name {twice[:40]!r} is there twice")
    return made


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # `int` refuses 5,000 digits


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)


def _at(value: Any, place: str) -> Any:
    """What is at a dotted place; `None` if nothing is."""
    for key in place.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _noun(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return f"the text {value[:40]!r}"
        case _:
            return repr(value)[:40]


def _kind(value: Value) -> Kind:
    match value:
        case bool():
            return "boolean"
        case str():
            return "text"
        case Mapping():
            return "vector"
        case _:  # one whole number says little: the next may have a fraction
            return "number"
