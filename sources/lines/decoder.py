"""Detects the format of a line, and reads its samples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from sources.lines.influx import InfluxReader, Precision
from sources.lines.nmea import SENTENCE, NmeaReader
from sources.lines.pairs import pairs_of
from sources.lines.table import NoRow, Table
from sources.values.parsing import PayloadRefused
from sources.values.payload import PayloadReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sources.base import Parameter, Sample
    from sources.values.cells import Cell

Format = Literal["auto", "json", "csv", "pairs", "nmea", "influx"]
"""The format of lines; `auto` detects each line's, except `influx`."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class LineDecoder:
    """Reads the samples of the lines of one sender.

    Args:
        form: of the lines.
        columns: of CSV lines; empty if the device sends a header, or none.
        precision: of timestamps in line protocol.
        parameters: those declared; values are read as their kinds.
        time: see `PayloadReader`.
        timezone: see `PayloadReader`.
        path: see `PayloadReader`; only for JSON.
        clock: POSIX seconds.

    Raises:
        SourceError: `form` is `nmea`, and pynmeagps is not installed.
    """

    def __init__(
        self,
        form: Format = "auto",
        *,
        columns: Sequence[str] = (),
        precision: Precision = "ns",
        parameters: Iterable[Parameter] = (),
        time: str = "",
        timezone: str = "",
        path: str = "",
        clock: Callable[[], float],
    ) -> None:
        declared = tuple(parameters)
        self._form = form
        self._precision = precision
        self._clock = clock
        self._json = PayloadReader(declared, time=time, path=path, timezone=timezone, clock=clock)
        self._named = PayloadReader(declared, time=time, timezone=timezone, clock=clock)
        self._table = Table(columns, has_header=form == "csv")
        self._units: dict[str, str] = {}
        self._influx = InfluxReader(self._named, clock)
        self._nmea = NmeaReader(clock) if form == "nmea" else None

    @property
    def units(self) -> Mapping[str, str]:
        """The units that the lines themselves state, by parameter name."""
        return self._units if self._nmea is None else self._units | self._nmea.units

    def samples(self, line: bytes) -> list[Sample]:
        """The samples of a line; none if it is a header or has no values.

        Raises:
            PayloadRefused: the line cannot be read.
            SourceError: the line is NMEA 0183, and pynmeagps is not installed.
        """
        form = self._form
        if form == "nmea" or (form == "auto" and SENTENCE.search(line)):
            if self._nmea is None:
                self._nmea = NmeaReader(self._clock)
            sample = self._nmea.sample(line)
            return [] if sample is None else [sample]
        text = _decode(line)
        match form:
            case "json":
                return self._json.samples(text)
            case "influx":
                return [sample for _, sample in self._influx.samples(text, self._precision)]
            case "pairs":
                return self._pairs(text)
            case "csv":
                return self._row(text)
        if text.startswith(("{", "[")):
            return self._json.samples(text)
        if text.startswith(("$", "!")):
            raise PayloadRefused("not a whole NMEA sentence with a checksum")
        return self._row(text) if (pairs := pairs_of(text)) is None else self._of(*pairs)

    def _pairs(self, text: str) -> list[Sample]:
        pairs = pairs_of(text)
        if pairs is None:
            raise PayloadRefused("not key=value")
        return self._of(*pairs)

    def _of(self, values: dict[str, Cell], units: dict[str, str]) -> list[Sample]:
        self._units |= units
        return [self._named.sample(values)]

    def _row(self, text: str) -> list[Sample]:
        try:
            row = self._table.row(text)
        except NoRow as exc:
            raise PayloadRefused(str(exc)) from exc
        return [] if row is None else self._of(row, self._table.units)


def _decode(line: bytes) -> str:
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as exc:
        raise PayloadRefused("not UTF-8") from exc
    if _CONTROL.search(text):
        raise PayloadRefused("it has control characters")
    return text
