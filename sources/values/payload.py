"""Samples from JSON payloads."""

from __future__ import annotations

import time as clocks
from itertools import chain
from typing import TYPE_CHECKING, Any

from sources.base import Parameter, Sample, Value
from sources.values.dictionary import MAX_PARAMETERS, Dictionary
from sources.values.flatten import LEVEL, Flattener, TooLarge, join_place
from sources.values.formats import Format, Reading, readings
from sources.values.messagetime import TIME_PLACES, MessageTime
from sources.values.parsing import (
    MAX_PAYLOAD_BYTES,
    NotJson,
    PayloadRefused,
    at,
    check_size,
    decode,
    noun,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["MAX_PAYLOAD_BYTES", "TIME_PLACES", "PayloadReader", "PayloadRefused"]

MAX_WORD = 64
"""Maximum characters of a payload that is a word instead of JSON, such as `Online`."""


class PayloadReader:
    """Reads samples from JSON payloads, and learns their parameters.

    A payload is read as a whole or refused as a whole.

    Args:
        parameters: those declared, in the order in which people see them.
        time: dotted place of the time. By default the `TIME_PLACES` are tried, and a sample with
            none of them gets its time of arrival.
        path: dotted place of the values in the payload, such as `msg`.
        prefix: dotted place of a text that is put before all names, such as `topic`.
        format: of the payloads; with `time`, `path` or `prefix`, `auto` means `json`.
        timezone: the time zone of times without an offset, such as `Europe/Berlin`; UTC if empty.
        has_topics: whether the names of rosbridge's values start with their topics.
        source: its name in the log.
        clock: POSIX seconds.

    Raises:
        OptionError: the time zone does not exist.

    Attributes:
        replaced_times: samples with a time before 2001, from a clock that was not set. They have
            their time of arrival instead.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter] = (),
        *,
        time: str = "",
        path: str = "",
        prefix: str = "",
        format: Format = "auto",  # noqa: A002 # the name of the option
        timezone: str = "",
        has_topics: bool = True,
        source: str = "json",
        clock: Callable[[], float] = clocks.time,
    ) -> None:
        declared = tuple(parameters)
        self._dictionary = Dictionary(declared)
        self._flattener = Flattener(declared)
        self._times = MessageTime(time, timezone, source)
        self._path = path
        self._prefix = prefix
        self._format: Format = "json" if format == "auto" and (time or path or prefix) else format
        self._has_topics = has_topics
        self._clock = clock
        self._descriptions: dict[str, tuple[str, str]] = {}
        self.replaced_times = self._times.replaced

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters declared, then those learned so far."""
        return self._dictionary.parameters

    def samples(
        self, payload: bytes | str, place: str | None = None, value_place: str = ""
    ) -> list[Sample]:
        """The samples of a payload: one object, or a list of objects.

        Args:
            payload: JSON.
            place: of the payload's topic, which starts all names; `None` if it has no topic.
            value_place: of a payload that is a single value; without it, such a payload is refused.

        Raises:
            PayloadRefused: the payload is neither, is too large, or lacks its time.
        """
        check_size(payload)
        text = decode(payload)
        try:
            root = parse(text)
        except NotJson:
            root = text.strip()
            if not value_place or not _is_word(root):
                raise
        if value_place and _is_single(root):
            return [Sample(self._clock(), self._flattened(root, value_place))] if root != "" else []
        return [sample for _, sample in self._placed(root, place)]

    def sample(self, members: dict[str, Any], t: float | None = None) -> Sample:
        """The sample of values that another format than JSON holds.

        Args:
            members: by place.
            t: POSIX seconds; by default, the time is searched in the members.

        Raises:
            PayloadRefused: there are too many values, or their time is missing.
        """
        if t is None:
            return self._sample(members, None, self._clock())
        return Sample(t, self._members(members, ""))

    def batch(self, body: bytes, place: str | None = None) -> Iterator[tuple[str, Sample]]:
        """Yield the samples of a body, each with its place: one JSON payload, or one on each line.

        Args:
            body: JSON, or JSON lines.
            place: of the sender, which starts all names; `None` if it is unknown.

        Raises:
            PayloadRefused: as in `samples`, after the samples before that place were yielded.
        """
        text = decode(body)
        lines = ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        try:
            yield from self._placed(parse(text), place)
        except NotJson as whole:
            first = next(lines, None)
            if first is None:
                raise PayloadRefused("the body is empty") from None
            try:
                parse(first[1])
            except NotJson:
                raise whole from None
            for number, line in chain([first], lines):
                yield from self._line(f"line {number}", line, place)

    def values(self, place: str, payload: bytes | str) -> dict[str, Value]:
        """The value at one place, as JSON or as plain text; the values in it, if an object.

        Raises:
            PayloadRefused: the payload is too large, or not text.
        """
        check_size(payload)
        text = decode(payload)
        try:
            value = parse(text)
        except NotJson:
            value = text.strip() or None
        return self._flattened(value, place)

    def describe(self, place: str, unit: str, description: str = "") -> None:
        """Add a unit and a description to the parameter of a place, now or when it is learned."""
        described = (unit, description)
        if self._descriptions.get(place) == described:
            return
        if place in self._descriptions or len(self._descriptions) < MAX_PARAMETERS:
            self._descriptions[place] = described
            if (name := self._flattener.names.get(place)) is not None:
                self._dictionary.describe(name, *described)

    def _line(self, line: str, text: str, place: str | None) -> Iterator[tuple[str, Sample]]:
        try:
            for item, sample in self._placed(parse(text), place):
                yield ", ".join(filter(None, (line, item))), sample
        except PayloadRefused as exc:
            item = "" if isinstance(exc, NotJson) else exc.place
            raise PayloadRefused(exc.reason, ", ".join(filter(None, (line, item)))) from exc

    def _placed(self, root: Any, place: str | None = None) -> Iterator[tuple[str, Sample]]:
        """The samples of parsed JSON, each with its place in the payload."""
        arrived = self._clock()
        whole = self._recognised(root, place, arrived)
        if whole is not None or not isinstance(root, list):
            for sample in whole if whole is not None else [self._sample(root, place, arrived)]:
                yield "", sample
            return
        for number, item in enumerate(root, 1):
            try:
                found = self._recognised(item, place, arrived)
                for sample in found if found is not None else [self._sample(item, place, arrived)]:
                    yield f"item {number}", sample
            except PayloadRefused as exc:
                raise PayloadRefused(exc.reason, f"item {number}") from exc

    def _recognised(self, root: Any, place: str | None, arrived: float) -> list[Sample] | None:
        """The samples of a message in another format than plain JSON."""
        if self._format not in ("auto", "senml") and isinstance(root, list):
            return None
        try:
            found = readings(self._format, root, place, arrived, self._has_topics)
        except RecursionError as exc:
            raise PayloadRefused("nested too deep") from exc
        return None if found is None else [self.of(reading, place, arrived) for reading in found]

    def of(
        self, reading: Reading, place: str | None = None, arrived: float | None = None
    ) -> Sample:
        """The sample of a reading.

        Args:
            reading: of a message in any format.
            place: of the message's topic, for a reading without a place.
            arrived: POSIX seconds; now by default.

        Raises:
            PayloadRefused: the values are too many or too deep.
        """
        arrived = self._clock() if arrived is None else arrived
        start = reading.place if reading.place is not None else place or ""
        for inner, unit in reading.units.items():
            self.describe(join_place(start, *_keys(inner, reading.values)), unit)
        t = self._times.of(reading.time)
        return Sample(arrived if t is None else t, self._members(reading.values, start))

    def _sample(self, root: Any, place: str | None, arrived: float) -> Sample:
        part = at(root, self._path) if self._path else root
        if not isinstance(part, dict):
            where = f" at {self._path!r}" if self._path else ""
            raise PayloadRefused(f"expected an object{where}, found {noun(part)}")
        start = place or ""
        if self._prefix:
            text = at(root, self._prefix)
            if not isinstance(text, str):
                raise PayloadRefused(f"expected a text at {self._prefix!r}, found {noun(text)}")
            start = join_place(start, text.strip("/").replace("/", LEVEL))
        t, consumed = self._times.find(root, part)
        skip = join_place(start, *consumed.split(".")) if consumed else ""
        return Sample(arrived if t is None else t, self._members(part, start, skip))

    def _members(self, members: Mapping[str, Any], place: str, skip: str = "") -> dict[str, Value]:
        """The values in the members of a sample."""
        return self._learned(lambda: self._flattener.members(members, place, skip))

    def _flattened(self, value: Any, place: str) -> dict[str, Value]:
        """The values at one place."""
        return self._learned(lambda: self._flattener.flatten(value, place))

    def _learned(self, flatten: Callable[[], dict[str, Value]]) -> dict[str, Value]:
        try:
            values = flatten()
        except TooLarge as exc:
            raise PayloadRefused(str(exc)) from exc
        for name in self._dictionary.learn(values):
            described = self._descriptions.get(self._flattener.names.place(name))
            if described is not None:
                self._dictionary.describe(name, *described)
        return values


def _keys(place: str, values: Any) -> list[str]:
    """The keys of a dotted place; a single key, if the values have it."""
    return [place] if place in values else place.split(".")


def _is_word(text: str) -> bool:
    """Whether a payload that is not JSON is a short text, rather than broken JSON."""
    return len(text) <= MAX_WORD and text.isprintable() and not text.startswith(("{", "[", '"'))


def _is_single(root: Any) -> bool:
    """Whether parsed JSON is a value rather than one or more samples."""
    if isinstance(root, list):
        return bool(root) and not any(isinstance(item, dict) for item in root)
    return not isinstance(root, dict)
