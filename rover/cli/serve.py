"""`rover serve`: serves one mission with uvicorn."""

from __future__ import annotations

import click

from rover.cli.setting_options import (
    SECRETS,
    ServerCommand,
    chosen_variables,
    setting_options,
)
from rover.setting_fields import PREFIX
from sources.values.ranges import Range

PORTS = Range(0, 65_535)

EPILOG = f"""\b
Examples:
  rover serve
  rover serve --telemetry replay:drive.csv --port 8001
  rover serve --config lab.toml --max-readers 500

Each setting is also a variable, such as {PREFIX}HEARTBEAT_S, and a key of rover.toml. An option
overrides the variable, which overrides the file. Secret settings have no option, because other
users of this machine can read the arguments of a process:
{", ".join(PREFIX + name.upper() for name in SECRETS)}.
"""


def port_number(_: click.Context, __: click.Parameter, text: str) -> int:
    """The port of an option.

    Raises:
        click.BadParameter: it is not a port.
    """
    if not text.isdecimal() or int(text) not in PORTS:
        raise click.BadParameter(f"{text}: {PORTS.must_be()}")
    return int(text)


@click.command(cls=ServerCommand, epilog=EPILOG)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default="8000", callback=port_number, show_default=True, help="Port.")
@click.option("--reload", is_flag=True, help="Restart when a Python file in this folder changes.")
@setting_options
def serve(host: str, port: int, reload: bool, **options: str | None) -> int:
    """Serve a mission until a signal ends the server.

    Without sources, a simulated rover is served.
    """
    from rover.cli.server import run

    return run(host, port, chosen_variables(options), reload=reload)
