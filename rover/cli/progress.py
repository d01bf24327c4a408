"""A progress bar on standard error."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_BAR_BYTES = 256 * 2**10
"""Size from which a transfer has a progress bar."""


class Bar:
    """A bar that appears with the first progress of a large transfer, if a terminal shows it."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task(label, total=None, visible=False)

    def update(self, done: int, total: int | None) -> None:
        """Show how much is done, in bytes."""
        visible = total is None or total >= MIN_BAR_BYTES
        self._progress.update(self._task, completed=done, total=total, visible=visible)

    def __enter__(self) -> Callable[[int, int | None], None]:
        self._progress.start()
        return self.update

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def progress_bar(label: str) -> AbstractContextManager[Callable[[int, int | None], None]]:
    """A context that yields a function of the bytes done and the total or `None`."""
    if sys.stderr.isatty():
        return Bar(label)
    return nullcontext(lambda *_: None)
