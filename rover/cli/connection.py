"""The options of commands that use a server, and how these commands end."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rover.client import Client, ClientError

    Command = Callable[..., Any]

F = TypeVar("F", bound="Callable[..., Any]")

FAILED = 3
"""Exit status if the server cannot be reached, refuses, or the outcome is unknown."""

WRONG_USE = 2
"""Exit status if an argument, a setting or a local file is wrong. click has the same one."""

INCOMPLETE = 1
"""Exit status if a file lacks what could not be read of a mission or its bucket."""

WRONG_MESSAGES = ("empty", "malformed", "too_long")
"""Codes of `MessageRefused` after which the same text would be refused again."""

TOO_BIG = 1009
"""The close code after a message that exceeds the limit of the server (RFC 6455, 7.4.1)."""

DISK_ERRORS = (EDQUOT, EFBIG, EIO, ENOSPC)
"""Errors of a disk, where another command would fail too."""

BROKEN_PIPE = 141
"""Exit status if the reader of the output has ended, as in shells: 128 + SIGPIPE."""


def connection_options(command: F) -> F:
    """Add the options that say which server to use, and with which token."""
    for option in (
        click.option(
            "--insecure", is_flag=True, help="Accept any certificate of the server. Unsafe."
        ),
        click.option(
            "--ca",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with the certificates to trust.",
        ),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            envvar="ROVER_TOKEN_FILE",
            show_envvar=True,
            help="File whose first line is the access token.",
        ),
        click.option(
            "--token",
            envvar="ROVER_TOKEN",
            show_envvar=True,
            help="Access token. Prefer the variable: others can read the arguments of a process.",
        ),
        click.option(
            "--url",
            envvar="ROVER_URL",
            show_envvar=True,
            default="http://127.0.0.1:8000",
            show_default=True,
            help="Where the server's page is.",
        ),
    ):
        command = option(command)
    return command


def run_with_client(
    run: Callable[[Client], Awaitable[int]],
    *,
    url: str,
    token: str | None,
    token_file: Path | None,
    ca: Path | None,
    insecure: bool,
) -> int:
    """Run a command with a client; returns the exit status.

    Raises:
        click.UsageError: an option is wrong.
    """
    import anyio

    from rover.client import Client, ClientError, InvalidArgument

    _make_output_encodable()
    check_texts()
    if token_file is not None and (not token or _is_option("token_file", before="token")):
        token = read_token(token_file)

    async def with_client() -> int:
        async with Client(url, token=token, verify=False if insecure else ca or True) as client:
            return await run(client)

    try:
        return anyio.run(with_client)
    except InvalidArgument as exc:
        raise click.UsageError(printable(str(exc))) from exc
    except ClientError as exc:
        report(explain(exc, has_token=token is not None))
        return status_of(exc)
    except BrokenPipeError:
        discard_output()
        return BROKEN_PIPE


def check_texts() -> None:
    """Check that the arguments of the running command are Unicode. Names of files need not be.

    Raises:
        click.UsageError: one is not.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        texts = value if isinstance(value, tuple) else (value,)
        if parameter.type is click.STRING and not all(map(_is_unicode, texts)):
            name = parameter.make_metavar(context)
            if isinstance(parameter, click.Option):
                name = max(parameter.opts, key=len)
            raise click.UsageError(f"{name}: must be UTF-8")


def _is_unicode(value: object) -> bool:
    """Whether a value has no lone surrogate, which Python makes of a byte that is not UTF-8."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def status_of(exc: ClientError) -> int:
    """The exit status after an error of the client."""
    from rover.client import ChannelClosed, InvalidArgument, MessageRefused, Refused

    match exc:
        case InvalidArgument() | Refused(status=400):
            return WRONG_USE
        case MessageRefused(code=code) if code in WRONG_MESSAGES:
            return WRONG_USE
        case ChannelClosed(code=code) if code == TOO_BIG:
            return WRONG_USE
    return FAILED


def _make_output_encodable() -> None:
    """Let each text be written: in UTF-8 for programs, and with replacements for a terminal."""
    if isinstance(sys.stdout, TextIOWrapper):
        is_terminal = sys.stdout.isatty()
        sys.stdout.reconfigure(encoding=None if is_terminal else "utf-8", errors="replace")


def read_token(path: Path) -> str:
    """The first line of a file.

    Raises:
        click.UsageError: the file cannot be read, or its first line is empty.
    """
    try:
        token = path.read_text().split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "is not text"
        raise click.UsageError(f"{path}: the token cannot be read: {reason}") from exc
    if not token:
        raise click.UsageError(f"{path}: the first line is empty; it must be the token")
    return token


def explain(exc: Exception, *, has_token: bool) -> str:
    """The error and, if a token may help, how to give one."""
    from rover.client import Refused

    if isinstance(exc, Refused) and exc.status in (401, 403) and not has_token:
        return f"{exc}; give the token in ROVER_TOKEN or --token-file"
    return str(exc)


def _is_option(name: str, *, before: str) -> bool:
    """Whether a value is from the command line, and that of `before` is not."""
    context, given = click.get_current_context(), ParameterSource.COMMANDLINE
    return (
        context.get_parameter_source(name) is given
        and context.get_parameter_source(before) is not given
    )


def report(text: str) -> None:
    """Print one line for people on standard error."""
    click.echo(f"{click.get_current_context().find_root().info_name}: {printable(text)}", err=True)


def printable(text: str) -> str:
    """The text in one line, without characters that a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class OutputFailed(click.ClickException):
    """Standard output cannot be written, for example because a disk is full."""

    exit_code = FAILED

    def __init__(self, exc: OSError) -> None:
        super().__init__(f"the output cannot be written: {exc.strerror}")


def discard_output() -> None:
    """Discard what is still buffered for standard output, which cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_line(text: str) -> None:
    """Print a line at once, for programs that read the output.

    Raises:
        BrokenPipeError: the reader has ended.
        OutputFailed: the output cannot be written.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise OutputFailed(exc) from exc
