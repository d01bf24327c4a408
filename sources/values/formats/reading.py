"""One measurement in a message, before its names and values become legal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement in a message.

    Attributes:
        values: a JSON object.
        time: the time as the message has it, which `timestamp_of` reads; `None` for the arrival.
        place: the start of the names, instead of the topic's; see `sources.values.flatten`.
        units: by the dotted place of a value in `values`.
    """

    values: Mapping[str, Any]
    time: Any = None
    place: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
