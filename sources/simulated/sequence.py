"""The format of rover command sequences (`.rcs`), and the checksum at their end.

A sequence is a line-oriented text that people can write. docs/commands.md documents it:

    @sequence first-drive
    @rover    cosmic-1
    @start    2026-326T07:30:00      ; UTC
    @local    09:30                  ; the rover's own clock at that moment
    @battery  80 %

    C00:00:00 DRIVE 10 m, 0.05 m/s, 0 deg
    R00:05:00 COMM DIRECT, 600

    @crc32 5d3c1f90

The checksum is the CRC-32 of zip and PNG over every byte of the file before the checksum line,
including a byte-order mark, comments and line ends. A file whose line ends were converted therefore
does not match; the finding gives this reason.
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
"""The name of a sequence or a rover."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class StartTime:
    """The start time of a command, as written.

    Attributes:
        kind: `A` absolute; `R` after the start of the command above; `C` after its end.
        ms: milliseconds, for `A` since 1970 UTC, otherwise from that start or end.
    """

    kind: Literal["A", "R", "C"]
    ms: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """A parsed command line.

    Attributes:
        line: number of the line, from 1.
        column: column of the command's name, from 1.
        time: its start time, as written.
        command: its entry in the dictionary.
        arguments: the values, in the order of the command's parameters.
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
        """Electrical power while it runs, in watts."""
        return self.command.load_w(*self.arguments)


@dataclass(slots=True)
class SequenceHeader:
    """The header. A value is `None` if its line is missing or not valid.

    Attributes:
        sequence: name of the sequence.
        rover: name of the rover.
        start_ms: start in milliseconds since 1970, UTC.
        local_h: local mean solar time at the start, in hours of 1/24 sol.
        battery_percent: state of charge at the start.
        lines: line numbers of the header lines, by name.
    """

    sequence: str | None = None
    rover: str | None = None
    start_ms: int | None = None
    local_h: float | None = None
    battery_percent: float | None = None
    lines: dict[str, int] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether the line `@name` has a valid value."""
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
        line: number of the line, from 1.
        column: column of the digits, from 1.
        offset: number of bytes before this line.
        digits: the checksum as written.
    """

    line: int
    column: int
    offset: int
    digits: str


@dataclass(slots=True)
class Sequence:
    """The readable part of a file.

    Attributes:
        header: the header; all its values may be missing.
        instructions: the valid command lines, in the order of the file.
        checksum_lines: the `@crc32` lines, in the order of the file; a valid file has one.
        last_line: number of the last line that is not blank; 0 if there is none.
        readable: the file is text and within the size limits.
        is_whole: no line with a command was skipped.
    """

    header: SequenceHeader = field(default_factory=SequenceHeader)
    instructions: list[Instruction] = field(default_factory=list)
    checksum_lines: list[ChecksumLine] = field(default_factory=list)
    last_line: int = 0
    readable: bool = True
    is_whole: bool = True


_DURATION = re.compile(r"(\d{2,3}):([0-5]\d):([0-5]\d)(?:\.(\d{1,3}))?", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-(?:\d{3}|\d\d-\d\d))T(\d\d:[0-5]\d:[0-5]\d)(?:\.(\d{1,3}))?Z?", re.ASCII
)


def parse_duration_ms(text: str) -> int | None:
    """The milliseconds of `HH:MM:SS[.mmm]`, or `None` if the text has another format."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups(default="0")
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1000 + int(
        fraction.ljust(3, "0")
    )


def parse_utc_ms(text: str) -> int | None:
    """The POSIX milliseconds of `YYYY-DDDThh:mm:ss[.mmm][Z]` in UTC, or `None`.

    `DDD` is the day of the year, as usual in missions; `MM-DD` is also allowed.
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
    if moment.year != int(date[:4]):  # strptime accepts day 366 of a common year
        return None
    return round(moment.timestamp()) * 1000 + int(fraction.ljust(3, "0"))


def format_elapsed(ms: float) -> str:
    """Time since the start of the sequence, as `T+01:02:03`."""
    seconds = round(abs(ms) / 1000)
    sign = "-" if ms < 0 else "+"
    return f"T{sign}{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}"


def format_duration(ms: float) -> str:
    """A duration, rounded up to a second, as `00:02:10`."""
    return format_elapsed(-(-ms // 1000) * 1000)[2:]


def format_local_time(hours: float) -> str:
    """Local time as `09:30`."""
    minutes = int(hours * 60 + 1e-6) % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def local_hours(start_h: float, elapsed_s: float) -> float:
    """Local time `elapsed_s` after `start_h`; it continues past 24."""
    return start_h + elapsed_s / HOUR_S


def checksum(data: bytes) -> str:
    """The CRC-32 of the data as 8 hexadecimal digits in lower case."""
    return f"{zlib.crc32(data):08x}"


_CHECKSUM_LINE = re.compile(rb"[ \t]*@crc32(?![^\s;]).*\s*\Z")


def seal(data: bytes) -> bytes:
    """The sequence with a valid checksum line, which replaces the one at its end, if there is one.

    If the last line has no line end, one is added. Line ends are those of the first line.
    """
    start = data.rstrip().rfind(b"\n") + 1
    body = data[:start] if _CHECKSUM_LINE.match(data, start) else data
    if body and not body.endswith(b"\n"):
        body += _line_end(body)
    return body + b"@crc32 " + checksum(body).encode() + _line_end(body)


def _line_end(data: bytes) -> bytes:
    first, found, _ = data.partition(b"\n")
    return b"\r\n" if found and first.endswith(b"\r") else b"\n"
