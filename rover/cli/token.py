"""`rover token`: adds, lists and revokes the access tokens of people and devices."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING

import click

from rover.cli.setting_options import chosen_variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.settings import Settings

EPILOG = """\b
Examples:
  rover token add Ada --scope "view,say:flight-*,upload" --role CAPCOM --expires 30d
  rover token add rover-7 --scope ingest
  rover token list
  rover token revoke 3f9a1c22

The commands need the data folder of the server, and no running server. Servers notice each change
within a second.
"""


@click.group(no_args_is_help=True, epilog=EPILOG)
@click.option("--data-dir", metavar="PATH", help="Data folder of the server.")
@click.option("--config", metavar="FILE", help="Configuration file of the server.")
@click.pass_context
def token(ctx: click.Context, data_dir: str | None, config: str | None) -> None:
    """Add, list and revoke access tokens."""
    ctx.obj = chosen_variables({"data_dir": data_dir, "config": config})


def _lines(ctx: click.Context, run: Callable[[Settings], list[str]]) -> int:
    """Print the lines that `run` returns for the settings of the server."""
    from rover.config import Config
    from rover.errors import RoverError

    try:
        for line in run(Config.load(environ={**os.environ, **ctx.obj}).settings):
            click.echo(line)
    except RoverError as exc:
        click.echo(f"{ctx.find_root().info_name}: {exc}", err=True)
        return 2
    return 0


@token.command(epilog=EPILOG)
@click.argument("name")
@click.option("--scope", required=True, help="What it allows, such as view,say:flight-*,upload.")
@click.option("--role", default="", help="Role of the person, such as CAPCOM.")
@click.option("--expires", help="When it expires, such as 30d or 2026-12-31.")
@click.pass_context
def add(ctx: click.Context, name: str, scope: str, role: str, expires: str | None) -> int:
    """Add a token for a person or device NAME, and print it once.

    Only the hash of the token is stored, so it cannot be printed again.
    """

    def run(settings: Settings) -> list[str]:
        from rover.tokens.commands import add_token

        return [add_token(settings, name, scope, role=role, expires=expires).text]

    return _lines(ctx, run)


@token.command("list", epilog=EPILOG)
@click.pass_context
def list_(ctx: click.Context) -> int:
    """List all tokens by id, without their secrets."""

    def run(settings: Settings) -> list[str]:
        from rover.tokens.commands import describe_tokens, list_tokens

        return describe_tokens(list_tokens(settings), time())

    return _lines(ctx, run)


@token.command(epilog=EPILOG)
@click.argument("token_id", metavar="ID")
@click.pass_context
def revoke(ctx: click.Context, token_id: str) -> int:
    """Delete the token with this ID, and end its open streams.

    The whole token is accepted too, but then other users of this machine can read it.
    """

    def run(settings: Settings) -> list[str]:
        from rover.tokens.commands import revoke_token

        revoked = revoke_token(settings, token_id)
        return [f"revoked token {revoked.id} of {revoked.name}"]

    return _lines(ctx, run)
