"""One upload of a command file: its state, and the topic of its events."""

from __future__ import annotations

import secrets
import sys
import unicodedata
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from time import time
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event

from rover.commands.entry import Artifact, Entry
from rover.commands.records import (
    FINDING,
    SavedUpload,
    UploadEvent,
    saved_findings,
    upload_store,
)
from rover.commands.steps import Steps
from rover.errors import LogDamaged
from rover.topic import EventId, Topic
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rover.commands.inbox import CommandFile
    from rover.logs.base import Log
    from sources.base import Finding, Progress, Step, Verdict

MAX_EVENTS = 1_000
MAX_EVENT_BYTES = 256 * 2**10
"""Maximum size of the retained events: a check may have a finding for each line of a long file."""

MAX_FINDINGS = 10_000
"""Maximum number of findings of an upload. The rest is counted."""

MAX_FINDING_BYTES = 4 * 2**20
"""Maximum size of the findings of an upload, as JSON. The rest is counted."""

MAX_TEXT_CHARACTERS = 2_000
"""Longer texts of a validator are truncated."""

MAX_NAME_CHARACTERS = 255


class Status(StrEnum):
    """The status of an upload. The last three are final."""

    UPLOADING = "UPLOADING"
    VALIDATING = "VALIDATING"
    COMPLETE = "COMPLETE"  # accepted, and stored on disk
    REJECTED = "REJECTED"  # the check found errors
    FAILED = "FAILED"  # the upload or the check failed, so the file may be good or bad


