"""`rover conform`: scores any server of event streams."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rover.cli.connection import connection_options, run_with_client

if TYPE_CHECKING:
    from rover.client import Client

FAILED_CHECK = 1
"""Exit status if a check fails."""


@click.command(
    epilog="""\b
Examples:
  rover conform http://127.0.0.1:8000/stream/rover-telemetry
  rover conform https://feed.example/events --seconds 60
  rover conform http://127.0.0.1:3000/events --publish "curl -sd x http://127.0.0.1:3000/publish"

It works with the event stream of any server. Checks of resuming need events with ids: the server
sends them by itself, or --publish makes it send them.

\b
Exit status:
  0  no check fails
  1  a check fails
  3  the stream cannot be opened
"""
)
@click.argument("stream", metavar="URL")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=5,
    show_default=True,
    help="How long to read for each check.",
)
@click.option("--publish", default="", metavar="COMMAND", help="Makes the server send an event.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@connection_options
def conform(stream: str, seconds: float, publish: str, as_json: bool, **connection: Any) -> int:
    """Score the event stream at URL on resuming, gaps, slow clients and more."""

    async def run(client: Client) -> int:
        from rover.cli.probes.conform import Conformance
        from rover.cli.probes.result import as_json as json_of
        from rover.cli.probes.result import score, show

        results = []
        conformance = Conformance(client.http, stream, seconds, publish)
        async with aclosing(conformance.check()) as checks:
            async for result in checks:
                results.append(result)
                if not as_json:
                    show(result)
        reached, most = score(results)
        if as_json:
            click.echo(json_of(results, url=stream, score=reached, of=most))
        else:
            click.echo(f"{reached} of {most} points")
        return FAILED_CHECK if any(result.level == "fail" for result in results) else 0

    for name in ("token", "token_file"):
        source = click.get_current_context().get_parameter_source(name)
        if source is ParameterSource.ENVIRONMENT and not stream.startswith(connection["url"]):
            connection[name] = None  # the token of one server is not for another
    root = stream.partition("?")[0].partition("#")[0]
    return run_with_client(run, **{**connection, "url": root})
