"""The rover command sequence (`.rcs`): what one holds, and the seal at its end.

A line-oriented text a person can write; `docs/commands.md` is its manual:

    @sequence first-drive
    @rover    cosmic-1
    @start    2026-326T07:30:00      ; UTC
    @local    09:30                  ; the rover's own clock at that moment
    @battery  80 %

    C00:00:00 DRIVE 10 m, 0.05 m/s, 0 deg
    R00:05:00 COMM DIRECT, 600

    @crc32 5d3c1f90

The checksum is the CRC-32 of zip and PNG, over every byte of the file before the line that holds
it: a byte-order mark, comments, and line ends as they are. So a file whose line ends were
converted no longer matches, and the validator says that this is why.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sources.simulated.sol import HOUR_S

if TYPE_CHECKING:
    from sources.simulated.dictionary import Argument, Command

MAX_BYTES = 1 << 20
MAX_LINES = 20_000
MAX_LINE_CHARACTERS = 256

NAME = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
"""Of a sequence, and of a rover."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class StartTime:
    """When a line asks to start.

    Attributes:
        kind: `A` at a moment; `R` after the start of the command above; `C` after its end.
        ms: milliseconds: since 1970, UTC, for `A`; to wait, for the others.
    """

    kind: Literal["A", "R", "C"]
    ms: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line that holds a command, understood.

    Attributes:
        line: from 1.
        column: of the command's name, from 1.
        time: when it asks to start.
        command: its entry in the dictionary.
        arguments: in the order of the command's parameters.
    """

    line: int
    column: int
    time: StartTime
    command: Command
    arguments: tuple[Argument, ...]

    @property
    def duration_ms(self) -> int:
        """Milliseconds from its start to its end."""
        return round(1000 * self.command.duration_s(*self.arguments))

    @property
    def load_w(self) -> float:
        """Watts it draws while it runs."""
        return self.command.load_w(*self.arguments)


@dataclass(slots=True)
class SequenceHeader:
    """The lines before the first command; `None` for what is missing or could not be read.

    Attributes:
        sequence: its name.
        rover: the one it is for.
        start_ms: milliseconds since 1970, UTC.
        local_h: the rover's local mean solar time then, in hours of 1/24 sol.
        battery_percent: state of charge then.
        lines: where each stands, by its name.
    """

    sequence: str | None = None
    rover: str | None = None
    start_ms: int | None = None
    local_h: float | None = None
    battery_percent: float | None = None
    lines: dict[str, int] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the line `@name` could be read."""
        values = {
            "sequence": self.sequence,
            "rover": self.rover,
            "start": self.start_ms,
            "local": self.local_h,
            "battery": self.battery_percent,
        }
        return values[name] is not None


@dataclass(frozen=True, slots=True)
class ChecksumLine:
    """One `@crc32` line.

    Attributes:
        line: from 1.
        column: of the digits, from 1.
        offset: bytes of the file before this line.
        digits: as written.
    """

    line: int
    column: int
    offset: int
    digits: str


@dataclass(slots=True)
class Sequence:
    """What could be read of a file.

    Attributes:
        header: never missing, but perhaps with nothing in it.
        instructions: in the order of the file.
        checksum_lines: in the order of the file; a good one has one.
        last_line: the last that holds anything at all, a comment too; 0 when none does.
        readable: it was text, and not too big to be looked at.
    """

    header: SequenceHeader = field(default_factory=SequenceHeader)
    instructions: list[Instruction] = field(default_factory=list)
    checksum_lines: list[ChecksumLine] = field(default_factory=list)
    last_line: int = 0
    readable: bool = True


_DURATION = re.compile(r"(\d{2,3}):([0-5]\d):([0-5]\d)(?:\.(\d{1,3}))?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-(?:\d{3}|\d\d-\d\d))T(\d\d:[0-5]\d:[0-5]\d)(?:\.(\d{1,3}))?Z?", re.ASCII
)


def parse_duration_ms(text: str) -> int | None:
    """The milliseconds of `HH:MM:SS[.mmm]`, or `None` where it is not that."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups(default="0")
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1000 + int(
        fraction.ljust(3, "0")
    )


def parse_utc_ms(text: str) -> int | None:
    """The POSIX milliseconds of `YYYY-DDDThh:mm:ss[.mmm][Z]`, UTC, or `None`.

    `DDD` is the day of the year, as missions count; `MM-DD` is taken as well.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction = match.groups(default="0")
    pattern = "%Y-%jT%H:%M:%S" if len(date) == len("2026-326") else "%Y-%m-%dT%H:%M:%S"
    try:
        moment = datetime.strptime(f"{date}T{clock}", pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
    if moment.year != int(date[:4]):  # strptime lets day 366 of a common year run over
        return None
    return round(moment.timestamp()) * 1000 + int(fraction.ljust(3, "0"))


def format_elapsed(ms: float) -> str:
    """Time since the start of the sequence, for people: `T+01:02:03`."""
    seconds = round(abs(ms) / 1000)
    sign = "-" if ms < 0 else "+"
    return f"T{sign}{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def format_duration(ms: float) -> str:
    """A duration as a line would ask for it, rounded up to a second: `00:02:10`."""
    return format_elapsed(-(-ms // 1000) * 1000)[2:]


def format_local_time(hours: float) -> str:
    """A time of the rover's own clock: `09:30`."""
    minutes = int(hours * 60 + 1e-6) % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def local_hours(start_h: float, elapsed_s: float) -> float:
    """The rover's own clock, `elapsed_s` after it showed `start_h`; it runs on past 24."""
    return start_h + elapsed_s / HOUR_S


def checksum(data: bytes) -> str:
    """The CRC-32 of these bytes, as the checksum_line has it: 8 hexadecimal digits, lower case."""
    return f"{zlib.crc32(data):08x}"


_TRAILER = re.compile(rb"[ \t]*@crc32(?![^\s;]).*\s*\Z")


def seal(data: bytes) -> bytes:
    """The same sequence with a checksum that is right, in place of the one at its end, if any.

    A last line without a line end gets one, of the kind that the file's first line has.
    """
    start = data.rstrip().rfind(b"\n") + 1
    body = data[:start] if _TRAILER.match(data, start) else data
    if body and not body.endswith(b"\n"):
        body += _line_end(body)
    return body + b"@crc32 " + checksum(body).encode() + _line_end(body)


def _line_end(data: bytes) -> bytes:
    first, found, _ = data.partition(b"\n")
    return b"\r\n" if found and first.endswith(b"\r") else b"\n"
