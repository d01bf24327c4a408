"""`rover export`: saves past telemetry as a file, from a server or from a recorded mission.

`rover export comms` does the same with the messages of channels.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rover.cli.connection import connection_options
from rover.cli.export_comms import comms
from rover.cli.export_options import file_options, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rover.missions import Snapshot

COMMANDLINE = ParameterSource.COMMANDLINE

FORMATS = ("csv", "jsonl", "parquet", "mcap")

MIN_ALIGN_S, MAX_ALIGN_S = 0.001, 86_400.0

EPILOG = """\b
Examples:
  rover export -o drive.csv --since 2026-11-28
  rover export -o drive.parquet --since 2026-11-28T09:00Z --until 2026-11-28T10:00Z
  rover export -o drive.mcap --fields location,battery_level --align 0.1
  rover export --from rover-data -o all.jsonl
  rover export --from drive.rover | head

Times are ISO 8601, in UTC if they have no zone, or seconds since 1970. FILE appears when it is
complete. --from needs no server, and one may use the data folder at the same time.
"""


def _period(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and 0 < value < MIN_ALIGN_S:
        raise click.BadParameter(f"must be 0, or at least {MIN_ALIGN_S:g} s")
    return value


@click.group(epilog=EPILOG, invoke_without_command=True)
@file_options("row")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="Format of the file. By default that of its name, or csv.",
)
@click.option("--fields", metavar="NAMES", help="Parameters, with commas between. By default all.")
@click.option(
    "--align",
    callback=_period,
    type=click.FloatRange(0, MAX_ALIGN_S),
    metavar="SECONDS",
    help="Rows at this period, with the newest value of each parameter; 0 keeps the rows.",
)
@connection_options
def export(
    output: str,
    file_format: str | None,
    since: float | None,
    until: float | None,
    fields: str | None,
    align: float | None,
    path: Path | None,
    force: bool,
    **connection: Any,
) -> int:
    """Save past telemetry as CSV, JSON lines, Parquet or MCAP."""
    from rover.cli.saving import check_output, save_download, save_mission

    ctx = click.get_current_context()
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is COMMANDLINE for name in ctx.params):
            raise click.UsageError(f"give the options after {ctx.invoked_subcommand}")
        return 0
    chosen = format_of(file_format, output, FORMATS)
    check_output(output, force=force)
    if output == "-" and chosen in ("parquet", "mcap") and sys.stdout.isatty():
        raise click.UsageError(f"{chosen} is not text; give -o FILE")

    if path is not None:
        names = None if fields is None else [name for name in fields.split(",") if name]
        return save_mission(
            path,
            lambda mission: _pieces_of(mission, chosen, since, until, names, align),
            output,
            force=force,
        )
    params = {"format": chosen, "since": since, "until": until, "fields": fields, "align": align}
    return save_download("telemetry/export", params, output, force=force, **connection)


def _pieces_of(
    mission: Snapshot,
    file_format: str,
    since: float | None,
    until: float | None,
    names: list[str] | None,
    align: float | None,
) -> Iterator[bytes]:
    from rover.telemetry.exported import exported

    history = mission.history()
    if unknown := set(names or ()).difference(history.names):
        raise click.UsageError(
            f"--fields: no such parameter: {min(unknown)} ({', '.join(history.names)})"
        )
    return exported(history, mission.parameters, file_format, since, until, names, align)


export.add_command(comms)
