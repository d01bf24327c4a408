"""`rover import`: adds recorded files to a mission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rover.cli.connection import FAILED, WRONG_USE, connection_options, report, run_with_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rover.client import Client
    from rover.imports import Imported
    from rover.imports.base import Declare

BATCH_SAMPLES = 4096
"""Number of samples that are stored together in a data folder."""

SENT_SAMPLES = 500
"""Number of samples in one request to a server."""

EPILOG = """\b
Examples:
  rover import drive.mcap --into rover-data
  rover import monday.csv tuesday.csv --into rover-data --time timestamp
  rover import bag.db3 field.bag --into field-test && rover record --from field-test field.rover
  rover import log.jsonl --url http://rover.lab:8000

Formats are CSV, JSON lines, Parquet, MCAP (JSON and ROS messages) and ROS bags. --into needs no
server, and stores values with the times of the file. Without it, samples go to a server with a
push: source. If a file cannot be read to its end, an error says where, and how much was imported.
"""


@click.command("import", epilog=EPILOG)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Data folder that no server uses; created if it does not exist.",
)
@click.option(
    "--time", metavar="COLUMN", help="Column with the time, of a CSV, JSON lines or Parquet."
)
@connection_options
def import_(files: Sequence[Path], into: Path | None, time: str | None, **connection: Any) -> int:
    """Add the samples of recorded files to a mission."""
    for file in files:
        if not file.exists():
            raise click.UsageError(f"{file}: does not exist")
    if into is not None:
        return _into_folder(files, into, time)

    async def run(client: Client) -> int:
        for file in files:
            if status := await _send(client, file, time):
                return status
        return 0

    return run_with_client(run, **connection)


def _into_folder(files: Sequence[Path], into: Path, time: str | None) -> int:
    from rover.errors import ImportFailed, LogDamaged, RoverError
    from rover.imports import FolderImport

    try:
        with FolderImport(into) as folder:
            for file in files:
                done = _Done(file)
                try:
                    for batch in _batches(file, time, BATCH_SAMPLES, folder.declare):
                        folder.add(batch)
                        done.add(batch)
                finally:
                    done.report()
    except (ImportFailed, LogDamaged) as exc:
        report(str(exc))
        return WRONG_USE if isinstance(exc, ImportFailed) else FAILED
    except RoverError as exc:
        report(str(exc))
        return WRONG_USE
    return 0


async def _send(client: Client, file: Path, time: str | None) -> int:
    from rover.errors import RoverError

    done = _Done(file)
    try:
        for batch in _batches(file, time, SENT_SAMPLES, lambda _: None):
            await client.ingest(map(_line, batch))
            done.add(batch)
    except RoverError as exc:
        report(str(exc))
        return WRONG_USE
    finally:
        done.report()
    return 0


class _Done:
    """Counts the samples that are imported of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._count = 0
        self._newest: float | None = None

    def add(self, batch: Sequence[Imported]) -> None:
        self._count += len(batch)
        self._newest = batch[-1].sample.t

    def report(self) -> None:
        """Print how much was imported, and up to which time."""
        from rover.wire import iso

        up_to = "" if self._newest is None else f", up to {iso(self._newest)}"
        report(f"{self._file}: imported {self._count:,} samples{up_to}")


def _batches(file: Path, time: str | None, size: int, declare: Declare) -> Iterator[list[Imported]]:
    """The samples of a file in batches. Before an error, it yields all samples up to it.

    Raises:
        RoverError: the file cannot be read to its end.
    """
    from rover.cli.progress import progress_bar
    from rover.errors import RoverError
    from rover.imports import read_samples

    batch: list[Imported] = []
    total = file.stat().st_size if file.is_file() else None
    error: RoverError | None = None
    samples = read_samples(file, time, declare)
    with progress_bar(file.name) as update:
        while True:
            try:
                one = next(samples, None)
            except RoverError as exc:
                error, one = exc, None
            if one is None:
                break
            if one.sample.values:
                batch.append(one)
            if len(batch) == size:
                yield batch
                batch = []
                update(one.position, total)
        if batch:
            yield batch
    if error is not None:
        raise error


def _line(one: Imported) -> str:
    """A sample as a line for a server."""
    from rover.exports.columns import exact_iso
    from rover.wire import dumps

    values = {
        name: {part: None if n != n else n for part, n in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in one.sample.values.items()
    }
    return dumps({"t": exact_iso(one.sample.t), **values})
