"""Whether the bytes are those that were sealed, and if not, what may have happened to them."""

from __future__ import annotations

import re

from sources.simulated.checks.wording import quoted
from sources.simulated.findings import Check, finding
from sources.simulated.sequence import BOM, ChecksumLine, Sequence, checksum

HOW = "`python -m sources.simulated seal FILE` writes it"

_DIGITS = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)


def check_checksum(data: bytes, sequence: Sequence) -> Check:
    """Compare the file with its last `@crc32` line."""
    yield 0.0
    if not sequence.checksum_lines:
        yield finding("checksum.missing", "the file does not end in an @crc32 line", hint=HOW)
        return {}
    *others, checksum_line = sequence.checksum_lines
    for other in others:
        yield finding(
            "checksum.twice",
            f"line {checksum_line.line} has an @crc32 as well, and that one counts",
            other.line,
            hint="delete this one, then seal the file again",
        )
    if sequence.last_line > checksum_line.line:
        yield finding(
            "checksum.not-last",
            f"line {sequence.last_line} comes after the checksum, which does not cover it",
            checksum_line.line,
            hint=f"make it the last line; {HOW}",
        )
    right = checksum(data[: checksum_line.offset])
    if _DIGITS.fullmatch(checksum_line.digits) is None:
        yield finding(
            "checksum.malformed",
            f"{quoted(checksum_line.digits)} is not 8 hexadecimal digits",
            checksum_line.line,
            checksum_line.column,
            f"{HOW}; for this file it is {right}",
        )
    elif checksum_line.digits.lower() != right:
        yield finding(
            "checksum.mismatch",
            f"the file says {checksum_line.digits.lower()}, but its bytes make {right}",
            checksum_line.line,
            checksum_line.column,
            _reason(data, checksum_line),
        )
    return {"crc32": right}


def _reason(data: bytes, checksum_line: ChecksumLine) -> str:
    """What was done to the bytes, where undoing it makes them match."""
    body, sealed = data[: checksum_line.offset], checksum_line.digits.lower()
    as_lf = body.replace(b"\r\n", b"\n")
    undone = {
        "the line ends were converted from LF to CRLF on the way here": as_lf,
        "the line ends were converted from CRLF to LF on the way here": as_lf.replace(
            b"\n", b"\r\n"
        ),
        "a byte-order mark was put in front of the file": body.removeprefix(BOM),
        "the byte-order mark in front of the file was taken away": BOM + body,
    }
    for reason, before in undone.items():
        if checksum(before) == sealed:
            return f"{reason}; send the original, or seal it again ({HOW})"
    return f"it was changed after it was sealed: look at what changed, then seal it again ({HOW})"
