"""`Commands` with a scripted validator, for tests of command files."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import Event, create_task_group, fail_after

from rover.commands import Commands
from rover.flush import Flusher
from rover.settings import Settings
from sources.base import Finding, Progress, Step, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rover.commands.upload import Upload
    from sources.base import CommandValidator

ACCEPTED = Verdict(True, 0, 1, "may be sent", {"commands": 2})
REJECTED = Verdict(False, 1, 0, "may not be sent")
FILE = b"DRIVE 10\nTURN 90\n"
SHA256 = sha256(FILE).hexdigest()
STORED = f"commands/{SHA256}"


class Script:
    """A validator that yields the given items. It raises exceptions and waits for events."""

    steps: Sequence[Step] = (Step("syntax", "Syntax"), Step("power", "Power budget"))

    def __init__(self, *items: Any) -> None:
        self.items = items
        self.checked: list[bytes] = []
        self.closed = 0

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        self.checked.append(path.read_bytes())  # noqa: ASYNC240 # a small file
        try:
            for item in self.items:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, Event):
                    await item.wait()
                else:
                    yield item
        finally:
            self.closed += 1


class Ticks:
    """A clock that advances by a step at each call."""

    def __init__(self, step_s: float) -> None:
        self._now = 0.0
        self._step_s = step_s

    def __call__(self) -> float:
        self._now += self._step_s
        return self._now


@asynccontextmanager
async def running(
    tmp_path: Path,
    *items: Any,
    validator: CommandValidator | None = None,
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Commands]:
    """Running `Commands` whose validator yields the items. With a `log`, it keeps the uploads."""
    settings = Settings(data_dir=tmp_path / "data", **(limits or {}))
    flusher = Flusher(15.0, log=options["log"]) if "log" in options else None
    if flusher is not None:
        options["notify"] = flusher.mark
    commands = Commands(validator or Script(*items), settings, **options)
    async with create_task_group() as tasks:
        if flusher is not None:
            tasks.start_soon(flusher.run)
        await tasks.start(lambda *, task_status: commands.run(task_status=task_status))
        yield commands
        tasks.cancel_scope.cancel()


async def chunks(*pieces: Any) -> AsyncIterator[bytes]:
    """The chunks of a file. It raises exceptions and waits for events."""
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        if isinstance(piece, Event):
            await piece.wait()
        else:
            yield piece


async def uploaded(commands: Commands, *pieces: Any, name: str = "sol-42.seq") -> Upload:
    """A finished upload."""
    upload = commands.intake.begin(name, None)
    await commands.receive(upload, chunks(*pieces or [FILE]))
    with fail_after(5):
        await upload.finished.wait()
    return upload


def events(upload: Upload) -> list[dict[str, Any]]:
    """The retained events. All but findings have a `status`."""
    found = []
    for frame in upload.topic.retained():
        fields = dict(line.split(": ", 1) for line in frame.decode().splitlines() if line)
        data = json.loads(fields["data"])
        assert fields.get("event") == (None if "status" in data else "finding")
        found.append(data)
    return found


def with_status(upload: Upload, status: str) -> list[dict[str, Any]]:
    """The retained events with that status."""
    return [event for event in events(upload) if event.get("status") == status]


def files_of(commands: Commands) -> list[str]:
    """The files on disk, such as `incoming/…` or `commands/…`."""
    folders = (commands.inbox.incoming, commands.inbox.accepted)
    return [f"{folder.name}/{path.name}" for folder in folders for path in folder.iterdir()]


def open_files() -> int:
    """Number of file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
