"""Counts the findings of a check, limits how many are reported, and makes the verdict of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sources.base import Finding, Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MAX_FINDINGS = 1_000
"""Maximum number of findings that a check reports. Further findings are only counted."""

WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


class Tally:
    """The findings of one check."""

    def __init__(self) -> None:
        self._found: Counter[Severity] = Counter()

    @property
    def errors(self) -> int:
        """Number of findings that reject the file."""
        return self._found[Severity.ERROR]

    def reported(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Count the findings, and yield those within the limit."""
        for finding in findings:
            self._found[finding.severity] += 1
            if self._found.total() <= MAX_FINDINGS:
                yield finding

    def count(self, severity: Severity, number: int) -> None:
        """Count further findings."""
        self._found[severity] += number

    def conclusion(
        self,
        accepted_detail: str,
        summary: Mapping[str, str | int | float | bool | None],
        artifact: bytes | Path | None = None,
        artifact_type: str = "application/octet-stream",
    ) -> Iterator[Finding | Verdict]:
        """Yield a finding about those that were only counted, if there are any, and the verdict.

        Args:
            accepted_detail: one line for people about an accepted file.
            summary: figures of interest.
            artifact: the compiled product of an accepted file.
            artifact_type: its media type.
        """
        if (hidden := self._found.total() - MAX_FINDINGS) > 0:
            message = f"{hidden:,} more findings are not shown"
            hint = "correct those above first"
            yield Finding(Severity.INFO, "file.more", message, hint=hint)
        accepted = not self.errors
        yield Verdict(
            accepted=accepted,
            errors=self.errors,
            warnings=self._found[Severity.WARNING],
            detail=f"accepted: {accepted_detail}" if accepted else f"rejected: {self._counts()}",
            summary=summary,
            artifact=artifact if accepted else None,
            artifact_type=artifact_type,
        )

    def _counts(self) -> str:
        """The counts for people: `2 errors, 1 warning`."""
        return ", ".join(
            f"{count:,} {WORDS[kind]}{'s' * (count != 1)}"
            for kind in Severity
            if (count := self._found[kind])
        )
