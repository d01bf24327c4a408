"""The speed of `fprime:` against `fprime-seqgen`: both check and compile the same 100,000 lines.

Each runs as a process of its own, from its start to its end. `make fprime` installs the tool.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINES = 100_000

MIN_RATIO = 30.0
"""Goal: how many times as many lines per second of CPU time."""

SEQGEN = Path(__file__).parent.parent / ".cache/fprime/bin/fprime-seqgen"

TYPES: dict[str, dict[str, Any]] = {
    "c.NO_OP": {},
    "c.INT": {"value": {"name": "I32"}},
    "c.FLOAT": {"value": {"name": "F32"}},
    "c.TEXT": {"text": {"name": "string", "size": 40}},
    "c.THREE": {"values": {"name": "Three"}},
}
"""The commands, with the types of their parameters."""

EMPTY = ("events", "telemetryChannels", "constants", "telemetryPacketSets", "records", "containers")
"""Further parts that the tool requires of a dictionary."""


def main() -> int:
    """Print the lines per second of both; return 1 if the goal is not reached."""
    if not SEQGEN.exists():
        print(f"bench: {SEQGEN} is missing: run `make fprime`", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="rover-bench-") as name:
        folder = Path(name)
        definitions, sequence = folder / "dictionary.json", folder / "bench.seq"
        definitions.write_text(json.dumps(dictionary()))
        sequence.write_text("".join(lines(Random(7), LINES)))
        url = f"fprime:{definitions}?isolate=0"
        request = json.dumps({"url": url, "folder": name, "path": str(sequence)}).encode()
        rover = _measure([sys.executable, "-m", "sources.registry.worker"], folder, request)
        tool = [str(SEQGEN), "--dictionary", str(definitions), str(sequence), str(folder / "a.bin")]
        seqgen = _measure(tool, folder)
        same = (folder / "artifact").read_bytes() == (folder / "a.bin").read_bytes()
    print("| 100,000 lines of F Prime | lines/s of CPU | lines/s |\n| --- | --: | --: |")
    for title, (cpu_s, wall_s) in (("`fprime:`", rover), ("`fprime-seqgen`", seqgen)):
        print(f"| {title} | {LINES / cpu_s:,.0f} | {LINES / wall_s:,.0f} |")
    ratio = seqgen[0] / rover[0]
    print(f"\n{ratio:.1f} times as fast (goal: {MIN_RATIO:g}); the products are the same: {same}")
    return 0 if ratio >= MIN_RATIO and same else 1


def _measure(command: list[str], folder: Path, stdin: bytes = b"") -> tuple[float, float]:
    """Seconds of CPU time and of real time of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), monotonic()
    subprocess.run(command, cwd=folder, input=stdin, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, monotonic() - start


def dictionary() -> dict[str, Any]:
    """The dictionary of the commands in `lines`."""
    commands = [
        {
            "name": name,
            "commandKind": "async",
            "opcode": opcode,
            "formalParams": [{"name": key, "type": type_} for key, type_ in parameters.items()],
        }
        for opcode, (name, parameters) in enumerate(TYPES.items(), 1)
    ]
    three = {"kind": "array", "qualifiedName": "Three", "size": 3, "elementType": {"name": "I32"}}
    metadata = {"deploymentName": "bench", "projectVersion": "1", "frameworkVersion": "1"}
    parts: dict[str, Any] = {name: [] for name in EMPTY}
    return {**parts, "metadata": metadata, "typeDefinitions": [three], "commands": commands}


def lines(chosen: Random, count: int) -> Iterator[str]:
    """Yield the lines of a valid sequence."""
    arguments: dict[str, Callable[[], str]] = {
        "c.NO_OP": lambda: "",
        "c.INT": lambda: f" {chosen.randrange(-(10**9), 10**9)}",
        "c.FLOAT": lambda: f" {chosen.uniform(-100, 100):.4f}",
        "c.TEXT": lambda: f' "number {chosen.randrange(10**6)}" ; a comment',
        "c.THREE": lambda: f" [{chosen.randrange(100)}, -2, 3]",
    }
    names = list(arguments)
    for number in range(count):
        name = names[number % len(names)]
        time = f"R00:00:{chosen.randrange(60):02}.{chosen.randrange(1000):03}"
        yield f"{time} {name}{arguments[name]()}\n"
