"""A sample of a file, and its checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.errors import ImportFailed
from rover.exports.columns import exact_posix
from rover.telemetry.values import usable_values
from sources.base import Sample
from sources.values.times import EARLIEST, LATEST, timestamp_of

if TYPE_CHECKING:
    from pathlib import Path


Declare = Callable[[Mapping[str, str]], None]
"""Called with the units of the parameters of a file before its samples, by name in the order of the
columns. Formats without columns do not call it."""


class Imported(NamedTuple):
    """A sample of a file.

    Attributes:
        place: where it is, for people, such as `line 12`.
        sample: the sample, with usable values only.
        late: whether the file says that it was late.
        position: bytes of the file so far; 0 if unknown.
    """

    place: str
    sample: Sample
    late: bool = False
    position: int = 0


def imported(
    path: Path,
    place: str,
    t: float | None,
    values: Mapping[str, Any],
    *,
    late: bool = False,
    position: int = 0,
) -> Imported:
    """A checked sample.

    Raises:
        ImportFailed: it has no time, or a value that is not usable.
    """
    if t is None or not EARLIEST <= t < LATEST:
        raise ImportFailed(path, place, "it has no time that can be read")
    usable, unusable = usable_values(values)
    if unusable:
        raise ImportFailed(path, place, str(unusable[0]))
    present = {name: value for name, value in usable.items() if value is not None}
    return Imported(place, Sample(t, present), late, position)


def time_of(value: object) -> float | None:
    """POSIX seconds of a time as exports write it, or of any other form; `None` without one."""
    if isinstance(value, str):
        try:
            return exact_posix(value)
        except ValueError:
            pass
    return timestamp_of(value)
