"""The live table of `rover tail telemetry` in terminals of all sizes."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from rover.cli.live_table import LiveTable

NAME = "pan_tilt_unit_motor_temperature"


def lines(columns: int, rows: int) -> list[str]:
    table = LiveTable("http://127.0.0.1:8000/", {NAME: "°C"})
    table.add({NAME: 21.375, "mode": "DRIVING"}, 1.79e9)
    output = StringIO()
    console = Console(file=output, width=columns, height=rows, force_terminal=True, no_color=True)
    console.print(table)
    return output.getvalue().splitlines()


@pytest.mark.parametrize("rows", [5, 24])
@pytest.mark.parametrize("columns", [18, 20, 30, 40, 46, 60, 80, 200])
def test_a_terminal_of_any_size_shows_the_values(columns: int, rows: int) -> None:
    shown = lines(columns, rows)
    assert any("21.375" in line for line in shown)
    assert any("DRIVING" in line for line in shown)
    assert rows == 24 or len(shown) < rows


def test_a_wide_terminal_shows_everything() -> None:
    shown = "\n".join(lines(80, 24))
    assert all(text in shown for text in (NAME, "21.375", "°C", "127.0.0.1", "age", " d"))


def test_a_table_without_values_is_empty() -> None:
    console = Console(file=StringIO(), width=20, height=5)
    console.print(LiveTable("http://127.0.0.1:8000/", {}))


def test_a_narrow_terminal_shows_units_rather_than_ages() -> None:
    shown = "\n".join(lines(20, 24))
    assert "°C" in shown
    assert " d" not in shown
