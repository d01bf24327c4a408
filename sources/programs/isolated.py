"""A validator in a process of its own, whatever it does: `module:factory?isolate=1`."""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self

from sources.base import CommandDictionary, SourceError, Step
from sources.programs.check import check_with, working_folder
from sources.programs.process import Process, ProcessLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from sources.base import Finding, Progress, Verdict

NAME = "the isolated validator"

DESCRIBE_TIMEOUT_S = 30.0
"""Seconds in which the validator must state its steps."""


def describe_validator(validator: Any) -> dict[str, Any]:
    """What the server must know of a validator, as JSON."""
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


class IsolatedValidator:
    """Runs each check of a validator in a process group of its own.

    It is killed as a whole when the check ends, is cancelled or takes too long. Enter it before
    its first use.

    Args:
        worker: the command that runs the validator, as `sources.registry.worker`.
        request: what names the validator, for the worker.
        limits: what a check may use.
        environment: variables for the worker.
        about: what `describe_validator` returns for it; by default, the worker is asked.

    Raises:
        SourceError: on entering, the validator cannot be made, or states no steps.
    """

    def __init__(
        self,
        worker: Sequence[str],
        request: Mapping[str, str],
        limits: ProcessLimits,
        environment: Mapping[str, str],
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._worker = worker
        self._request = request
        self._limits = limits
        self._environment = environment
        self.steps: Sequence[Step] = ()
        self.simulated = False
        self._about: Mapping[str, Any] = {}
        if about is not None:
            self._learn(about)

    async def __aenter__(self) -> Self:
        """Learn the steps and the limits of the validator."""
        if not self._about:
            self._learn(await self._describe())
        return self

    def _learn(self, about: Mapping[str, Any]) -> None:
        self._about = about
        try:
            self.steps = tuple(Step(one["name"], one["title"]) for one in about["steps"])
            self.simulated = about["simulated"] is True
            for name in ("max_bytes", "suffixes"):
                if about.get(name) is not None:
                    setattr(self, name, about[name])
            if (dictionary := about.get("dictionary")) is not None:
                self.dictionary = CommandDictionary(dictionary["name"], dictionary["sha256"])
        except (LookupError, TypeError) as exc:
            raise SourceError("the isolated validator cannot be described") from exc

    async def __aexit__(self, *_: object) -> None:
        """Each check has ended with its process."""

    async def _describe(self) -> dict[str, Any]:
        limits = ProcessLimits(DESCRIBE_TIMEOUT_S, self._limits.memory_bytes)
        about, last = None, ""
        async with working_folder() as folder:
            process = Process(NAME, self._worker, limits, folder, self._environment)
            async with aclosing(process.lines(self._stdin())) as lines:
                async for line in lines:
                    if line.is_error:
                        last = line.text.strip() or last
                    elif line.text.startswith("{"):
                        about = json.loads(line.text)
        if process.status or not isinstance(about, dict):
            raise SourceError(last or "the isolated validator ended without its steps")
        return about

    def _stdin(self, path: Path | None = None) -> bytes:
        request: dict[str, Any] = dict(self._request)
        if path is not None:
            request["path"] = str(path.absolute())
            request["dictionary"] = self._about.get("dictionary")
        return json.dumps(request).encode()

    async def validate(self, path: Path) -> AsyncIterator[Progress | Finding | Verdict]:
        """Check a file; see `CommandValidator`."""
        reports = check_with(
            NAME,
            lambda _: self._worker,
            path,
            self._limits,
            step="",
            stdin=self._stdin(path),
            environment=self._environment,
            is_worker=True,
        )
        async with aclosing(reports):
            async for report in reports:
                yield report
