"""The newest value of each parameter as a table that a terminal keeps up to date."""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rover.cli.connection import printable
from rover.client import Beat, Gap, Interruption, Refused, Sample
from rover.client.http import check_status, translated_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import ConsoleOptions, JustifyMethod, RenderResult

    from rover.client import Client

REFRESHES_PER_S = 4
STALE_S = 10.0
"""Age in seconds from which a value is shown as old."""

COLUMNS: tuple[tuple[str, JustifyMethod], ...] = (
    ("parameter", "left"),
    ("value", "right"),
    ("unit", "left"),
    ("age", "right"),
)
"""Headings and alignments. A narrow terminal has no ages, a narrower one no units either."""

MIN_CELLS = 5
"""Minimum width of a column; longer names of parameters are shortened to it."""

SMALL_COLUMNS, SMALL_ROWS = 40, 12
"""Size of a terminal below which the table has no borders, title and headings."""


class Value(NamedTuple):
    """The newest value of a parameter, and when it was measured, in POSIX seconds."""

    value: object
    t: float


class LiveTable:
    """The table, from the telemetry.

    Args:
        title: the server.
        units: by the name of the parameter.
        clock_offset_s: seconds that the clock of the server is ahead of this machine's.
    """

    def __init__(self, title: str, units: Mapping[str, str], clock_offset_s: float = 0.0) -> None:
        self.status = ""
        self._title = title
        self._units = units
        self._clock_offset_s = clock_offset_s
        self._values: dict[str, Value] = {}

    def add(self, values: Mapping[str, object], t: float) -> None:
        """Keep the values that are not older than those in the table."""
        for name, value in values.items():
            if name not in self._values or t >= self._values[name].t:
                self._values[name] = Value(value, t)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table. In a small terminal, the values have the space of everything else."""
        is_small = options.max_width < SMALL_COLUMNS or console.height < SMALL_ROWS
        title = Text(f"{self._title}  {self.status}".strip())
        table = Table(
            title=None if is_small else title,
            title_justify="left",
            show_header=not is_small,
            box=None if is_small else HEAVY_HEAD,
        )
        rows, styles = self._rows()
        if is_small:
            table.padding = (0, 1, 0, 0)
            widths = _widths(rows, options.max_width, 1)
        else:
            headings = tuple(heading for heading, _ in COLUMNS)
            widths = _widths([headings, *rows], options.max_width - 1, 3)
        for (heading, justify), width in zip(COLUMNS, widths, strict=False):
            table.add_column(heading, justify=justify, no_wrap=True, width=width)
        for row, style in zip(rows, styles, strict=True):
            table.add_row(*map(Text, row[: len(widths)]), style=style)
        yield table

    def _rows(self) -> tuple[list[tuple[str, ...]], list[str]]:
        """The cells and the style of each row."""
        now = time() + self._clock_offset_s
        rows: list[tuple[str, ...]] = []
        styles = []
        for name, (value, t) in sorted(self._values.items()):
            age_s = now - t
            styles.append("dim" if age_s > STALE_S or self.status else "")
            unit = printable(self._units.get(name, ""))
            rows.append((printable(name), shown(value), unit, shown_age(age_s)))
        return rows, styles


def _widths(rows: Sequence[tuple[str, ...]], available: int, padding: int) -> list[int]:
    """The widths of the columns that fit: all, or without the last ones, and with short names.

    Args:
        rows: the cells.
        available: width of the terminal.
        padding: width around the cells of each column.
    """
    empty = ("",) * len(COLUMNS)
    name, *others = (max(map(cell_len, column)) for column in zip(empty, *rows, strict=True))
    while len(others) > 1 and sum(others, MIN_CELLS) + padding * (1 + len(others)) > available:
        others.pop()
    left = available - padding * (1 + len(others))
    others[0] = max(1, min(others[0], left - sum(others[1:], MIN_CELLS)))
    return [max(MIN_CELLS, min(name, left - sum(others))), *others]


def shown(value: object) -> str:
    """A value in one line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text)[:80]


def shown_age(age_s: float) -> str:
    """An age in seconds, minutes, hours or days."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h")):
        if age_s < limit:
            return f"{max(age_s, 0) / divisor:.0f} {unit}" if unit != "s" else f"{age_s:.1f} s"
    return f"{age_s / 86_400:.0f} d"


async def show(client: Client, options: Mapping[str, Any]) -> int:
    """Show the table until Ctrl-C."""
    dictionary, offset_s = await _dictionary(client)
    units = {one["name"]: one.get("unit") or "" for one in dictionary}
    table = LiveTable(client.url, units, offset_s)
    try:
        latest = await client.get("telemetry/latest", _selected(options))
    except Refused as exc:
        if exc.status != HTTPStatus.NOT_FOUND:  # no value has arrived yet
            raise
        latest = {}
    for name, details in latest.get("details", {}).items():
        table.add({name: latest[name]}, datetime.fromisoformat(details["t"]).timestamp())
    console = Console()
    refreshed = 0.0
    with Live(table, console=console, auto_refresh=False, vertical_overflow="ellipsis") as live:
        async for event in client.telemetry(**options):
            urgent = False
            if isinstance(event, Sample):
                table.status = ""
                table.add(event.values, event.t)
            elif isinstance(event, Beat):
                table.status = ""
            elif isinstance(event, Interruption):
                table.status = f"{event.reason}; connecting again in {event.retry_s:.0f} s"
                urgent = True
            elif isinstance(event, Gap):
                lost = "?" if event.lost is None else f"{event.lost:,}"
                live.console.print(f"gap: {lost} events are missing ({event.reason})")
            if urgent or monotonic() - refreshed > 1 / REFRESHES_PER_S:
                refreshed = monotonic()
                live.refresh()
    return 0


def _selected(options: Mapping[str, Any]) -> dict[str, str]:
    return {"fields": ",".join(options["fields"])} if options.get("fields") else {}


async def _dictionary(client: Client) -> tuple[list[dict[str, Any]], float]:
    """The parameters, and the seconds that the server's clock is ahead."""
    url = client.url + "telemetry/parameters"
    with translated_errors(url):
        async with client.http.stream("GET", url) as response:
            await check_status(response)
            await response.aread()
    offset_s = 0.0
    if date := response.headers.get("date"):
        measured = parsedate_to_datetime(date).timestamp() + 0.5 - time()  # whole seconds
        offset_s = measured if abs(measured) > 1 else 0.0
    found: list[dict[str, Any]] = response.json()["parameters"]
    return found, offset_s
