"""`rover doctor`: checks a server from outside, through everything on the way."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import connection_options, run_with_client

if TYPE_CHECKING:
    from rover.client import Client

FAILED_CHECK = 1
"""Exit status if a check fails."""

SHORT_WATCH_S = 5.0


@click.command(
    epilog="""\b
Examples:
  rover doctor
  rover doctor https://lab.example/rover/ --token-file ~/.rover-token
  rover doctor https://lab.example/rover/ --minutes 10

Run it from where people will use the server, so that it checks proxies on the way.

\b
Exit status:
  0  no check fails
  1  a check fails
  3  the server cannot be reached, or it refuses the token
"""
)
@click.argument("server", required=False, metavar="[URL]")
@click.option(
    "--minutes", type=click.FloatRange(0, 1440), help="How long to watch a stream for cuts."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@connection_options
def doctor(server: str | None, minutes: float | None, as_json: bool, **connection: Any) -> int:
    """Check a server, its access rules and the proxies in front of it."""

    async def run(client: Client) -> int:
        from rover.cli.probes import doctor as probe
        from rover.cli.probes.result import as_json as json_of
        from rover.cli.probes.result import show

        results = []
        watch_s = SHORT_WATCH_S if minutes is None else minutes * 60
        async with aclosing(probe.check(client, watch_s)) as checks:
            async for result in checks:
                results.append(result)
                if not as_json:
                    show(result)
        if as_json:
            click.echo(json_of(results, url=client.url))
        return FAILED_CHECK if any(result.level == "fail" for result in results) else 0

    return run_with_client(run, **{**connection, **({"url": server} if server else {})})
