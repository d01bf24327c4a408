"""One upload of a command file, and the topic of its events."""

from __future__ import annotations

import secrets
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any

from rover.commands.names import truncate
from rover.commands.records import FINDING, SENDING, UploadEvent, saved_events, upload_store
from rover.commands.steps import Steps
from rover.commands.upload_state import Status, UploadState
from rover.errors import LogDamaged
from rover.topic import EventId, Topic
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.commands.entry import Artifact
    from rover.commands.records import SavedUpload
    from rover.commands.sending import Sending
    from rover.logs.base import Log
    from sources.base import Finding, Progress, Step, Verdict

MAX_EVENTS = 1_000
MAX_EVENT_BYTES = 256 * 2**10
"""Maximum size of the retained events: a check may have a finding for each line of a long file."""

MAX_FINDINGS = 10_000
"""Maximum number of findings of an upload. The rest is counted."""

MAX_FINDING_BYTES = 4 * 2**20
"""Maximum size of the findings of an upload, as JSON. The rest is counted."""


class Upload(UploadState):
    """One upload of a command file, and the topic of its events.

    The topic begins with `UPLOADING`, ends with `COMPLETE`, `REJECTED` or `FAILED`, and is then
    closed. If the sequence then waits to be sent, `reopen` makes another topic with the same
    events, in which those of its way to the rover follow.

    Args:
        name: the file's name as the client sent it; any string.
        size: bytes of the file, if the client stated it.
        steps: the steps of the check.
        notify: called with the topic after each event; see `rover.topic.Topic`.
        on_finish: called after the verdict.
        by: the name of the person who sends the file; empty if unknown.
        upload_id: chosen by the client, or of an upload from before a restart. By default, one
            that cannot be guessed.
        log: keeps the events; `None` if a restart may forget them.
        client: who sends the file, for the share of the limits; `None` is this program.

    Attributes:
        topic: all events, encoded for clients.
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
        super().__init__(upload_id or secrets.token_urlsafe(16), name, size, by, client)
        self.steps = Steps(steps)
        self.on_finish = on_finish
        self._log = log
        self._notify = notify
        self.topic = self._new_topic()
        self._verdict_topic: Topic[Any, Any] | None = self.topic
        self._is_loaded = True
        self._fraction = 0.0
        self._findings = self._finding_bytes = 0

    def _new_topic(self) -> Topic[UploadEvent, bytes]:
        return Topic(
            _encode,
            size=len,
            max_events=MAX_EVENTS,
            max_bytes=MAX_EVENT_BYTES,
            notify=self._notify,
            store=None if self._log is None else upload_store(self._log, self.id),
        )

    def restore(self, saved: SavedUpload) -> None:
        """Take over what the log holds of an upload from before a restart."""
        super().restore(saved)
        self._is_loaded = False
        self.topic.closed = saved.finished

    async def wait_reported(self) -> None:
        """Return when the verdict is released, or the failure: its record survives a power cut."""
        if self._verdict_topic is not None:
            with self._verdict_topic.subscribe() as subscriber:
                async for _ in subscriber:
                    pass

    @property
    def is_reported(self) -> bool:
        """Whether the verdict, or the failure, is released."""
        return self._verdict_topic is None or self._verdict_topic.ended

    async def reopen(self) -> None:
        """Let events follow the verdict, when that is released."""
        await self.wait_reported()
        self.topic, self._verdict_topic = self._new_topic(), None
        self._is_loaded = False
        await self.load()

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
        findings, timeline = await self._saved(FINDING), await self._timeline()
        verdict = self.verdict or {}
        return {  # without `await`: its parts are of the same moment
            **self.entry.as_json(),
            "validator": self.validator or None,
            "steps": self.steps.plan(states=True) or self.report.get("plan", []),
            "findings": findings,
            "timeline": timeline,
            "omitted": self.omitted,
            "summary": verdict.get("summary") or self.report.get("summary") or {},
        }

    async def _timeline(self) -> list[dict[str, Any]]:
        """All changes of its way to the rover, also those that the log does not have yet."""
        saved = await self._saved(SENDING)
        newest = max((one.get("revision", 0) for one in saved), default=0)
        changes = [dict(fields) for name, fields in self.topic.retained_items() if name == SENDING]
        return [*saved, *[one for one in changes if one.get("revision", 0) > newest]]

    async def _saved(self, kind: str) -> list[dict[str, Any]]:
        return [] if self._log is None else await saved_events(self._log, self.id, kind)

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

    @property
    def has_room(self) -> bool:
        """Whether another finding may be published, and not only counted."""
        return self._findings < MAX_FINDINGS and self._finding_bytes < MAX_FINDING_BYTES

    def publish_finding(self, finding: Finding, text: str | None = None) -> None:
        """Publish a finding of the check; findings beyond the limits are counted only.

        Args:
            finding: the finding.
            text: of its line: the file is deleted unless it is accepted.
        """
        fields = {
            "severity": finding.severity,
            "code": finding.code,
            "message": truncate(finding.message),
            "line": finding.line,
            "column": finding.column,
            "hint": truncate(finding.hint),
            "step": finding.step,
            "text": text,
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
        if cancelled:
            self.steps.cancel()
        else:
            self.steps.fail()
        if self.status is Status.VALIDATING:
            self.publish_ended_steps()
        plan = self.steps.plan(states=True) or self.report.get("plan", [])
        more = {"cancelled": True} if cancelled else {}
        self.verdict = self.artifact = self.sending = (
            None  # a file that was not stored is not accepted
        )
        fields = {"id": self.id, "received": self.received, "plan": plan, **more}
        self._publish(Status.FAILED, truncate(detail), **fields)
        self._finish()

    def publish_sending(self, sending: Sending) -> None:
        """Publish a change of its way to the rover, and close the topic if it is the last one."""
        self.sending = sending
        self.topic.publish((SENDING, {"id": self.id, **sending.as_json()}))
        if not sending.is_open:
            self.topic.close()

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


def _encode(event_id: EventId, event: UploadEvent) -> bytes:
    name, fields = event
    return sse(dumps(fields), event=name, event_id=event_id)
