"""Whether the bytes are those that were sealed, and if not, what may have happened to them."""

from __future__ import annotations

import re

from sources.simulated.checks.wording import quoted
from sources.simulated.findings import Check, finding
from sources.simulated.sequence import BOM, Sequence, Trailer, checksum

HOW = "`python -m sources.simulated seal FILE` writes it"

_DIGITS = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)


def check_checksum(data: bytes, sequence: Sequence) -> Check:
    """Compare the file with its last `@crc32` line."""
    yield 0.0
    if not sequence.trailers:
        yield finding("checksum.missing", "the file does not end in an @crc32 line", hint=HOW)
        return {}
    *others, trailer = sequence.trailers
    for other in others:
        yield finding(
            "checksum.twice",
            f"line {trailer.line} has an @crc32 as well, and that one counts",
            other.line,
            hint="delete this one, then seal the file again",
        )
    if sequence.last_line > trailer.line:
        yield finding(
            "checksum.not-last",
            f"line {sequence.last_line} comes after the checksum, which does not cover it",
            trailer.line,
            hint=f"make it the last line; {HOW}",
        )
    right = checksum(data[: trailer.offset])
    if _DIGITS.fullmatch(trailer.digits) is None:
        yield finding(
            "checksum.malformed",
            f"{quoted(trailer.digits)} is not 8 hexadecimal digits",
            trailer.line,
            trailer.column,
            f"{HOW}; for this file it is {right}",
        )
    elif trailer.digits.lower() != right:
        yield finding(
            "checksum.mismatch",
            f"the file says {trailer.digits.lower()}, but its bytes make {right}",
            trailer.line,
            trailer.column,
            _reason(data, trailer),
        )
    return {"crc32": right}


def _reason(data: bytes, trailer: Trailer) -> str:
    """What was done to the bytes, where undoing it makes them match."""
    body, sealed = data[: trailer.offset], trailer.digits.lower()
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
