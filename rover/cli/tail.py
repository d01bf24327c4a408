"""`rover tail`: follows telemetry, events or a comms channel."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from rover.cli.comms import comms
from rover.cli.connection import connection_options, report, run_with_client
from rover.cli.moment import moment

if TYPE_CHECKING:
    from rover.client import Client, Gap, Interruption, Notice, Sample

EPILOG = """\b
Examples:
  rover tail telemetry
  rover tail telemetry --fields battery_level --hz 1 > battery.jsonl
  rover tail telemetry --last 100 -n 100 --json | jq .battery_level
  rover tail events
  ROVER_TOKEN=rvr_… rover tail comms flight --url https://lab.example/rover/

A terminal shows a live table. Otherwise, and with --json, each line is one JSON object. After a
cut, the command connects again and resumes after the last event. Standard error reports cuts and
gaps.
"""


@click.group(no_args_is_help=True, epilog=EPILOG)
def tail() -> None:
    """Follow telemetry, events or a comms channel."""


@tail.command(epilog=EPILOG)
@click.option("--fields", metavar="NAMES", help="Comma-separated names of parameters.")
@click.option("--hz", type=float, metavar="HZ", help="Maximum number of samples a second.")
@click.option("--last", type=int, metavar="COUNT", help="Begin with this many past samples.")
@click.option(
    "--since",
    callback=moment,
    metavar="TIME",
    help="Begin at this time: ISO 8601 or POSIX seconds.",
)
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many samples.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, also on a terminal.")
@connection_options
def telemetry(
    fields: str | None,
    hz: float | None,
    last: int | None,
    since: float | None,
    count: int | None,
    as_json: bool,
    **connection: Any,
) -> int:
    """Follow the telemetry."""

    async def run(client: Client) -> int:
        from rover.client import Sample

        if sys.stdout.isatty() and not as_json and count is None:
            from rover.cli.live_table import show

            return await show(client, options)
        return await print_events(client, options, Sample, count, since)

    options = {
        "fields": None if fields is None else fields.split(","),
        "hz": hz,
        "last": last,
        "since": None if since is None else repr(since),
    }
    return run_with_client(run, **connection)


@tail.command(epilog=EPILOG)
@click.option("--last", type=int, metavar="COUNT", help="Begin within this many past samples.")
@click.option(
    "--since",
    callback=moment,
    metavar="TIME",
    help="Begin at this time: ISO 8601 or POSIX seconds.",
)
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many events.")
@connection_options
def events(last: int | None, since: float | None, count: int | None, **connection: Any) -> int:
    """Follow the events: alarms, states of sources, changes of the dictionary, messages of sources.

    Each line is the JSON of the event, and its kind in `event`.
    """

    async def run(client: Client) -> int:
        from rover.client import Notice

        options = {"last": last, "since": None if since is None else repr(since)}
        return await print_events(client, options, Notice, count, since)

    return run_with_client(run, **connection)


tail.add_command(comms)


async def print_events(
    client: Client,
    options: dict[str, Any],
    kind: type[Sample | Notice],
    count: int | None,
    since: float | None,
) -> int:
    """Print the samples or the named events, except those before `since`, in POSIX seconds."""
    from rover.cli.connection import write_line
    from rover.client import Gap, Interruption

    printed = 0
    async for event in client.telemetry(**options):
        if isinstance(event, Gap | Interruption):
            report_loss(event)
        elif isinstance(event, kind):
            if since is not None and event.t is not None and event.t < since:
                continue
            write_line(line_of(event))
            printed += 1
            if printed == count:
                break
    return 0


def line_of(event: Sample | Notice) -> str:
    """The JSON of a sample; that of a named event with its name and its id."""
    from rover.client import Sample

    if isinstance(event, Sample):
        return event.data
    return json.dumps({"event": event.name, "id": event.id, **event.fields}, ensure_ascii=False)


def report_loss(event: Gap | Interruption) -> None:
    """Report missing events or a cut on standard error."""
    from rover.client import Gap

    if isinstance(event, Gap):
        lost = "an unknown number of" if event.lost is None else f"{event.lost:,}"
        report(f"gap: {lost} events are missing ({event.reason})")
    else:
        report(f"{event.reason}; connecting again in {event.retry_s:.1f} s")
