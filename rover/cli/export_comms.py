"""`rover export comms`: saves the messages of channels, from a server or from a mission's files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import connection_options
from rover.cli.export_options import file_options, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rover.missions import Snapshot

FORMATS = ("txt", "md", "csv", "jsonl")

EPILOG = """\b
Examples:
  rover export comms flight -o shift.md --since 2026-11-28T06:00Z --until 2026-11-28T14:00Z
  rover export comms flight science -o shift.csv
  rover export comms flight --from drive.rover | less

The messages of all channels are in the order of their times. Times are ISO 8601, in UTC if they
have no zone, or seconds since 1970. Only jsonl has each text exactly: nothing in the other formats
has an effect on a terminal or a spreadsheet. FILE appears when it is complete.
"""


@click.command(epilog=EPILOG)
@click.argument("channels", metavar="CHANNEL...", nargs=-1, required=True)
@file_options("message")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="Format of the file. By default that of its name, or txt.",
)
@connection_options
def comms(
    channels: tuple[str, ...],
    output: str,
    file_format: str | None,
    since: float | None,
    until: float | None,
    path: Path | None,
    force: bool,
    **connection: Any,
) -> int:
    """Save the messages of channels as text, Markdown, CSV or JSON lines."""
    from rover.cli.saving import check_output, save_download, save_mission

    chosen = format_of(file_format, output, FORMATS)
    check_output(output, force=force)
    if path is not None:
        return save_mission(
            path,
            lambda mission: _pieces_of(mission, channels, chosen, since, until),
            output,
            force=force,
        )
    params = {"channel": ",".join(channels), "format": chosen, "since": since, "until": until}
    return save_download("comms/export", params, output, force=force, **connection)


def _pieces_of(
    mission: Snapshot,
    channels: Sequence[str],
    file_format: str,
    since: float | None,
    until: float | None,
) -> Iterator[bytes]:
    from rover.comms.names import ChannelNames
    from rover.comms.records import PREFIX
    from rover.comms.transcripts import messages_of, pieces

    streams = mission.contents.index.streams
    known = [key.removeprefix(PREFIX) for key in streams if key.startswith(PREFIX)]
    found = {}
    for name in map(ChannelNames(known).find, channels):
        if name not in known:
            raise click.UsageError(f"no such channel: {name} ({', '.join(known) or 'none'})")
        key = PREFIX + name
        found[name] = messages_of(streams[key], mission.records(key), since, until)
    return pieces(found, file_format)
