"""The `cosmic-rover` command: one mission, one server, one address to open."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from rover import __version__
from rover.commands.inbox import Inbox
from rover.errors import RoverError
from rover.mission import create_app
from rover.settings import PREFIX, Settings, settings_table
from sources.base import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.applications import Starlette

OURS = {"handlers": ["default"], "level": "INFO", "propagate": False}
LOGGING = {
    **LOGGING_CONFIG,
    "loggers": {**LOGGING_CONFIG["loggers"], "rover": OURS, "sources": OURS},
}
"""uvicorn's, with our own lines in the same form; an app that is mounted elsewhere sets up none."""

SOURCES = ("telemetry", "camera", "commands")


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(
        prog="cosmic-rover",
        description="Mission control for a rover, a robot, or any far-away machine.",
        epilog="Everything else is set by environment variables; --settings lists them.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port (%(default)s)")
    for kind in SOURCES:
        parser.add_argument(f"--{kind}", metavar="URL", help=f"sets {PREFIX}{kind.upper()}")
    parser.add_argument(
        "--reload", action="store_true", help="start anew when a Python file here changes"
    )
    parser.add_argument("--settings", action="store_true", help="list every setting and end")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; they go from 0 to 65535")
    return port


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to end.

    Returns:
        The exit status: 0, or 2 where settings make no sense.
    """
    args = parser().parse_args(argv)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # a source of your own lies beside you, as with `python -m`
    if args.settings:
        sys.stdout.write(settings_table() + "\n")
        return 0
    chosen = {
        PREFIX + kind.upper(): url for kind in SOURCES if (url := getattr(args, kind)) is not None
    }
    try:
        settings = Settings.from_env({**os.environ, **chosen})
        with Inbox(settings.data_dir).open():
            pass  # a folder that is no good is said here in one line, not in the server's start
        app: Starlette | str = create_app(settings)
    except (RoverError, SourceError) as exc:
        sys.stderr.write(f"cosmic-rover: {exc}\n")
        return 2
    # uvicorn raises the signal that ended it once more when all is done, for whoever started it;
    # here that is nobody, and the status of a clean end is 0; of one before it began, too.
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: sys.exit(0))
    if args.reload:  # in a process of its own, which imports everything anew
        os.environ.update(chosen)
        app = "rover.main:app"
    uvicorn.run(app, host=args.host, port=args.port, log_config=LOGGING, reload=args.reload)
    return 0
