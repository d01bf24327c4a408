"""`rover completion`: scripts that complete commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rover.cli.program import PROGRAMS

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  rover completion bash >> ~/.bashrc
  rover completion zsh >> ~/.zshrc
  rover completion fish > ~/.config/fish/completions/rover.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in SHELL.

    It does so for both names of the program, rover and cosmic-rover.
    """
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 # each of SHELLS has one
    for name in PROGRAMS:
        variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
        click.echo(script(ctx.find_root().command, {}, name, variable).source())
