"""Samples from JSON payloads."""

from __future__ import annotations

import json
import time as clocks
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from sources.base import Parameter, Sample, SourceError, Value
from sources.values.dictionary import Dictionary
from sources.values.flatten import Flattener, TooLarge
from sources.values.times import timestamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_PAYLOAD_BYTES = 2**20
"""Maximum bytes of one payload; a batch may be larger."""

TIME_PLACES = ("t", "time", "timestamp", "ts", "header.stamp")
"""Dotted places that are searched for a time, in this order; the last is that of ROS messages."""


class PayloadRefused(SourceError):
    """A payload cannot be read as samples.

    Attributes:
        reason: why.
        place: where in the payload, such as `line 3`; may be empty.
    """

    def __init__(self, reason: str, place: str = "") -> None:
        self.reason = reason
        self.place = place
        super().__init__(f"{place}: {reason}" if place else reason)


class NotJson(PayloadRefused):
    """A payload is not JSON."""


class PayloadReader:
    """Reads samples from JSON payloads, and learns their parameters.

    A payload is read as a whole or refused as a whole.

    Args:
        parameters: those declared, in the order in which people see them.
        time: dotted place of the time. By default the `TIME_PLACES` are tried, and a sample with
            none of them gets its time of arrival.
        path: dotted place of the values in the payload, such as `msg`.
        prefix: dotted place of a text that is put before all names, such as `topic`.
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
        self._dictionary = Dictionary(declared)
        self._flattener = Flattener(declared)
        self._time_places = (time,) if time else TIME_PLACES
        self._needs_time = bool(time)
        self._path = path
        self._prefix = prefix
        self._clock = clock

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._dictionary.parameters

    def samples(self, payload: bytes | str) -> list[Sample]:
        """The samples of a payload: one object, or a list of objects.

        Raises:
            PayloadRefused: the payload is neither, is too large, or lacks its time.
        """
        _check_size(payload)
        return [sample for _, sample in self._placed(_parse(_decode(payload)))]

    def batch(self, body: bytes) -> Iterator[tuple[str, Sample]]:
        """Yield the samples of a body, each with its place: one JSON payload, or one on each line.

        Raises:
            PayloadRefused: as in `samples`, after the samples before that place were yielded.
        """
        text = _decode(body)
        lines = ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        try:
            yield from self._placed(_parse(text))
        except NotJson as whole:
            first = next(lines, None)
            if first is None:
                raise PayloadRefused("the body is empty") from None
            try:
                _parse(first[1])
            except NotJson:
                raise whole from None
            for number, line in chain([first], lines):
                yield from self._line(f"line {number}", line)

    def values(self, name: str, payload: bytes | str) -> dict[str, Value]:
        """The value of one parameter, as JSON or as plain text; the values in it, if an object.

        Raises:
            PayloadRefused: the payload is too large, or not text.
        """
        _check_size(payload)
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
        """The samples of parsed JSON, each with its place."""
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
            raise PayloadRefused(f"expected an object{where}, found {_noun(part)}")
        prefix = ""
        if self._prefix:
            text = _at(root, self._prefix)
            if not isinstance(text, str):
                raise PayloadRefused(f"expected a text at {self._prefix!r}, found {_noun(text)}")
            prefix = text.strip("/").replace("/", ".")
        t, consumed = self._time(root, part)
        return Sample(arrived if t is None else t, self._flattened(part, prefix, consumed))

    def _time(self, root: Any, part: Any) -> tuple[float | None, str]:
        """The sample's time, and its place in `part` (empty if it is elsewhere)."""
        for place in self._time_places:
            if (t := timestamp_of(_at(part, place))) is not None:
                return t, place
            if part is not root and (t := timestamp_of(_at(root, place))) is not None:
                return t, ""
        if self._needs_time:
            place = self._time_places[0]
            raise PayloadRefused(f"expected a time at {place!r}, found {_noun(_at(part, place))}")
        return None, ""

    def _flattened(self, value: Any, name: str, skip: str = "") -> dict[str, Value]:
        try:
            values = self._flattener.flatten(value, name, skip)
        except TooLarge as exc:
            raise PayloadRefused(str(exc)) from exc
        self._dictionary.learn(values)
        return values


def _check_size(payload: bytes | str) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadRefused(
            f"the payload has {len(payload):,} bytes, more than {MAX_PAYLOAD_BYTES:,}"
        )


def _decode(payload: bytes | str) -> str:
    try:
        return payload if isinstance(payload, str) else payload.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise PayloadRefused(f"not UTF-8: {exc.reason} at byte {exc.start:,}") from exc


def _parse(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}" if "\n" in text.strip() else ""
        raise NotJson(f"not JSON ({exc.msg}, column {exc.colno})", place) from exc
    except RecursionError as exc:
        raise PayloadRefused("nested too deep") from exc


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without duplicate names, so that no value is lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise PayloadRefused(f"the name {name[:40]!r} is used twice")
    return made


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # `int` refuses 5,000 digits


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)


def _at(value: Any, place: str) -> Any:
    """The value at a dotted place, or `None`."""
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
