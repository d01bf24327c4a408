"""The states of the steps of one check."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sources.base import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sources.base import Finding, Progress, Step


class StepState(StrEnum):
    """The state of a step. The last three are final, except that a late error fails a step."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"  # it ran to its end without an error
    FAILED = "failed"  # it found errors, or the check failed while it ran
    SKIPPED = "skipped"  # it did not run, was cancelled, or the validator did not report it


FINAL = {StepState.PASSED, StepState.FAILED, StepState.SKIPPED}


class Steps:
    """Derives the state of each step from the progress and findings of the validator.

    A step begins with its first progress or finding, and ends when another step begins or the check
    ends. A finding without a known step belongs to the step that runs. The only step of a validator
    begins with the check. Of several, a step that never begins is skipped.

    Args:
        steps: of the validator, in order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = {step.name: step for step in steps}
        self._numbers = {step.name: number for number, step in enumerate(steps, 1)}
        self._begun: set[str] = set()
        self._failed: set[str] = set()
        self._reasons: dict[str, str] = {}  # by name of a skipped step
        self._running = ""
        self._ended = self._accepted = False
        self._taken: dict[str, StepState | None] = {}

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def first(self) -> str:
        """The name of the first step; empty without steps."""
        return next(iter(self._steps), "")

    def number(self, name: str) -> int | None:
        """The position of a step, from 1; `None` for an unknown step."""
        return self._numbers.get(name)

    def title(self, name: str) -> str:
        """The title of a step; the name of an unknown step."""
        return self._steps[name].title if name in self._steps else name

    def state(self, name: str) -> StepState | None:
        """The state of a step; `None` for an unknown step."""
        if name not in self._steps:
            return None
        if name == self._running:
            return StepState.RUNNING
        if name in self._failed:
            return StepState.FAILED
        if name in self._reasons:
            return StepState.SKIPPED
        if name in self._begun:
            return StepState.PASSED
        return StepState.SKIPPED if self._ended else StepState.PENDING

    def detail(self, name: str) -> str:
        """One line for people: the result of a step, or why the validator skipped it."""
        result = self._reason(name) if self.state(name) is StepState.SKIPPED else self.state(name)
        return f"{self.title(name)}: {result}"

    def _reason(self, name: str) -> str:
        """Why a step is skipped. In an accepted file, a silent step may have run."""
        silent = "the validator did not report it" if self._accepted else "not run"
        return self._reasons.get(name) or silent

    def plan(self, *, states: bool = False) -> list[dict[str, str]]:
        """The steps in order as clients see them.

        Args:
            states: whether they have their states, and those that are skipped a reason.
        """
        plan = [{"name": name, "title": step.title} for name, step in self._steps.items()]
        for one in plan if states else []:
            name = one["name"]
            one["state"] = str(self.state(name))
            if self.state(name) is StepState.SKIPPED:
                one["detail"] = self._reason(name)
        return plan

    def begin(self) -> None:
        """Record that the check begins."""
        if len(self._steps) == 1:
            self._begin(self.first)
            self._running = self.first

    def record_progress(self, progress: Progress) -> None:
        """Record that a step runs, or that the validator skips it."""
        if progress.step not in self._steps:
            return
        if progress.skipped:
            self._begun.discard(progress.step)
            self._reasons[progress.step] = progress.detail
            self._running = "" if self._running == progress.step else self._running
        else:
            self._begin(progress.step)
            self._running = progress.step

    def record_finding(self, finding: Finding) -> None:
        """Record a finding. It does not end the step that runs."""
        name = finding.step if finding.step in self._steps else self._running
        if name == "":
            return
        self._begin(name)
        if finding.severity is Severity.ERROR:
            self._failed.add(name)

    def end(self, *, accepted: bool) -> None:
        """Record the end of the check.

        If the file is not accepted and no step has errors, the step that runs has failed.
        """
        if not accepted and self._running and not self._failed:
            self._failed.add(self._running)
        self._running, self._ended, self._accepted = "", True, accepted

    def fail(self) -> None:
        """Record that the check failed. So has the step that runs."""
        if self._running:
            self._failed.add(self._running)
        self._running, self._ended = "", True

    def cancel(self) -> None:
        """Record that the check was cancelled. The step that runs has no result but its errors."""
        if self._running and self._running not in self._failed:
            self._begun.discard(self._running)
            self._reasons[self._running] = "cancelled"
        self._running, self._ended = "", True

    def take_ended(self) -> list[str]:
        """The names of the steps that have ended since the last call, in order."""
        before = self._taken
        self._taken = {name: state for name in self._steps if (state := self.state(name)) in FINAL}
        return [name for name, state in self._taken.items() if before.get(name) is not state]

    def _begin(self, name: str) -> None:
        self._begun.add(name)
        self._reasons.pop(name, None)
