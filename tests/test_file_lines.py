"""The text of lines for findings: any order, long lines and lines that do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rover.commands.file_lines import MAX_TEXT_CHARACTERS, FileLines

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_are_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.seq"
    path.write_bytes(b"".join(b"line %d\r\n" % number for number in range(1, 5_001)))
    lines = FileLines(path)
    for number in (1, 2, 5_000, 1_001, 1_000, 4_999, 2_001, 3, 5_000):
        assert lines.text(number) == f"line {number}"
    assert lines.text(5_001) is None
    assert lines.text(1, 99) is None


@pytest.mark.parametrize("column", [1, 150, 70_000, 100_000])
def test_of_a_long_line_the_part_around_the_column_is_read(tmp_path: Path, column: int) -> None:
    path = tmp_path / "a.json"
    text = "".join(f"{number:05}" for number in range(20_000))
    path.write_text(f"first\n{text}\nlast")
    lines = FileLines(path)
    found = lines.text(2, column)
    assert found is not None
    part = found.strip("…")
    assert len(part) == MAX_TEXT_CHARACTERS
    assert text.find(part) < column <= text.find(part) + MAX_TEXT_CHARACTERS
    assert lines.text(3, 5) == "last"


def test_bytes_that_are_not_text_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.seq"
    path.write_bytes(b"\xff\n\n")
    lines = FileLines(path)
    assert (lines.text(1), lines.text(2), lines.text(3)) == ("\ufffd", "", None)
