"""`rover tail comms` and `rover say`: follow a comms channel, and send messages to it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import connection_options, printable, run_with_client, write_line

if TYPE_CHECKING:
    from rover.client import Channel, Client, Message, Presence


def message_text(ctx: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    """The text of a message; that of the input for the argument `-`.

    Raises:
        click.BadParameter: it is not UTF-8, or it is empty.
    """
    if text is None or ctx.resilient_parsing:
        return text
    if text == "-" and isinstance(parameter, click.Argument):
        try:
            text = sys.stdin.buffer.read().decode().rstrip("\n")
        except UnicodeDecodeError:
            raise click.BadParameter("the input must be UTF-8") from None
    if not text.strip():
        raise click.BadParameter("a message must not be empty")
    return text


@click.command(
    epilog="""\b
Examples:
  rover tail comms flight
  rover tail comms flight --name capcom --say "CAPCOM is on console"
  rover tail comms flight --json | jq -r 'select(.type == "message") | .text'

The command joins the channel, so its members see it. A terminal shows text. Otherwise, and with
--json, each line is one JSON object of the protocol rover.comms.v1.
"""
)
@click.argument("channel")
@click.option("--name", default="", help="Name of the member. By default the server chooses one.")
@click.option("--say", "text", callback=message_text, help="Send this message first.")
@click.option("--after", default="", metavar="ID", help="Resume after this event.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, also on a terminal.")
@connection_options
def comms(
    channel: str,
    name: str,
    text: str | None,
    after: str,
    count: int | None,
    as_json: bool,
    **connection: Any,
) -> int:
    """Follow the comms channel CHANNEL."""

    async def run(client: Client) -> int:
        async with client.comms(channel, name, after=after) as member:
            if text is not None:
                await member.say(text)
            await _print(member, count, as_json=as_json or not sys.stdout.isatty())
        return 0

    return run_with_client(run, **connection)


@click.command(
    epilog="""\b
Examples:
  rover say flight "Drive of sol 812 is complete"
  uptime | rover say lab - --name server

It prints the id of each message when the server has accepted it.
"""
)
@click.argument("channel")
@click.argument("text", callback=message_text)
@click.option("--name", default="", help="Name of the member. By default the server chooses one.")
@connection_options
def say(channel: str, text: str, name: str, **connection: Any) -> int:
    """Send TEXT to the comms channel CHANNEL. TEXT may be - for the input."""

    async def run(client: Client) -> int:
        async with client.comms(channel, name) as member:
            write_line(await member.say(text))
        return 0

    return run_with_client(run, **connection)


async def _print(member: Channel, count: int | None, *, as_json: bool) -> None:
    from rover.cli.tail import report_loss
    from rover.client import Gap, Interruption, Message

    printed = 0
    async for event in member:
        if isinstance(event, Gap | Interruption):
            report_loss(event)
            continue
        if as_json:
            write_line(json.dumps(event.fields, ensure_ascii=False))
        else:
            write_line(shown(event))
        printed += isinstance(event, Message)
        if printed == count:
            return


def shown(event: Message | Presence) -> str:
    """The event as text. Continued lines of a message are indented."""
    from rover.client import Message

    time = printable(event.at[11:19])
    if not isinstance(event, Message):
        verb = "joined" if event.kind == "join" else "left"
        return f"{time} * {printable(event.name)} {verb} ({event.member_count} here)"
    lines = [printable(line) for line in event.text.splitlines()] or [""]
    return f"{time} {printable(event.sender)}: " + "\n         ".join(lines)
