"""The process of an isolated validator: `python -m sources.registry.worker`.

It reads a request from standard input: `url`, `folder`, `path` of a file to check, and the
`dictionary` to check it against. Without a `path`, it describes the validator. It writes the JSON
lines of `sources.programs.reports`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TextIO

from sources.base import SourceError, Verdict
from sources.programs.isolated import describe_validator
from sources.programs.reports import json_line
from sources.registry.urls import open_source
from sources.rules import report_mistake
from sources.rules.describe import describe

ARTIFACT = "artifact"


async def run(request: dict[str, Any], output: TextIO) -> None:
    """Describe the validator, or check a file."""
    folder, here = request.get("folder"), Path.cwd()
    validator = open_source(
        "commands", request["url"], folder=None if folder is None else Path(folder)
    )
    async with AsyncExitStack() as stack:
        if hasattr(validator, "__aenter__"):
            entered: Any = validator
            await stack.enter_async_context(entered)
        if "path" not in request:
            print(json.dumps(describe_validator(validator)), file=output, flush=True)
            return
        expected = request.get("dictionary")
        if expected is not None and describe_validator(validator)["dictionary"] != expected:
            raise SourceError("the dictionary has changed since the server started; restart it")
        async for report in validator.validate(Path(request["path"])):
            if mistake := report_mistake(report):
                raise SourceError(f"the validator made a mistake: {mistake.text}")
            artifact = None
            if isinstance(report, Verdict) and report.artifact is not None:
                if isinstance(report.artifact, Path):
                    shutil.copyfile(report.artifact, here / ARTIFACT)
                else:
                    (here / ARTIFACT).write_bytes(report.artifact)
                artifact = ARTIFACT
            print(json_line(report, artifact), file=output, flush=True)


def main() -> int:
    """Serve one request; return the exit status."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the validator's own output is not a report
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
