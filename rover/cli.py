"""The `cosmic-rover` command: serves one mission with uvicorn."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from rover import __version__
from rover.addresses import address
from rover.asgi.servers.uvicorn_protocols import (
    BoundedHTTPProtocol,
    BoundedWebSocketProtocol,
    max_frame_bytes,
)
from rover.commands.inbox import Inbox
from rover.config import Config
from rover.config.config import DEFAULT_FILE
from rover.config.report import Report, report_on
from rover.descriptors import raise_limit
from rover.errors import ConfigError, RoverError
from rover.mission import create_app
from rover.settings import CONFIG_VARIABLE, PREFIX, settings_table
from rover.tokens.commands import add_token, describe_tokens, list_tokens, revoke_token
from sources.base import SourceError
from sources.values.ranges import Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.applications import Starlette

    from rover.settings import Settings

LOGGER_CONFIG = {"handlers": ["default"], "level": "INFO", "propagate": False}
LOGGING = {
    **LOGGING_CONFIG,
    "filters": {"mask tokens": {"()": "rover.masking.MaskTokens"}},
    "handlers": {
        name: {**handler, "filters": ["mask tokens"]}
        for name, handler in LOGGING_CONFIG["handlers"].items()
    },
    "loggers": {**LOGGING_CONFIG["loggers"], "rover": LOGGER_CONFIG, "sources": LOGGER_CONFIG},
}
"""uvicorn's logging configuration without tokens, and the same for the loggers of this project.

Only the command configures logging: an app that is mounted in another app must not.
"""

SOURCES = ("telemetry", "camera", "commands")

PORTS = Range(0, 65_535)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="cosmic-rover",
        description="Mission control for a rover, a robot, or any other remote machine.",
        epilog="Environment variables and rover.toml set everything else; --settings lists them.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="port (%(default)s)")
    for kind in SOURCES:
        parser.add_argument(f"--{kind}", metavar="URL", help=f"sets {PREFIX}{kind.upper()}")
    parser.add_argument(
        "--reload", action="store_true", help="restart when a Python file in this folder changes"
    )
    parser.add_argument("--config", metavar="FILE", help=f"sets {CONFIG_VARIABLE}")
    parser.add_argument("--settings", action="store_true", help="list all settings and exit")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    actions = parser.add_subparsers(metavar="config check [FILE]", help="explain the configuration")
    config = actions.add_parser("config").add_subparsers(metavar="check", required=True)
    check = config.add_parser("check", help="explain it; the exit status is 2 if it is wrong")
    check.add_argument("file", nargs="?", help=f"configuration file; by default {DEFAULT_FILE}")
    token = actions.add_parser("token", help="access tokens of people and devices")
    verbs = token.add_subparsers(metavar="add|list|revoke", required=True)
    add = verbs.add_parser("add", help="add a token and print it, once")
    add.add_argument("name", help="of the person or device")
    add.add_argument("--scope", required=True, help="such as view,say:flight-*,upload")
    add.add_argument("--role", default="", help="such as CAPCOM")
    add.add_argument("--expires", help="such as 30d or 2026-12-31")
    add.set_defaults(token=_add_token)
    verbs.add_parser("list", help="list all tokens").set_defaults(token=_list_tokens)
    revoke = verbs.add_parser("revoke", help="delete a token and end its streams")
    revoke.add_argument("id", help="of the token, as `token list` shows it")
    revoke.set_defaults(token=_revoke_token)
    return parser


def _add_token(settings: Settings, args: argparse.Namespace) -> list[str]:
    added = add_token(settings, args.name, args.scope, role=args.role, expires=args.expires)
    return [added.text]


def _list_tokens(settings: Settings, _: argparse.Namespace) -> list[str]:
    return describe_tokens(list_tokens(settings), time())


def _revoke_token(settings: Settings, args: argparse.Namespace) -> list[str]:
    token = revoke_token(settings, args.id)
    return [f"revoked token {token.id} of {token.name}"]


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) not in PORTS:
        raise argparse.ArgumentTypeError(f"{text}: {PORTS.must_be()}")
    return int(text)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this address."""
    found = address(host)
    return host == "localhost" or (found is not None and found.is_loopback)


def check_config(file: str | None, environ: Mapping[str, str]) -> int:
    """Explain the configuration; the exit status is 2 if it is wrong."""
    try:
        report = report_on(Config.load(file, environ))
    except ConfigError as exc:
        report = Report([f"file: {exc.path.absolute()}"], problems=list(exc.problems))
    except RoverError as exc:
        report = Report(problems=[str(exc)])
    lines = [*report.lines, *(f"note: {line}" for line in report.notes)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    sys.stderr.write("".join(f"error: {line}\n" for line in report.problems))
    return 2 if report.problems else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal ends the server.

    Returns:
        The exit status: 0, or 2 if a setting is wrong.
    """
    args = parser().parse_args(argv)
    if (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)  # for sources in this folder, as `python -m` does
    if args.settings:
        sys.stdout.write(settings_table() + "\n")
        return 0
    chosen = {
        PREFIX + name.upper(): value
        for name in (*SOURCES, "config")
        if (value := getattr(args, name)) is not None
    }
    if "file" in args:
        return check_config(args.file, {**os.environ, **chosen})
    try:
        config = Config.load(environ={**os.environ, **chosen})
        if "token" in args:
            sys.stdout.write("\n".join([*args.token(config.settings, args), ""]))
            return 0
        raise_limit()  # before the app is created, which asks for the limit
        with Inbox(config.settings.data_dir).open():
            pass  # an unusable folder is reported in one line, before the server starts
        app: Starlette | str = create_app(config=config)
    except (RoverError, SourceError) as exc:
        sys.stderr.write(f"cosmic-rover: {exc}\n")
        return 2
    if not config.settings.tokens and not is_loopback(args.host):
        sys.stderr.write(
            f"cosmic-rover: serving on {args.host} without ROVER_TOKENS: only clients on this "
            "machine get access, all others receive 403; set ROVER_TOKENS to serve them\n"
        )
    # After its shutdown uvicorn raises the signal again, for the handlers of its caller. The exit
    # status is 0 then, and also if a signal arrives before uvicorn has started.
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: sys.exit(0))
    if args.reload:  # the app runs in another process, which imports it by name
        os.environ.update(chosen)
        app = "rover.main:app"
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        log_config=LOGGING,
        reload=args.reload,
        proxy_headers=False,  # they would replace the address of the client, which is checked
        http=BoundedHTTPProtocol,
        ws=BoundedWebSocketProtocol,
        ws_max_size=max_frame_bytes(config.settings.max_message_bytes),
    )
    return 0
