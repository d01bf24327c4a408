"""An environment with asgion, beside the project's own, which cannot have it: it needs Python 3.12.

It has what the project runs on, as `requirements.lock` pins it, and is made once for each lock and
kept in `.cache`.
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

from tests.serving import ROOT

ASGION = (
    "asgion[cli]==0.6.1"
    " --hash=sha256:58f9538a3d610b1da22f1bd2dc3e36ddb2da8e25d98777d0c676cf408a53fdd1"
    " --hash=sha256:b697477cdf3599a7c02753177834df0da3f8dd1a0fcd2c502ca9299665f07750"
)
PYTHON = ">=3.12,<3.15"  # when a Python is new, compiled packages are not yet there for it

CACHE = ROOT / ".cache"


def asgion_python() -> Path:
    """The Python of an environment that has asgion; or a skip that says what is lacking.

    Raises:
        AssertionError: the environment cannot be made, and not for want of a network; in CI, also
            for that.
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
            with suppress(OSError):  # another run was quicker
                made.rename(home)
    return home / "bin" / "python"


def newer_python() -> Path:
    """A Python that asgion runs on, or a skip; none is ever downloaded."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    path = os.environ["PATH"].split(os.pathsep)
    # pyenv has a command on PATH for every version, and it fails for all but the chosen one
    path = [folder for folder in path if Path(folder) != pyenv / "shims"]
    path += sorted(map(str, pyenv.glob("versions/*/bin")))
    try:
        found = uv("python", "find", "--no-project", PYTHON, path=os.pathsep.join(path))
    except subprocess.CalledProcessError:
        pytest.skip(f"asgion needs a Python {PYTHON}, and none is on PATH, uv's or pyenv's")
    return Path(found)


def make_environment(home: Path, python: Path) -> None:
    """Make it; skips and raises as `asgion_python` does."""
    ours = ["--requirement", "pyproject.toml", "--constraint", "requirements.lock"]
    try:
        uv("venv", "--python", str(python), str(home))
        uv("pip", "install", "--python", str(home), *ours, "--requirement", "-", stdin=ASGION)
    except subprocess.CalledProcessError as exc:
        offline = "UV_OFFLINE" in os.environ or "error sending request" in exc.stderr
        if offline and os.environ.get("CI") != "true":
            pytest.skip("asgion is not installed yet, and there is no network to get it from")
        raise AssertionError(exc.stderr) from exc


def uv(*arguments: str, stdin: str = "", path: str | None = None) -> str:
    """What uv answers; a skip if it is not there.

    Raises:
        CalledProcessError: it failed.
    """
    command = shutil.which("uv") or shutil.which("uv", path=ROOT / ".tools" / "bin")
    if command is None:
        pytest.skip("there is no uv; `make` brings it")
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
