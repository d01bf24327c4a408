"""`rover tail comms` and `rover say`: follow a comms channel, and send messages to it."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import (
    connection_options,
    printable,
    report,
    run_with_client,
    write_line,
)
from rover.invisible import is_blank
from rover.json_input import inexact_number, parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.client import Client, Gap, Interruption, Message, Notice, Presence

    Event = Message | Presence | Notice | Gap | Interruption

LAST = 20
"""Number of past events that `rover tail comms` begins with."""

MAX_DATA_CHARACTERS = 200
"""Maximum number of characters of a message's data that a terminal shows."""


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
    if is_blank(text):
        raise click.BadParameter("a message must have a visible character")
    return text


def json_data(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, Any] | None:
    """The data of a message.

    Raises:
        click.BadParameter: it is not a JSON object.
    """
    if text is None:
        return None
    try:
        data = parse_json(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise click.BadParameter('must be a JSON object, such as {"t": "2026-11-28T21:52:00Z"}')
    if number := inexact_number(data):
        raise click.BadParameter(f"programs would round {number[:40]}; put it in quotation marks")
    return data


@click.command(
    epilog="""\b
Examples:
  rover tail comms flight
  rover tail comms flight --name capcom --say "CAPCOM is on console"
  rover tail comms flight science eva
  rover tail comms flight --json | jq -r 'select(.type == "message") | .text'

With --name or --say, the command joins the first channel, so its members see it, and listens to the
others on the same connection. A terminal shows text. Otherwise, and with --json, each line is one
JSON object of the protocol rover.comms.v1.
"""
)
@click.argument("channels", metavar="CHANNEL...", nargs=-1, required=True)
@click.option("--name", default="", help="Join the first channel under this name.")
@click.option("--say", "text", callback=message_text, help="Join the first channel, and send this.")
@click.option("--after", default="", metavar="ID", help="Resume after this event of one channel.")
@click.option(
    "--last",
    type=click.IntRange(0, 1_000),
    metavar="COUNT",
    help=f"Begin with this many past events of each channel, {LAST} by default. Members begin with "
    "the newest messages.",
)
@click.option("-n", "--count", type=click.IntRange(1), help="End after this many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, also on a terminal.")
@connection_options
def comms(
    channels: tuple[str, ...],
    name: str,
    text: str | None,
    after: str,
    last: int | None,
    count: int | None,
    as_json: bool,
    **connection: Any,
) -> int:
    """Follow comms channels."""
    joins = bool(name) or text is not None

    async def run(client: Client) -> int:
        show = partial(
            _print,
            count=count,
            as_json=as_json or not sys.stdout.isatty(),
            several=len(channels) > 1,
        )
        if not joins:
            past = 0 if after else LAST if last is None else last
            streams = [client.follow(channel, last=past, after=after) for channel in channels]
            await show(_merged(streams))
            return 0
        async with client.comms(channels[0], name, after=after) as member:
            for channel in channels[1:]:
                await member.subscribe(channel)
            if text is not None:
                await member.say(text)
            await show(member)
        return 0

    if last is not None and (after or joins):
        raise click.UsageError("--last needs neither --after nor --name nor --say")
    if after and len(channels) > 1 and not joins:
        raise click.UsageError("--after is an event of one channel; name only that channel")
    return run_with_client(run, **connection)


async def _merged(streams: Sequence[AsyncIterator[Event]]) -> AsyncIterator[Event]:
    """The events of several channels, as they arrive."""
    pending = {asyncio.ensure_future(anext(stream)): stream for stream in streams}
    try:
        while True:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for arrived in done:
                stream = pending.pop(arrived)
                yield arrived.result()
                pending[asyncio.ensure_future(anext(stream))] = stream
    finally:
        for waiting in pending:
            waiting.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


@click.command(
    epilog="""\b
Examples:
  rover say flight "Drive of sol 812 is complete"
  rover say flight "Look at this" --kind link --data '{"t": "2026-11-28T21:52:00Z"}'
  uptime | rover say lab - --name server

It prints the id of the message when the server has accepted it. Nobody joins the channel. If the
connection fails, the server may have the message: the same command with the same --ref sends it
once, as long as the message is among the newest that the server has in memory.
"""
)
@click.argument("channel")
@click.argument("text", callback=message_text)
@click.option("--name", default="", help="Name of the sender, unless the token has one.")
@click.option("--kind", default="", help="Kind of the message, such as link.")
@click.option("--data", callback=json_data, metavar="JSON", help="Data for programs, an object.")
@click.option("--ref", default="", help="Your name for the message.")
@connection_options
def say(
    channel: str,
    text: str,
    name: str,
    kind: str,
    data: dict[str, Any] | None,
    ref: str,
    **connection: Any,
) -> int:
    """Send TEXT to the comms channel CHANNEL. TEXT may be - for the input."""

    async def run(client: Client) -> int:
        said = await client.say(channel, text, name, kind=kind, data=data, ref=ref)
        write_line(said.id)
        if not said.kept:
            report("the server cannot keep the message now, and may forget it in a restart")
        return 0

    return run_with_client(run, **connection)


async def _print(
    events: AsyncIterator[Event], *, count: int | None, as_json: bool, several: bool
) -> None:
    from rover.cli.tail import report_loss
    from rover.client import Gap, Interruption, Message, Notice

    printed = 0
    async for event in events:
        if isinstance(event, Gap | Interruption):
            report_loss(event)
            continue
        if isinstance(event, Notice) and not event.id:  # the state of the channel
            continue
        if as_json:
            write_line(json.dumps(event.fields, ensure_ascii=False))
        else:
            write_line(shown(event, several=several))
        printed += isinstance(event, Message)
        if printed == count:
            return


def shown(event: Message | Presence | Notice, *, several: bool = False) -> str:
    """The event as text. Continued lines of a message are indented.

    Args:
        event: of a channel.
        several: whether to show which channel it is.
    """
    from rover.client import Message, Presence

    time = printable(str(event.fields.get("at", ""))[11:19])
    if several:
        time += f" {printable(str(event.fields.get('channel', '')))}"
    if isinstance(event, Presence):
        verb = "joined" if event.kind == "join" else "left"
        return f"{time} * {printable(event.name)} {verb} ({event.member_count} here)"
    if not isinstance(event, Message):
        return f"{time} * {printable(event.name)}"
    lines = [printable(line) for line in event.text.splitlines()] or [""]
    if event.kind:
        data = "" if event.data is None else f" {json.dumps(event.data, ensure_ascii=False)}"
        lines.append(printable(f"[{event.kind}{data}]"[:MAX_DATA_CHARACTERS]))
    return f"{time} {printable(event.sender)}: " + "\n         ".join(lines)
