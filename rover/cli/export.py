"""`rover export`: saves past telemetry as a file, from a server or from a recorded mission."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import (
    BROKEN_PIPE,
    WRONG_USE,
    connection_options,
    discard_output,
    report,
    run_with_client,
)
from rover.cli.moment import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rover.client import Client

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


def _format_of(name: str | None, output: str) -> str:
    if name is not None:
        return name
    suffix = Path(output).suffix.lower().removeprefix(".")
    if output == "-" or not suffix:
        return "csv"
    if suffix not in FORMATS:
        raise click.UsageError(f"{output}: give --format, one of {', '.join(FORMATS)}")
    return suffix


def _period(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and 0 < value < MIN_ALIGN_S:
        raise click.BadParameter(f"must be 0, or at least {MIN_ALIGN_S:g} s")
    return value


@click.command(epilog=EPILOG)
@click.option(
    "-o",
    "--output",
    default="-",
    type=click.Path(),
    metavar="FILE",
    help="File, or - for the output, the default.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="Format of the file. By default that of its name, or csv.",
)
@click.option("--since", callback=moment, metavar="TIME", help="Time of the first row.")
@click.option("--until", callback=moment, metavar="TIME", help="Time before which the last row is.")
@click.option("--fields", metavar="NAMES", help="Parameters, with commas between. By default all.")
@click.option(
    "--align",
    callback=_period,
    type=click.FloatRange(0, MAX_ALIGN_S),
    metavar="SECONDS",
    help="Rows at this period, with the newest value of each parameter; 0 keeps the rows.",
)
@click.option(
    "--from",
    "path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Data folder or .rover file, instead of a server.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
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
    from rover.cli.saving import check_output

    chosen = _format_of(file_format, output)
    check_output(output, force=force)
    if output == "-" and chosen in ("parquet", "mcap") and sys.stdout.isatty():
        raise click.UsageError(f"{chosen} is not text; give -o FILE")

    def save(pieces: Iterator[bytes]) -> int:
        from rover.cli.saving import save_pieces

        return save_pieces(pieces, output, force=force)

    if path is not None:
        names = None if fields is None else [name for name in fields.split(",") if name]
        return _from_mission(path, save, chosen, since, until, names, align)
    params = {
        "format": chosen,
        "since": None if since is None else repr(since),
        "until": None if until is None else repr(until),
        "fields": fields,
        "align": None if align is None else repr(align),
    }
    given = {name: value for name, value in params.items() if value is not None}

    async def run(client: Client) -> int:
        from rover.cli.saving import save_stream

        async with client.download("telemetry/export", given) as pieces:
            return await save_stream(pieces, output, force=force)

    return run_with_client(run, **connection)


def _from_mission(
    path: Path,
    save: Callable[[Iterator[bytes]], int],
    file_format: str,
    since: float | None,
    until: float | None,
    names: list[str] | None,
    align: float | None,
) -> int:
    from rover.cli.saving import status_after
    from rover.errors import RoverError
    from rover.exports import Aligner, writer_of
    from rover.exports import export as pieces_of
    from rover.missions import Snapshot

    try:
        with Snapshot(path) as mission:
            history = mission.history()
            if unknown := set(names or ()).difference(history.names):
                raise click.UsageError(
                    f"--fields: no such parameter: {min(unknown)} ({', '.join(history.names)})"
                )
            aligner = None if align is None else Aligner(align)
            if aligner is not None and since is not None:
                aligner.begin(since, history.tables_before(since, names))
            writer = writer_of(file_format)
            tables = history.tables(since, until, names)
            kinds = history.kinds(None if aligner else since, until, names)
            status = save(pieces_of(tables, kinds, writer, aligner))
            return status or status_after(mission)
    except RoverError as exc:
        report(str(exc))
        return WRONG_USE
    except BrokenPipeError:
        discard_output()
        return BROKEN_PIPE
