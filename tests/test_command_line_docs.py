"""docs/command-line.md has the help of each command; `WRITE_DOCS=1` writes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from rover.cli import main
from rover.cli.completion import SHELLS
from rover.cli.program import program

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"

BEGIN, END = "<!-- commands: made by tests/test_command_line_docs.py -->\n", "<!-- /commands -->\n"


def commands(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Each command that can run, with its full name."""
    ctx = click.Context(
        command,
        parent,
        info_name=path.rpartition(" ")[2],
        max_content_width=100,
        terminal_width=100,
        **program.context_settings,
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found
            yield from commands(found, f"{path} {name}", ctx)
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command, ctx


COMMANDS = list(commands(program, "rover"))


def reference() -> str:
    """The help of each command, without the settings, which settings.md lists."""
    parts = []
    for path, command, ctx in COMMANDS:
        text = command.get_help(ctx)
        before, title, settings = text.partition("\nSettings:\n")
        if title:
            after = settings.partition("\n\n")[2]
            text = f"{before}\nSettings: one option for each; settings.md lists them.\n\n{after}"
        parts.append(f"### {path}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def test_the_page_has_the_help_of_each_command() -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    found, _, after = rest.partition(END)
    if "WRITE_DOCS" in os.environ:
        PAGE.write_text(f"{before}{BEGIN}\n{reference()}\n{END}{after}")
        return
    assert found.strip() == reference().strip(), "run WRITE_DOCS=1 pytest on this file"


@pytest.mark.parametrize("name", [path for path, _, _ in COMMANDS])
def test_the_help_of_each_command_has_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split()[1:], "--help"]) == 0
    assert "Examples:\n" in capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_completion_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in ("_COSMIC_ROVER_COMPLETE", "_ROVER_COMPLETE"))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_both_names_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out + "complete -p rover cosmic-rover"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["rover", "cosmic-rover"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [("cosmic-rover t", "tail"), ("cosmic-rover tail tele", "telemetry")],
)
def test_a_shell_completes_words(words: str, completed: str) -> None:
    environ = {
        **os.environ,
        "_COSMIC_ROVER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-m", "rover"], env=environ, capture_output=True, text=True, check=True
    )
    assert f"plain,{completed}" in done.stdout.splitlines()


def test_help_imports_no_server() -> None:
    code = "import sys; from rover.cli import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.rpartition("\n")[0].rpartition("\n")[2].split()
    assert "rover.cli.tail" in modules
    assert not {"uvicorn", "starlette", "httpx", "rich", "numpy"} & set(modules)
