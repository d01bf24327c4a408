"""MCAP (mcap.dev): one channel, `telemetry`, with a JSON message for each row.

Foxglove and other robotics tools open it. The metadata `unit.NAME` of the channel is the unit of a
parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcap.writer import Writer as Mcap

from rover.exports.columns import json_text, nanoseconds
from rover.exports.jsonl import samples
from rover.exports.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rover.archive.table import Table
    from rover.exports.columns import Column

TOPIC = "telemetry"

SCHEMA = "rover.Sample"
"""The name of the schema of samples."""

UNIT = "unit."
"""The beginning of the names of units in the metadata of the channel."""

TYPES = {"f": "number", "i": "integer", "I": "integer", "b": "boolean", "s": "string"}
"""Types of JSON Schema by the letters of `rover.archive.points.KINDS`."""


class McapWriter:
    """Writes MCAP.

    Args:
        columns: the columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._sink = Sink()
        self._writer = Mcap(self._sink)  # type: ignore[arg-type] # it uses `write` and `tell` only
        self._writer.start(profile="", library="cosmic-rover")
        schema = self._writer.register_schema(
            SCHEMA, "jsonschema", json_text(_schema(columns)).encode()
        )
        units = {UNIT + column.parameter: column.unit for column in columns if column.unit}
        self._channel = self._writer.register_channel(TOPIC, "json", schema, units)

    def write(self, table: Table) -> bytes:
        """See `Writer.write`."""
        for t, sample in zip(table.t.tolist(), samples(table, self._columns), strict=True):
            at = max(0, nanoseconds(t))  # MCAP has no time before 1970; `t` of the message does
            data = json_text(sample).encode("utf-8", "surrogatepass")
            self._writer.add_message(self._channel, at, data, at)
        return self._sink.taken()

    def end(self) -> bytes:
        """See `Writer.end`."""
        self._writer.finish()  # type: ignore[no-untyped-call]
        return self._sink.taken()


def _schema(columns: Sequence[Column]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "t": {"type": "string", "format": "date-time"},
        "late": {"type": "boolean"},
    }
    for column in columns:
        types = sorted({TYPES[letter] for letter in column.kinds if letter in TYPES})
        schema = {"type": types} if types and "o" not in column.kinds else {}
        if not column.part:
            properties[column.parameter] = schema
            continue
        vector = properties.setdefault(column.parameter, {"type": "object"})
        if "object" not in vector.get("type", "object"):  # it is sometimes a vector
            vector["type"] = [*vector["type"], "object"]
        vector.setdefault("properties", {})[column.part] = schema
    return {"type": "object", "properties": properties, "required": ["t"]}
