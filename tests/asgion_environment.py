"""A Python environment with asgion, which needs Python 3.12, beside the project's own environment.

It has the project's dependencies as `requirements.lock` pins them. `.cache` keeps one environment
for each version of the lock file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.programs import skip_or_fail
from tests.serving import ROOT

ASGION = (
    "asgion[cli]==0.6.1"
    " --hash=sha256:58f9538a3d610b1da22f1bd2dc3e36ddb2da8e25d98777d0c676cf408a53fdd1"
    " --hash=sha256:b697477cdf3599a7c02753177834df0da3f8dd1a0fcd2c502ca9299665f07750"
)
PYTHON = ">=3.12,<3.15"  # a newer Python has no wheels yet

CACHE = ROOT / ".cache"


def asgion_python() -> Path:
    """The Python of an environment that has asgion; skips the test if that cannot be made.

    Raises:
        AssertionError: installing asgion failed although the network works.
    """
    newer = newer_python()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    digest = sha256(f"{newer}\n{ASGION}\n{lock}".encode()).hexdigest()[:12]
    home = CACHE / f"asgion-{digest}"
    if not home.exists():
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder) / "environment"
            make_environment(made, newer)
            with suppress(OSError):  # another run has made it meanwhile
                made.rename(home)
    return home / "bin" / "python"


def newer_python() -> Path:
    """An installed Python that asgion runs on; skips the test without one."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    path = os.environ["PATH"].split(os.pathsep)
    # pyenv's shims exist for every version, and fail for all but the selected one
    path = [folder for folder in path if Path(folder) != pyenv / "shims"]
    path += sorted(map(str, pyenv.glob("versions/*/bin")))
    try:
        found = uv("python", "find", "--no-project", PYTHON, path=os.pathsep.join(path))
    except subprocess.CalledProcessError:
        pytest.skip(f"asgion needs Python {PYTHON}: install it, or run `uv python install 3.13`")
    return Path(found)


def make_environment(home: Path, python: Path) -> None:
    """Make the environment; skips and raises as `asgion_python` does."""
    ours = ["--requirement", "pyproject.toml", "--constraint", "requirements.lock"]
    try:
        uv("venv", "--python", str(python), str(home))
        uv("pip", "install", "--python", str(home), *ours, "--requirement", "-", stdin=ASGION)
    except subprocess.CalledProcessError as exc:
        if "UV_OFFLINE" in os.environ or "error sending request" in exc.stderr:
            skip_or_fail(
                "asgion is not installed and cannot be downloaded: run once with a network"
            )
        raise AssertionError(exc.stderr) from exc


def uv(*arguments: str, stdin: str = "", path: str | None = None) -> str:
    """The output of a uv command; skips the test, or in CI fails it, without uv.

    Raises:
        CalledProcessError: the command failed.
    """
    command = shutil.which("uv") or shutil.which("uv", path=ROOT / ".tools" / "bin")
    if command is None:
        skip_or_fail("uv is not installed: pip install uv")
    ran = subprocess.run(
        [command, *arguments],
        cwd=ROOT,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PATH": path or os.environ["PATH"]},
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()
