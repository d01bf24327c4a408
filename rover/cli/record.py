"""`rover record`: writes a part of a mission into one file."""

from __future__ import annotations

from pathlib import Path

import click

from rover.cli.connection import FAILED, INCOMPLETE, WRONG_USE, report
from rover.cli.moment import moment

EPILOG = """\b
Examples:
  rover record drive.rover
  rover record --since 2026-11-28T09:00Z --until 2026-11-28T10:00Z drive.rover
  rover record --from /var/lib/rover sol-812.rover && rover open sol-812.rover

The file has the telemetry, events, alarms, messages, uploads, accepted command files and kept
images of that time. A server may use the data folder at the same time. FILE appears when it is
complete. Images that are only in a bucket are read from there; name it as for the server.
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--since", callback=moment, metavar="TIME", help="Time of the first sample.")
@click.option(
    "--until", callback=moment, metavar="TIME", help="Time before which the last sample is."
)
@click.option(
    "--from",
    "path",
    type=click.Path(path_type=Path),
    envvar="ROVER_DATA_DIR",
    show_envvar=True,
    default="rover-data",
    show_default=True,
    metavar="PATH",
    help="Data folder or .rover file.",
)
@click.option(
    "--images-bytes",
    type=click.IntRange(min=0),
    default=2**30,
    show_default=True,
    metavar="BYTES",
    help="Maximum bytes of images in files of cameras and in the bucket, newest first.",
)
@click.option(
    "--image-store",
    envvar="ROVER_IMAGE_STORE",
    show_envvar=True,
    metavar="URL",
    help="Bucket with the images whose files were deleted.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def record(
    file: Path,
    since: float | None,
    until: float | None,
    path: Path,
    images_bytes: int,
    image_store: str | None,
    force: bool,
) -> int:
    """Write a part of a mission into one file, which rover open serves."""
    import sqlite3

    from rover.cli.progress import progress_bar
    from rover.cli.saving import check_output, failed, file_that_appears, status_after
    from rover.errors import RoverError
    from rover.missions import Snapshot
    from rover.missions import record as write
    from rover.missions.images import TOO_LARGE
    from sources.base import SourceError
    from sources.registry import open_store

    check_output(str(file), force=force)
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--until must be later than --since")
    try:
        store = open_store(image_store, "--image-store") if image_store else None
        with (
            Snapshot(path) as mission,
            file_that_appears(file, force=force) as part,
            progress_bar(file.name) as update,
        ):
            manifest = write(
                mission,
                part,
                since,
                until,
                name=file.stem,
                images_bytes=images_bytes,
                image_store=store,
                on_progress=lambda size: update(size, None),
            )
    except (RoverError, SourceError) as exc:
        report(str(exc))
        return WRONG_USE
    except OSError as exc:
        return failed(str(file), exc)
    except sqlite3.Error as exc:
        report(f"{file}: cannot be written: {exc}")
        return FAILED
    counts = ", ".join(f"{number:,} {noun}" for noun, number in manifest["counts"].items())
    report(f"{file}: {counts}")
    for reason, number in manifest["left_out"].items():
        report(f"{file}: images that were left out: {number:,}; {reason}")
    is_incomplete = manifest["left_out"].keys() - {TOO_LARGE}
    return status_after(mission) or (INCOMPLETE if is_incomplete else 0)
