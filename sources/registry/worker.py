"""The process of an isolated validator: `python -m sources.registry.worker`.

It reads a request from standard input: `url`, `folder`, and `path` of a file to check. Without a
`path`, it describes the validator. It writes the JSON lines of `sources.programs.reports`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sources.base import SourceError, Verdict
from sources.programs.reports import json_line
from sources.registry.urls import open_source
from sources.rules import report_mistake
from sources.rules.describe import describe

if TYPE_CHECKING:
    from sources.base import CommandValidator

ARTIFACT = "artifact"


def about(validator: CommandValidator) -> dict[str, Any]:
    """What the server must know of the validator."""
    dictionary = getattr(validator, "dictionary", None)
    suffixes = getattr(validator, "suffixes", None)
    return {
        "steps": [{"name": step.name, "title": step.title} for step in validator.steps],
        "simulated": bool(getattr(validator, "simulated", False)),
        "max_bytes": getattr(validator, "max_bytes", None),
        "suffixes": None if suffixes is None else list(suffixes),
        "dictionary": dictionary
        and {"name": str(dictionary.name), "sha256": str(dictionary.sha256)},
    }


async def run(request: dict[str, str], output: TextIO) -> None:
    """Describe the validator, or check a file."""
    folder = request.get("folder")
    validator = open_source(
        "commands", request["url"], folder=None if folder is None else Path(folder)
    )
    async with AsyncExitStack() as stack:
        if hasattr(validator, "__aenter__"):
            entered: Any = validator
            await stack.enter_async_context(entered)
        if "path" not in request:
            print(json.dumps(about(validator)), file=output, flush=True)
            return
        async for report in validator.validate(Path(request["path"])):
            if mistake := report_mistake(report):
                raise SourceError(f"the validator made a mistake: {mistake.text}")
            artifact = None
            if isinstance(report, Verdict) and report.artifact is not None:
                Path(ARTIFACT).write_bytes(report.artifact)  # noqa: ASYNC240 # a process of its own
                artifact = ARTIFACT
            print(json_line(report, artifact), file=output, flush=True)


def main() -> int:
    """Serve one request; return the exit status."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the validator prints is not a report
    try:
        asyncio.run(run(json.load(sys.stdin), output))
    except SourceError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    except BaseException as exc:  # any exception, SystemExit included: the code is not ours
        sys.stderr.write(f"the check itself failed, not the file: {describe(exc)}\n")
        return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # threads that the validator has left must not hold the process
