"""Telemetry as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from rover.client.decoded import DecodedStream
from rover.client.errors import NotARover
from rover.client.stream import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.client.sse import ServerSentEvent

SILENCE_S = 12.0
"""Seconds without a byte after which a telemetry stream counts as cut: the server sends an event,
`beat` if there is no other, at least every 3 s."""

OWN_KEYS = frozenset({"t", "late", "folded"})
"""Keys of a sample that are not parameters."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Values that were measured together.

    Attributes:
        id: resumes the stream after this sample.
        t: when they were measured, in POSIX seconds.
        values: by the name of the parameter.
        late: whether a newer sample came before it.
        folded: number of samples that it replaces, if the stream has a rate; else `None`.
        data: the event as JSON, as the server sent it.
    """

    id: str
    t: float
    values: Mapping[str, Any]
    late: bool
    folded: int | None
    data: str

    @classmethod
    def from_event(cls, event: ServerSentEvent) -> Self:
        """The sample of an unnamed event.

        Raises:
            NotARover: it is not a sample.
        """
        fields = json_object(event.data)
        try:
            t = datetime.fromisoformat(fields["t"]).timestamp()
        except (KeyError, TypeError, ValueError):
            raise NotARover(f"a sample has no time `t`: {event.data[:80]}") from None
        values = {name: value for name, value in fields.items() if name not in OWN_KEYS}
        return cls(
            event.id, t, values, fields.get("late") is True, fields.get("folded"), event.data
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """A named event: `state`, `alarm`, `dictionary` or `event`.

    Attributes:
        id: resumes the stream after this event.
        name: of the event.
        fields: its JSON.
        data: the same as the server sent it.
    """

    id: str
    name: str
    fields: Mapping[str, Any]
    data: str

    @property
    def t(self) -> float | None:
        """When it happened, or when a state began, in POSIX seconds; `None` without a time."""
        try:
            text = self.fields.get("t") or self.fields.get("since")
            return datetime.fromisoformat(text).timestamp()  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Beat:
    """The server has sent no other event for 3 s: the connection works, and nothing is new."""


class TelemetryStream(DecodedStream[Sample | Notice | Beat]):
    """The telemetry, across any number of connections. `EventStream` describes its errors."""

    def _decode(self, event: ServerSentEvent) -> Sample | Notice | Beat:
        if event.name == "message":
            return Sample.from_event(event)
        if event.name == "beat":
            return Beat()
        return Notice(event.id, event.name, json_object(event.data), event.data)
