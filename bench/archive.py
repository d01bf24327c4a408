"""The archive of telemetry: cost of storing, bytes per sample, and the time of queries.

The mission has 10 samples per second. It is synthesized once for one parameter, whose chunks are
copied for the others, so all of them are read and decoded as usual.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from rover.archive.levels import CHUNK
from rover.archive.packed import Packed
from rover.archive.parameters import Parameters
from rover.archive.points import SCALAR, Points
from rover.archive.store import Store
from rover.archive.table import table_of
from rover.checksum import checksum
from rover.telemetry.history import ARCHIVE_SAMPLES, History
from sources.base import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

PARAMETERS = 14
STORED_SAMPLES = 200 * CHUNK
START = 1_790_000_000.0
RATE_HZ = 10
YEAR_S = 365 * 86_400
QUERIES = 60
MAX_POINTS = 1000
CHUNKS_AT_ONCE = 64

COPY_CHUNKS = """
INSERT INTO chunk
SELECT NULL, ?1, level, first, last, points, open, stored, times, own_times, parts, late,
    chunk.data,
    chunk_sum(?1, level, first, last, points, open, stored, ifnull(own_times, times.data),
        CAST(parts AS BLOB), late, chunk.data)
FROM chunk LEFT JOIN times ON times.id = chunk.times WHERE parameter = ?2
"""

TARGETS = {"CPU µs per sample": 5.0, "bytes per sample": 70.0, "p95 ms of a query": 50.0}


def main(argv: Sequence[str]) -> int:
    """Measure, print, and return 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench archive", description=__doc__)
    parser.add_argument(
        "--days", type=float, default=30, help="length of the mission (%(default)s)"
    )
    days = parser.parse_args(argv).days
    with tempfile.TemporaryDirectory(prefix="rover-archive-") as folder:
        cost_us, sample_bytes = storing(Path(folder) / "storing.db")
        p95_ms = querying(Path(folder) / "year.db", days * 86_400)
    missed = False
    for (name, at_most), value in zip(
        TARGETS.items(), (cost_us, sample_bytes, p95_ms), strict=True
    ):
        missed |= value > at_most
        verdict = "missed" if value > at_most else "met"
        print(f"{verdict}: {name}: {value:.1f} (at most {at_most:g})")
    return int(missed)


def storing(path: Path) -> tuple[float, float]:
    """CPU in µs and bytes of the file for each sample of all parameters."""
    database(path).close()
    history = History(path=path)
    values = np.round(
        20 + np.cumsum(np.random.default_rng(1).normal(0, 0.05, (STORED_SAMPLES, PARAMETERS)), 0), 3
    )
    cost_s = 0.0
    for first in range(0, STORED_SAMPLES, ARCHIVE_SAMPLES):
        for row in range(first, first + ARCHIVE_SAMPLES):
            sample = dict(
                zip((f"p{n}" for n in range(PARAMETERS)), values[row].tolist(), strict=True)
            )
            history.add(Sample(round(START + row / RATE_HZ, 3), sample))
        began = process_time()
        history.archive()
        cost_s += process_time() - began
    history.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return cost_s / STORED_SAMPLES * 1e6, path.stat().st_size / STORED_SAMPLES


def querying(path: Path, duration_s: float) -> float:
    """The 95th percentile in ms of queries of spans of random lengths and places."""
    synthesize(path, duration_s)
    history = History(path=path)
    names = [f"p{n}" for n in range(PARAMETERS)]
    chosen = random.Random(1)
    times = []
    for _ in range(QUERIES):
        length_s = duration_s ** chosen.uniform(0.3, 1.0)
        since = START + chosen.uniform(0, duration_s - length_s)
        began = perf_counter()
        excerpt = history.load(since, since + length_s, names, MAX_POINTS)
        table_of(excerpt, MAX_POINTS).as_columns()
        times.append((perf_counter() - began) * 1e3)
    history.close()
    times.sort()
    print(f"queries in ms: median {times[QUERIES // 2]:.1f}, longest {times[-1]:.1f}")
    return times[int(0.95 * QUERIES)]


def database(path: Path) -> sqlite3.Connection:
    """A new database file, as the log of a mission makes it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")
    return db


def chunk_sum(*values: Any) -> int:
    """The checksum of a chunk."""
    *facts, times, parts, late, data = values
    return checksum(*facts, *Packed(times, parts, late, data).sums())


def synthesize(path: Path, duration_s: float) -> None:
    """Store samples of that duration, and print how large the file is."""
    db = database(path)
    store = Store(db)
    noise = np.random.default_rng(1)
    rows = CHUNKS_AT_ONCE * CHUNK
    late = np.zeros(rows, bool)
    for first in range(0, int(duration_s * RATE_HZ), rows):
        t = np.round(START + np.arange(first, first + rows) / RATE_HZ, 3)
        values = np.round(20 + np.cumsum(noise.normal(0, 0.05, rows)), 3)
        store.add({"p0": Points(t, late, SCALAR, (values,))}, START)
    db.create_function("chunk_sum", -1, chunk_sum, deterministic=True)
    parameters = Parameters(db)
    (stored,) = parameters.all().values()
    for n in range(1, PARAMETERS):
        id_ = parameters.add(f"p{n}")
        parameters.update(f"p{n}", stored._replace(id=id_))
        db.execute(COPY_CHUNKS, (id_, stored.id))
    db.close()
    size_gib = path.stat().st_size / 2**30
    print(
        f"{duration_s / 86_400:.0f} days, {PARAMETERS} parameters, {RATE_HZ} Hz: {size_gib:.1f} GiB"
    )
