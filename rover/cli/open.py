"""`rover open`: serves a recorded mission, which does not change."""

from __future__ import annotations

from pathlib import Path

import click

from rover.cli.connection import WRONG_USE, report
from rover.cli.serve import port_number

EPILOG = """\b
Examples:
  rover open drive.rover
  rover open drive.rover --port 8001

The page and all paths show the mission as it was at its end. Messages, command files and
acknowledgements are refused, and the file is not written. Settings are those of rover serve, as
variables.
"""


@click.command("open", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default="8000", callback=port_number, show_default=True, help="Port.")
def open_(file: Path, host: str, port: int) -> int:
    """Serve a file of rover record until a signal ends the server."""
    from rover.cli.listening import check_address
    from rover.cli.server import run_recorded
    from rover.errors import RoverError

    check_address(host, port)
    try:
        return run_recorded(file, host, port)
    except (RoverError, OSError) as exc:
        report(str(exc))
        return WRONG_USE
