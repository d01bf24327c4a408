"""The checksum: whether the file changed after it was sealed, and possible reasons."""

from __future__ import annotations

import re

from sources.simulated.findings import Check, finding
from sources.simulated.sequence import BOM, ChecksumLine, Sequence, checksum
from sources.values.wording import quoted

SEAL_HINT = "`python -m sources.simulated seal FILE` writes it"

_DIGITS = re.compile(r"[0-9a-fA-F]{8}", re.ASCII)


def check_checksum(data: bytes, sequence: Sequence) -> Check:
    """Compare the file with its last `@crc32` line."""
    yield 0.0
    if not sequence.checksum_lines:
        yield finding(
            "checksum.missing", "the file does not end with an @crc32 line", hint=SEAL_HINT
        )
        return {}
    *others, checksum_line = sequence.checksum_lines
    for other in others:
        yield finding(
            "checksum.twice",
            f"duplicate @crc32; the one in line {checksum_line.line} counts",
            other.line,
            hint="delete this line, then seal the file again",
        )
    if sequence.last_line > checksum_line.line:
        yield finding(
            "checksum.not-last",
            f"the checksum does not cover line {sequence.last_line}, which follows it",
            checksum_line.line,
            hint=f"make it the last line; {SEAL_HINT}",
        )
    right = checksum(data[: checksum_line.offset])
    if _DIGITS.fullmatch(checksum_line.digits) is None:
        yield finding(
            "checksum.malformed",
            f"{quoted(checksum_line.digits)} is not 8 hexadecimal digits",
            checksum_line.line,
            checksum_line.column,
            f"{SEAL_HINT}; for this file it is {right}",
        )
    elif checksum_line.digits.lower() != right:
        yield finding(
            "checksum.mismatch",
            f"the checksum is {checksum_line.digits.lower()}, but that of the file is {right}",
            checksum_line.line,
            checksum_line.column,
            _reason(data, checksum_line),
        )
    return {"crc32": right}


def _reason(data: bytes, checksum_line: ChecksumLine) -> str:
    """The likely reason of a mismatch: a change whose reversal gives the sealed checksum."""
    body, sealed = data[: checksum_line.offset], checksum_line.digits.lower()
    as_lf = body.replace(b"\r\n", b"\n")
    undone = {
        "the line ends were converted from LF to CRLF": as_lf,
        "the line ends were converted from CRLF to LF": as_lf.replace(b"\n", b"\r\n"),
        "a byte-order mark was added to the file": body.removeprefix(BOM),
        "the byte-order mark of the file was removed": BOM + body,
    }
    for reason, before in undone.items():
        if checksum(before) == sealed:
            return f"{reason}; send the original, or seal it again ({SEAL_HINT})"
    return f"the file was changed after it was sealed; check it and seal it again ({SEAL_HINT})"
