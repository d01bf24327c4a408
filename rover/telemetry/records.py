"""The telemetry as the log keeps it."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf, nan
from typing import TYPE_CHECKING, Any

from rover.logs.store import Packed, Store
from rover.schema import SAMPLE_KINDS
from rover.telemetry.events import NamedEvent, SampleEvent, TelemetryEvent, dictionary_json
from sources.base import Limits, Parameter, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rover.logs.base import Log, Record

STREAM = "telemetry"
"""The key of the stream."""

NAMED = ("state", "alarm", "event", "dictionary")
"""Kinds of its records that are not samples."""

DICTIONARY = "telemetry/dictionary"
"""The name of the dictionary in the log."""

DELETED = "telemetry/deleted"
"""The name of a value in the log that is set once old samples were deleted."""


def telemetry_store(log: Log, clock: Callable[[], float]) -> Store[TelemetryEvent]:
    """The stream of the telemetry topic."""
    return Store(log, STREAM, pack=pack, unpack=unpack, clock=clock)


def note_deletion(log: Log) -> None:
    """Note that old samples were deleted: the states of that time do not begin the record then."""
    if not log.values(DELETED):
        log.put(DELETED, "yes")


def save_dictionary(log: Log, parameters: Iterable[Parameter]) -> None:
    """Store the dictionary, which a recorded mission needs without its sources."""
    log.put(DICTIONARY, dictionary_json(parameters))


def saved_dictionary(values: Mapping[str, str]) -> list[Parameter]:
    """The stored dictionary; without the parameters that cannot be read.

    Args:
        values: of the log, by key.
    """
    found = []
    with suppress(LookupError, TypeError, ValueError):
        for fields in json.loads(values[DICTIONARY])["parameters"]:
            limits = fields.pop("limits")
            limits |= {name: tuple(limits[name]) for name in ("yellow", "red")}
            found.append(Parameter(**fields, limits=Limits(**limits)))
    return found


def pack(event: TelemetryEvent) -> Packed:
    """The event as a record.

    A sample's kind is `sample` if it has the newest time of all parameters, `late` if it is older
    than the newest of its parameters, and else `behind`.
    """
    if isinstance(event, NamedEvent):
        return Packed(event.name, event.data, event.t)
    kind = "late" if event.late else "sample" if event.leads else "behind"
    return Packed(kind, event.data, event.sample.t)


def unpack(record: Record) -> tuple[TelemetryEvent, float]:
    """The event of a record.

    Raises:
        LookupError: the record is not of an event.
        TypeError: the same.
        ValueError: the same.
    """
    if record.kind not in SAMPLE_KINDS:
        return NamedEvent(record.kind, record.data, record.t), -inf
    late, leads = record.kind == "late", record.kind == "sample"
    sample = sample_of(record)
    return SampleEvent(record.data, sample, late, leads), sample.t if leads else -inf


def sample_of(record: Record) -> Sample:
    """The sample of a record, with its exact time.

    Raises:
        TypeError: the record is not of a sample.
        ValueError: the same.
    """
    if record.t is None:
        raise ValueError("a sample needs a time")
    values: dict[str, Any] = json.loads(record.data)
    del values["t"]
    values.pop("late", None)
    for name, value in values.items():
        if isinstance(value, dict) and None in value.values():
            values[name] = {part: nan if one is None else one for part, one in value.items()}
    return Sample(record.t, values)


def samples(records: Iterable[Record]) -> Iterable[tuple[Record, Sample]]:
    """The samples of records; records that cannot be read are left out."""
    for record in records:
        if record.kind in SAMPLE_KINDS:
            try:
                yield record, sample_of(record)
            except (LookupError, TypeError, ValueError):
                continue