class Upload:
    """One upload of a command file.

    Its topic begins with `UPLOADING`, ends with `COMPLETE`, `REJECTED` or `FAILED`, and is then
    closed.

    Args:
        name: the file's name as the client sent it; any string.
        size: bytes of the file, if the client stated it.
        steps: the steps of the check.
        notify: called with the topic after each event; see `rover.topic.Topic`.
        on_finish: called after the last event.
        by: the name of the person who sends the file; empty if unknown.
        upload_id: chosen by the client, or of an upload from before a restart. By default, one
            that cannot be guessed.
        log: keeps the events; `None` if a restart may forget them.
        client: who sends the file, for the share of the limits; `None` is this program.

    Attributes:
        id: names the upload in URLs.
        by: the name of the person who sends the file; empty if unknown.
        client: who sends the file.
        number: counts the uploads of this data folder.
        began: POSIX seconds.
        ended: POSIX seconds; `None` before the end.
        sha256: of the file, in lower-case hex; empty before all of it has arrived.
        validator: which validator and dictionary check the file, as clients see it.
        verdict: the verdict of the check, as clients see it; `None` before it.
        artifact: the compiled product; `None` without one.
        omitted: number of findings that are counted only.
        name: the file's name, safe to show.
        size: bytes of the file. Until all have arrived: the stated size, or `None`.
        received: bytes that have arrived.
        max_bytes: maximum size of the file.
        status: the current status.
        report: the newest event with a status, as clients receive it.
        topic: all events, encoded for clients.
        finished: set after the last event.
        file: the file on disk, once the first bytes are written.
        receiving: cancelled to stop receiving.
        request: set when no request sends the file; `None` before the first one.
        is_resumable: whether the file may arrive in several requests.
        is_cancelled: whether a client has cancelled the upload.
        touched: POSIX seconds of the end of the newest request of a resumable upload.
        checking: cancelled to stop the check.
        is_concluding: whether the verdict is known, so that the upload cannot be cancelled.
        steps: the states of the steps of the check.
    """

    def __init__(
        self,
        name: str,
        size: int | None,
        steps: Sequence[Step],
        notify: Callable[[Topic[Any, Any]], None] | None = None,
        on_finish: Callable[[], None] = lambda: None,
        by: str = "",
        upload_id: str = "",
        log: Log | None = None,
        client: str | None = None,
    ) -> None:
        self.by = by
        self.client = client
        self.began: float | None = time()
        self.ended: float | None = None
        self.sha256 = ""
        self.validator: Mapping[str, Any] = {}
        self.verdict: Mapping[str, Any] | None = None
        self.artifact: Artifact | None = None
        self.omitted = 0
        self.max_bytes = sys.maxsize
        self.is_concluding = self.is_resumable = self.is_cancelled = False
        self.touched: float | None = None
        self.request: Event | None = None
        self.id = upload_id or secrets.token_urlsafe(16)
        self.name = display_name(name)
        self.size = size
        self.received = 0
        self.number = 0
        self.status = Status.UPLOADING
        self.report: dict[str, Any] = {}
        self.topic: Topic[UploadEvent, bytes] = Topic(
            _encode,
            size=len,
            max_events=MAX_EVENTS,
            max_bytes=MAX_EVENT_BYTES,
            notify=notify,
            store=None if log is None else upload_store(log, self.id),
        )
        self._is_loaded = True
        self.finished = Event()
        self.file: CommandFile | None = None
        self.receiving = CancelScope()
        self.checking = CancelScope()
        self.steps = Steps(steps)
        self.on_finish = on_finish
        self._log = log
        self._fraction = 0.0
        self._findings = self._finding_bytes = 0

    def restore(self, saved: SavedUpload) -> None:
        """Take over what the log holds of an upload from before a restart."""
        self.number = saved.number
        self.received = saved.received
        self.began, self.ended = saved.began, saved.ended
        self.sha256 = saved.sha256 or str(saved.report.get("sha256") or "")
        self.validator = saved.validator or {}
        self.verdict = saved.verdict
        self.artifact = Artifact.parse(saved.artifact)
        self.omitted = saved.omitted
        self.is_resumable, self.touched = saved.resumable, saved.touched
        self.report = dict(saved.report)
        self.status = Status(saved.report.get("status", Status.FAILED))
        self._is_loaded = False
        if saved.finished:
            self.finished.set()
            self.topic.closed = True

    def saved(self) -> SavedUpload:
        """What a restart needs to know."""
        return SavedUpload(
            number=self.number,
            name=self.name,
            size=self.size,
            received=self.received,
            finished=self.finished.is_set(),
            report=self.report,
            by=self.by,
            began=self.began,
            ended=self.ended,
            sha256=self.sha256,
            validator=self.validator,
            verdict=self.verdict,
            artifact=None if self.artifact is None else self.artifact.as_json(),
            omitted=self.omitted,
            resumable=self.is_resumable,
            touched=self.touched,
        )

    @property
    def is_partial(self) -> bool:
        """Whether it is a resumable upload whose file has not arrived completely."""
        return self.is_resumable and self.status is Status.UPLOADING

    @property
    def entry(self) -> Entry:
        """The upload as lists show it."""
        return replace(Entry.of(self.id, self.saved()), status=str(self.status))

    async def wait_reported(self) -> None:
        """Return when the last event is released: its record survives a power cut."""
        with self.topic.subscribe() as subscriber:
            async for _ in subscriber:
                pass

    async def load(self) -> None:
        """Load the events from before a restart; call it before a subscriber is made."""
        if not self._is_loaded:
            self._is_loaded = True
            with suppress(LogDamaged):
                await self.topic.load()

    async def as_json(self) -> dict[str, Any]:
        """The whole report: the file, who sent it, the validator, the steps, and all findings.

        Raises:
            LogDamaged: the findings cannot be read.
        """
        verdict = self.verdict or {}
        return {
            **self.entry.as_json(),
            "validator": self.validator or None,
            "steps": self.steps.plan(states=True) or self.report.get("plan", []),
            "findings": [] if self._log is None else await saved_findings(self._log, self.id),
            "omitted": self.omitted,
            "summary": verdict.get("summary") or self.report.get("summary") or {},
        }

    def publish_received(self, detail: str) -> None:
        """Publish the number of received bytes, and the steps that will follow."""
        self._publish(
            Status.UPLOADING,
            detail,
            id=self.id,
            name=self.name,
            received=self.received,
            size=self.size,
            plan=self.steps.plan(),
        )

    def publish_waiting(self, position: int) -> None:
        """Publish that other checks run first. `position` counts from 1, which is the next."""
        self._publish_step(
            self.steps.first, f"waiting for other checks: position {position}", position=position
        )

    def publish_progress(self, progress: Progress, lines_per_s: float | None = None) -> None:
        """Publish the progress of the check. `index` counts steps from 1 to `steps`."""
        self._fraction = min(max(progress.fraction, 0.0), 1.0)
        lines: dict[str, Any] = {}
        if progress.line is not None:
            lines = {"line": progress.line, "lines": progress.lines, "lines_per_s": lines_per_s}
        self._publish_step(progress.step, progress.detail, **lines)

    def publish_ended_steps(self) -> None:
        """Publish the result of each step that has ended since the last call."""
        for name in self.steps.take_ended():
            self._publish_step(name, self.steps.detail(name))

    def _publish_step(self, name: str, detail: str, **more: Any) -> None:
        self._publish(
            Status.VALIDATING,
            truncate(detail),
            step=name,
            title=self.steps.title(name),
            index=self.steps.number(name),
            steps=len(self.steps),
            state=self.steps.state(name),
            fraction=self._fraction,
            **more,
        )

    def publish_finding(self, finding: Finding) -> None:
        """Publish a finding of the check; findings beyond the limits are counted only."""
        fields = {
            "severity": finding.severity,
            "code": finding.code,
            "message": truncate(finding.message),
            "line": finding.line,
            "column": finding.column,
            "hint": truncate(finding.hint),
            "step": finding.step,
        }
        self._findings += 1
        self._finding_bytes += len(dumps(fields))
        if self._findings > MAX_FINDINGS or self._finding_bytes > MAX_FINDING_BYTES:
            self.omitted += 1
        else:
            self.topic.publish((FINDING, fields))

    def conclude(self, verdict: Verdict, artifact: Artifact | None) -> None:
        """Record the verdict. `publish_verdict` publishes it."""
        self.artifact = artifact
        self.verdict = {
            "accepted": verdict.accepted,
            "detail": truncate(verdict.detail),
            "errors": verdict.errors,
            "warnings": verdict.warnings,
            "summary": dict(verdict.summary),
        }
        self.steps.end(accepted=verdict.accepted)
        self.report = {**self.report, "plan": self.steps.plan(states=True)}

    def publish_verdict(self, *, recovered: bool = False) -> None:
        """Publish the results of the last steps and of the check, and finish the upload.

        Args:
            recovered: whether the server was restarted between the verdict and this call.
        """
        verdict = dict(self.verdict or {})
        if recovered:
            plan = self.report.get("plan", [])
        else:
            self.publish_ended_steps()
            plan = self.steps.plan(states=True)
        accepted, detail = verdict.pop("accepted"), verdict.pop("detail")
        self._publish(
            Status.COMPLETE if accepted else Status.REJECTED,
            detail,
            id=self.id,
            name=self.name,
            sha256=self.sha256,
            size=self.size,
            **verdict,
            plan=plan,
            **({"artifact": self.artifact.as_json()} if self.artifact else {}),
            **({"omitted": self.omitted} if self.omitted else {}),
            **({"recovered": True} if recovered else {}),
        )
        self._finish()

    def publish_failure(self, detail: str, *, cancelled: bool = False) -> None:
        """Publish that the upload failed, or was cancelled, and finish it."""
        self.steps.fail()
        if self.status is Status.VALIDATING:
            self.publish_ended_steps()
        plan = self.steps.plan(states=True) or self.report.get("plan", [])
        more = {"cancelled": True} if cancelled else {}
        self.verdict = self.artifact = None  # a file that was not stored is not accepted
        self._publish(Status.FAILED, truncate(detail), id=self.id, plan=plan, **more)
        self._finish()

    def _publish(self, status: Status, detail: str, **fields: Any) -> None:
        self.status = status
        self.report = {"status": status, "detail": detail, **fields}
        if self.by and "id" in fields:
            self.report["by"] = self.by
        self.topic.publish((None, self.report))

    def _finish(self) -> None:
        self.ended = time()
        self.topic.close()
        self.finished.set()
        self.on_finish()


def display_name(name: str) -> str:
    """A file's name, safe to show and to log: one line, no path, no control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if c == " " or unicodedata.category(c)[0] not in "CZ")
    return shown.strip()[:MAX_NAME_CHARACTERS] or "unnamed"


def truncate(text: str) -> str:
    """The text, truncated to `MAX_TEXT_CHARACTERS`."""
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"


def _encode(event_id: EventId, event: UploadEvent) -> bytes:
    name, fields = event
    return sse(dumps(fields), event=name, event_id=event_id)
