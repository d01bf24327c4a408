"""The newest value of each parameter as a table that a terminal keeps up to date."""

from __future__ import annotations

import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rover.cli.connection import printable
from rover.client import Beat, Gap, Interruption, Refused, Sample
from rover.client.http import check_status, translated_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.client import Client

REFRESHES_PER_S = 4
STALE_S = 10.0
"""Age in seconds from which a value is shown as old."""


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

    def __rich__(self) -> Table:
        table = Table(title=Text(f"{self._title}  {self.status}".strip()), title_justify="left")
        table.add_column("parameter", no_wrap=True)
        table.add_column("value", justify="right")
        table.add_column("unit")
        table.add_column("age", justify="right")
        now = time() + self._clock_offset_s
        for name, (value, t) in sorted(self._values.items()):
            age_s = now - t
            style = "dim" if age_s > STALE_S or self.status else ""
            unit = printable(self._units.get(name, ""))
            row = (printable(name), shown(value), unit, shown_age(age_s))
            table.add_row(*(Text(cell) for cell in row), style=style)
        return table


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
