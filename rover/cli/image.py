"""`rover image`: saves an image."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import connection_options, report, run_with_client

if TYPE_CHECKING:
    from rover.client import Client, ImageDownload

MAX_RESTARTS = 3
"""Maximum number of times that a download begins again because the image was replaced."""

EPILOG = """\b
Examples:
  rover image -o latest.png
  rover image -o mast.jpg --camera mast --force
  rover image -o sol-812.png --id sol-812/0042.png
  rover image -o - | feh -

The image is received while it still arrives at the server. After a cut, the command requests the
missing rest. FILE appears when the image is complete.
"""


@click.command(epilog=EPILOG)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="File, or - for the output.",
)
@click.option("--id", "image_id", metavar="ID", help="Id of the image. By default the latest.")
@click.option("--camera", metavar="NAME", help="Name of the camera. By default any.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@connection_options
def image(
    output: str, image_id: str | None, camera: str | None, force: bool, **connection: Any
) -> int:
    """Save an image of the rover."""
    from rover.cli.saving import check_output, failed

    path = Path(output)
    check_output(output, force=force)

    async def run(client: Client) -> int:
        from rover.client import ImageChanged

        for restarts in range(MAX_RESTARTS + 1):
            download = client.image(image_id, camera=camera, on_retry=_report_retry)
            try:
                async with download:
                    await _save(download, None if output == "-" else path, force=force)
            except ImageChanged as exc:
                if (output == "-" and download.received) or restarts == MAX_RESTARTS:
                    raise
                report(f"{exc}; beginning again")
            except OSError as exc:
                return failed(output, exc)
            else:
                break
        return 0

    return run_with_client(run, **connection)


async def _save(download: ImageDownload, path: Path | None, *, force: bool) -> None:
    from rover.cli.progress import progress_bar

    with progress_bar(download.id) as update:
        if path is not None:
            await download.save(path, lambda one: update(one.received, one.size), overwrite=force)
            return
        output = sys.stdout.fileno()
        async for chunk in download:
            left = memoryview(chunk)
            while left:
                left = left[os.write(output, left) :]
            update(download.received, download.size)


def _report_retry(reason: str, delay_s: float) -> None:
    report(f"{reason}; requesting the rest in {delay_s:.1f} s")
