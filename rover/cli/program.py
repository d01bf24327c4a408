"""The `rover` command: finds its subcommand, and reports errors in one line."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover import __version__
from rover.cli.connection import BROKEN_PIPE, DISK_ERRORS, OutputFailed, discard_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAMS = ("rover", "cosmic-rover")

COMMANDS = {
    "serve": "rover.cli.serve:serve",
    "tail": "rover.cli.tail:tail",
    "say": "rover.cli.comms:say",
    "image": "rover.cli.image:image",
    "export": "rover.cli.export:export",
    "record": "rover.cli.record:record",
    "open": "rover.cli.open:open_",
    "import": "rover.cli.import_:import_",
    "upload": "rover.cli.upload:upload",
    "doctor": "rover.cli.doctor:doctor",
    "conform": "rover.cli.conform:conform",
    "config": "rover.cli.config:config",
    "settings": "rover.cli.config:settings",
    "token": "rover.cli.token:token",
    "completion": "rover.cli.completion:completion",
}
"""The subcommands, each `module:name`, in the order of `--help`.

A module is imported when its command runs or `--help` lists it. Such a module imports little more
than click: a command imports the rest when it runs.
"""

DEFAULT_COMMAND = "serve"

OWN_OPTIONS = ("--help", "-h", "--version", "--settings")

STDERR = 2
"""The largest descriptor of a standard stream."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as of shells: 128 and the number of SIGINT."""


class OutputClosed(Exception):
    """The reader of the output has ended. click would exit with 1 after a `BrokenPipeError`."""


class Program(click.Group):
    """A group of commands that are imported on use; options alone are those of `serve`."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments, which prints the help or the version."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError as exc:
            raise OutputClosed from exc

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            raise OutputClosed from exc

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or `None`."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name.

        Raises:
            click.UsageError: there is none; the message names the closest one.
        """
        if args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"; did you mean {near[0]}?" if near else f" ({', '.join(COMMANDS)})"
            ctx.fail(f"no such command: {args[0]}{hint}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; those of `serve` may come without its name."""
        if ctx.resilient_parsing:  # a shell completes words, and no command is not `serve` there
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in OWN_OPTIONS):
            args = _with_default_command(args)
        return super().parse_args(ctx, args)


def _with_default_command(args: list[str]) -> list[str]:
    """`--config FILE config check` is `config check --config FILE`; all else is `serve`."""
    for index, word in enumerate(args):
        if word in COMMANDS and not args[index - 1].startswith("-"):
            return [*args[index:], *args[:index]]
    return [DEFAULT_COMMAND, *args]


def _print_settings(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from rover.cli.settings_table import settings_table

        click.echo(settings_table())
        ctx.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option(
    "--settings",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_settings,
    help="List all settings and exit.",
)
def program() -> None:
    """Mission control for a rover, a robot, or any other remote machine.

    Without a command, serve runs. `COMMAND --help` shows examples.
    """


def _open_standard_streams() -> None:
    """Open the standard streams that the caller has closed, so that no socket has their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(descriptor)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (STDERR, "stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP ends a command as Ctrl-C does: it deletes its unfinished files.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(signal.Signals(number).name)


@contextmanager
def _unwound_by_signals() -> Iterator[None]:
    """Raise `Terminated` in the block at SIGTERM and SIGHUP."""

    def unwind(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt the deletion
        raise Terminated(number)

    numbers = []
    if threading.current_thread() is threading.main_thread():
        both = signal.SIGTERM, signal.SIGHUP
        numbers = [one for one in both if signal.getsignal(one) is signal.SIG_DFL]  # as of nohup
    for number in numbers:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in numbers:
            if signal.getsignal(number) in (unwind, signal.SIG_IGN):  # not that of `serve`
                signal.signal(number, signal.SIG_DFL)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; those of this process by default.

    Returns:
        The exit status.
    """
    _open_standard_streams()
    name = Path(sys.argv[0]).name
    name = name if name in PROGRAMS else PROGRAMS[-1]
    try:
        with _unwound_by_signals():
            result: Any = program.main(
                None if argv is None else list(argv), prog_name=name, standalone_mode=False
            )
    except click.Abort as exc:
        return exc.__cause__.status if isinstance(exc.__cause__, Terminated) else INTERRUPTED
    except OutputClosed:
        discard_output()
        return BROKEN_PIPE
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message(), err=True)
        return exc.exit_code
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else name
        text = exc.format_message().rstrip(".")
        click.echo(f"{name}: {text} (see `{command} --help`)", err=True)
        return exc.exit_code
    except click.ClickException as exc:
        click.echo(f"{name}: {exc.format_message()}", err=True)
        if isinstance(exc, OutputFailed):
            discard_output()
        return exc.exit_code
    except OSError as exc:
        if exc.errno not in DISK_ERRORS or exc.filename is not None:
            raise
        failed = OutputFailed(exc)  # of click.echo
        click.echo(f"{name}: {failed.format_message()}", err=True)
        discard_output()
        return failed.exit_code
    return result if isinstance(result, int) else 0
