"""The sequence format: parsing of lines, times and arguments; the checksum; the dictionary."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.base import Finding
from sources.simulated.__main__ import main
from sources.simulated.checks.checksum import check_checksum
from sources.simulated.checks.syntax import parse
from sources.simulated.dictionary import DICTIONARY, Command
from sources.simulated.sequence import (
    Sequence,
    StartTime,
    checksum,
    format_duration,
    format_elapsed,
    format_local_time,
    parse_duration_ms,
    parse_utc_ms,
    seal,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sources.simulated.findings import Check


def findings_of(check: Check) -> list[Finding]:
    return [report for report in check if isinstance(report, Finding)]


def read(text: str | bytes) -> tuple[Sequence, list[Finding]]:
    """The sequence, and the findings about its lines."""
    sequence = Sequence()
    found = findings_of(parse(text.encode() if isinstance(text, str) else text, sequence))
    return sequence, [each for each in found if each.line is not None]


def places(found: list[Finding]) -> list[tuple[str, int | None, int | None]]:
    return [(each.code, each.line, each.column) for each in found]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("00:00:00", 0),
        ("01:02:03", 3_723_000),
        ("100:00:00.5", 360_000_500),
        ("00:00:00.025", 25),
        ("00:60:00", None),
        ("0:00:01", None),
        ("00:00:01.", None),
        ("\u0660\u0660:00:01", None),  # digits, but not ASCII
    ],
)
def test_durations(text: str, ms: int | None) -> None:
    assert parse_duration_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-001T00:00:00", 0),
        ("1970-01-02T00:00:00Z", 86_400_000),
        ("2026-326T07:30:00.25", 1_795_332_600_250),
        ("2024-366T00:00:00", 1_735_603_200_000),
        ("2026-366T00:00:00", None),
        ("2026-02-29T00:00:00", None),
        ("2026-326T24:00:00", None),
        ("0000-001T00:00:00", None),
        ("2026-326", None),
    ],
)
def test_moments(text: str, ms: int | None) -> None:
    assert parse_utc_ms(text) == ms


def test_times_and_durations_are_formatted() -> None:
    assert format_elapsed(3_723_000) == "T+01:02:03"
    assert format_elapsed(-60_000) == "T-00:01:00"
    assert format_duration(1) == "00:00:01"
    assert format_local_time(25.5) == "01:30"


def test_a_line_may_have_units_commas_and_comments() -> None:
    sequence, found = read(
        "C00:00:01 DRIVE 10 m, .05m/s,-4 ; slowly, m/s\r\n"
        "\tR00:00:02.5  HEATER\tARM , ON;now\n"
        "A1970-001T00:00:01 IMAGE NAVCAM +3"
    )

    assert found == []
    first, second, third = sequence.instructions
    assert (first.command.name, first.arguments, first.column) == ("DRIVE", (10.0, 0.05, -4.0), 11)
    assert first.duration_ms == 210_000
    assert second.time == StartTime("R", 2500)
    assert second.arguments == ("ARM", "ON")
    assert third.arguments == ("NAVCAM", 3)
    assert third.time == StartTime("A", 1000)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("C00:00:00 DRIVE 10 0.1", [("syntax.arguments", 1, 22)]),
        ("C00:00:00 WAIT 10 s 20", [("syntax.arguments", 1, 21)]),
        ("C00:00:00 WAIT 10 m", [("syntax.unit", 1, 16)]),
        ("C00:00:00 WAIT 1e999", [("syntax.type", 1, 16)]),
        ("C00:00:00 DRIVE 1e999 0.1 0", [("syntax.range", 1, 17)]),
        ("C00:00:00 DRIVE nan 0.1 0", [("syntax.type", 1, 17)]),
        ("C00:00:00 DRIVE 1_0 0.1 0", [("syntax.type", 1, 17)]),
        ("C00:00:00 DRIVE ft 7 m", [("syntax.arguments", 1, 22)]),
        ("C00:00:00 TURN 200", [("syntax.range", 1, 16)]),
        ("C00:00:00 turn 20", [("syntax.command", 1, 11)]),
        ("C00:00:00 HEATER ARM on", [("syntax.type", 1, 22)]),
        ("C00:00:00 ,,", [("syntax.no-command", 1, 12)]),
        (", ,", [("syntax.time", 1, 1)]),
        ("TURN 200", [("syntax.time", 1, 1), ("syntax.range", 1, 6)]),
        ("é é", [("syntax.time", 1, 1)]),
        ("@local 24:00", [("syntax.header-value", 1, 8)]),
        ("  @crc 1", [("syntax.directive", 1, 3)]),
        ("@", [("syntax.directive", 1, 1)]),
        ("; fine \u202e txet", [("syntax.control", 1, 8)]),
        ("; " + "x" * 255, [("syntax.line-length", 1, 257)]),
    ],
)
def test_a_syntax_error_is_reported_at_its_line_and_column(
    line: str, expected: list[tuple[str, int, int]]
) -> None:
    assert places(read(line)[1]) == expected


def test_columns_count_characters_after_the_byte_order_mark() -> None:
    _, found = read(b"\xef\xbb\xbfC00:00:00 WAIT x\n; \xc3\xa9\xff\n")

    assert places(found) == [("syntax.type", 1, 16), ("syntax.encoding", 2, 4)]


@pytest.mark.parametrize(
    ("word", "meant"), [("DRVE", "DRIVE"), ("drive", "DRIVE"), ("ARM_STOWE", "ARM_STOW")]
)
def test_a_misspelt_command_gets_a_suggestion(word: str, meant: str) -> None:
    _, [found] = read(f"C00:00:00 {word}")

    assert re.findall(r"[A-Z_]{2,}", found.hint) == [meant]


def test_long_words_are_truncated_in_messages() -> None:
    _, [found] = read(f"C00:00:00 {'X' * 240}")

    assert len(found.message) < 80


def checksum_codes(data: bytes) -> list[str]:
    sequence, _ = read(data)
    return [each.code for each in findings_of(check_checksum(data, sequence))]


@pytest.mark.parametrize(
    ("body", "sealed"),
    [
        (b"a\n", b"a\n@crc32 %s\n"),
        (b"a", b"a\n@crc32 %s\n"),
        (b"a\r\nb", b"a\r\nb\r\n@crc32 %s\r\n"),
        (b"", b"@crc32 %s\n"),
        (b"a\n @crc32 1234 ; old\n\n", b"a\n@crc32 %s\n"),
        (b"a\n@crc32s\n", b"a\n@crc32s\n@crc32 %s\n"),
    ],
)
def test_seal_writes_the_crc_of_the_bytes_before_it(body: bytes, sealed: bytes) -> None:
    before = sealed[: sealed.rindex(b"@crc32")]
    assert seal(body) == sealed.replace(b"%s", b"%08x" % zlib.crc32(before))


@given(st.text())
def test_a_sealed_file_is_valid_and_sealing_it_again_changes_nothing(text: str) -> None:
    sealed = seal(text.encode(errors="replace"))

    assert seal(sealed) == sealed
    sequence, _ = read(sealed)
    if sequence.readable and len(sequence.checksum_lines) == 1:
        assert checksum_codes(sealed) == []


@given(st.integers(0, 58), st.integers(0, 7))
def test_a_flipped_bit_before_the_checksum_is_detected(place: int, bit: int) -> None:
    sealed = bytearray(seal(b"@sequence a\nC00:00:00 WAIT 10 ; until they arrive\n"))
    sealed[place % sealed.index(b"@crc32")] ^= 1 << bit
    sequence, _ = read(bytes(sealed))

    assert not sequence.readable or checksum_codes(bytes(sealed))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.replace(b"\n", b"\r\n"), "LF to CRLF"),
        (lambda data: seal(data.replace(b"\n", b"\r\n")).replace(b"\r", b""), "CRLF to LF"),
        (lambda data: b"\xef\xbb\xbf" + data, "added"),
        (lambda data: seal(b"\xef\xbb\xbf" + data)[3:], "removed"),
        (lambda data: data.replace(b"10", b"11"), "changed"),
    ],
)
def test_a_checksum_mismatch_has_its_likely_reason(change: object, reason: str) -> None:
    assert callable(change)
    data = change(seal(b"C00:00:00 WAIT 10\n"))
    sequence, _ = read(data)
    [found] = findings_of(check_checksum(data, sequence))

    assert found.code == "checksum.mismatch"
    assert checksum(data[: sequence.checksum_lines[0].offset]) in found.message
    assert reason in found.hint


@pytest.mark.parametrize("command", DICTIONARY.values(), ids=lambda command: command.name)
def test_the_text_of_a_formula_gives_the_same_value(command: Command) -> None:
    for end in ("low", "high"):
        values = {
            each.name: each.choices[0] if each.kind == "choice" else getattr(each, end)
            for each in command.parameters
        }
        for formula in (command.duration_s, command.load_w):
            expected = eval(formula.text, {"abs": abs}, dict(values))  # noqa: S307 - a constant of the project
            assert formula(*values.values()) == pytest.approx(expected)
            assert formula(*values.values()) >= 0


def test_the_command_line_seals_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.rcs"
    path.write_text("C00:00:00 WAITT 10\n")

    assert main(["seal", str(path)]) == 0
    assert main(["check", str(path)]) == 1
    output = capsys.readouterr().out.splitlines()
    [line] = [line for line in output if "[syntax.command]" in line]
    assert line.startswith(f"{path}:1:11: error: ")
    assert "WAITT" in line
    assert main(["check", str(tmp_path / "none.rcs")]) == 2
    assert "No such file" in capsys.readouterr().err
