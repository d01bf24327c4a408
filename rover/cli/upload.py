"""`rover upload`: sends command files, and shows their check."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import (
    FAILED,
    WRONG_USE,
    connection_options,
    explain,
    printable,
    report,
    run_with_client,
    status_of,
    write_line,
)

if TYPE_CHECKING:
    from rover.client import Client, Finding, UploadStatus

REJECTED = 1
"""Exit status if the check found errors in a file."""

ENDED = ("passed", "failed", "skipped")
"""States of a step that has ended."""

EPILOG = """\b
Examples:
  rover upload drive.txt
  rover upload plans/*.txt && echo accepted
  make-plan | rover upload - --name sol-812.txt
  rover upload drive.txt --json | jq -r 'select(.status) | .status'

\b
Findings are lines of the form FILE:LINE:COLUMN: SEVERITY: TEXT [CODE] on the output. Steps of the
check are on standard error.

\b
Exit status:
  0  all files are accepted
  1  a file is rejected
  2  the command line is wrong, or a file cannot be read
  3  a check failed, the server cannot be used, or an outcome is unknown
"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@click.option("--name", help="Name of the file for the server. With one file only.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@connection_options
def upload(files: tuple[str, ...], name: str | None, as_json: bool, **connection: Any) -> int:
    """Send command files and follow their check. FILE may be - for the input."""
    if name is not None and len(files) > 1:
        raise click.UsageError("--name needs exactly one file")
    for file in files:
        if file != "-" and not Path(file).is_file():
            raise click.UsageError(f"{file}: not found, or not a file")

    async def run(client: Client) -> int:
        from rover.client import ClientError

        worst = 0
        for file in files:
            try:
                status = await _upload(client, file, name, as_json=as_json)
            except ClientError as exc:
                report(f"{file}: {explain(exc, has_token='Authorization' in client.headers)}")
                status = status_of(exc)
            except BrokenPipeError:
                raise
            except OSError as exc:
                report(f"{file}: cannot be read: {exc.strerror}")
                status = WRONG_USE
            worst = max(worst, status)
        return worst

    return run_with_client(run, **connection)


async def _upload(client: Client, file: str, name: str | None, *, as_json: bool) -> int:
    """Send one file; returns the exit status."""
    from rover.cli.progress import progress_bar
    from rover.cli.tail import report_loss
    from rover.client import Finding, Gap, Interruption

    source = sys.stdin.buffer if file == "-" else Path(file)
    outcome = None
    with progress_bar(file) as update:
        async with client.upload(
            source, name or ("stdin" if file == "-" else ""), update
        ) as events:
            async for event in events:
                if isinstance(event, Gap | Interruption):
                    report_loss(event)
                elif as_json:
                    write_line(json.dumps({"file": file, **event.fields}, ensure_ascii=False))
                elif isinstance(event, Finding):
                    for line in finding_lines(file, event):
                        write_line(line)
                else:
                    _show_status(file, event)
            outcome = events.outcome
    statuses = {"COMPLETE": 0, "REJECTED": REJECTED}
    return FAILED if outcome is None else statuses.get(outcome.status, FAILED)


def finding_lines(file: str, finding: Finding) -> list[str]:
    """The finding in the form of compilers, which editors understand, and its hint."""
    place = ":".join(str(part) for part in (file, finding.line, finding.column) if part is not None)
    code = f" [{finding.code}]" if finding.code else ""
    lines = [f"{place}: {finding.severity}: {finding.message}{code}"]
    if finding.hint:
        lines.append(f"{place}: note: {finding.hint}")
    return [printable(line) for line in lines]


def _show_status(file: str, event: UploadStatus) -> None:
    if event.is_final:
        write_line(printable(f"{file}: {event.status}: {event.detail}"))
    elif "position" in event.fields:
        click.echo(printable(f"{file}: {event.detail}"), err=True)
    elif event.state in ENDED:
        title = str(event.fields.get("title") or event.step)
        reason = event.detail.removeprefix(f"{title}: ")
        detail = "" if reason in ("", event.state) else f" ({reason})"
        click.echo(printable(f"{file}: {title}: {event.state}{detail}"), err=True)
