"""The machine: the cores of server and load generator, the limit of open files, its description."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("starlette", "uvicorn", "uvloop", "httptools", "anyio", "sse-starlette", "fastapi")

SPARE_FILES = 200
"""Open files that a server may need in addition to its connections."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of each process.

    Attributes:
        server: core of the measured server; `None` if there is only one core.
        load: core of the load generator and of every other process; `None` if there is only one.
        description: the choice in words.
    """

    server: int | None
    load: int | None
    description: str


def choose_cores() -> Cores:
    """Choose two cores that this process may use, if possible of different physical cores."""
    usable = sorted(os.sched_getaffinity(0))
    server = usable[0]
    if len(usable) == 1:
        return Cores(None, None, "server and load share the only core: latencies include the load")
    siblings = _threads_of_one_core(server)
    apart = [core for core in usable if core not in siblings]
    load = apart[0] if apart else usable[1]
    note = "" if apart else ", two threads of one physical core"
    return Cores(server, load, f"server on core {server}, load on core {load}{note}")


def _threads_of_one_core(core: int) -> set[int]:
    listed = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    if not listed.exists():
        return {core}
    threads: set[int] = set()
    for span in listed.read_text().strip().split(","):
        first, _, last = span.partition("-")
        threads.update(range(int(first), int(last or first) + 1))
    return threads


def raise_file_limit() -> int:
    """Raise the limit of open files to its maximum; return the number of readers it allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_FILES


def facts(cores: Cores) -> dict[str, str]:
    """Describe this machine, as needed to compare figures from different machines."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "pinning": cores.description,
        "system": f"{platform.system()} {platform.release()}",
        "load average": f"{os.getloadavg()[0]:.1f} before the first run",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(_versions()),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {name}")
    return found
