"""Compiles an accepted sequence to canonical JSON.

    {"format":"cosmic-rover.sequence/1","sequence":"first-drive","rover":"cosmic-1",
     "start_ms":1795332600000,"crc32":"1ab26ca5","commands":[
    [0,"MAST",0.0,-20.0],
    [35000,"IMAGE","NAVCAM",3]
    ]}

Each command is `[milliseconds since the start, name, arguments...]`. The same file always gives
the same bytes: ASCII, no spaces, keys in this order, one command per line, a line end at the end.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sources.simulated.findings import SLICE_LINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sources.simulated.schedule import Schedule
    from sources.simulated.sequence import SequenceHeader

CONTENT_TYPE = "application/json"


def compile_sequence(header: SequenceHeader, schedule: Schedule, crc32: str) -> Iterator[bytes]:
    """Yield the compiled sequence in non-empty pieces of at most `SLICE_LINES` commands."""
    head = {
        "format": "cosmic-rover.sequence/1",
        "sequence": header.sequence,
        "rover": header.rover,
        "start_ms": header.start_ms,
        "crc32": crc32,
    }
    piece = [_json(head)[:-1] + ',"commands":[\n']
    for count, command in enumerate(schedule.commands):
        entry = [command.start_ms, command.name, *command.arguments]
        piece.append((",\n" if count else "") + _json(entry))
        if count % SLICE_LINES == 0:
            yield "".join(piece).encode()
            piece.clear()
    yield ("".join(piece) + "\n]}\n").encode()


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
