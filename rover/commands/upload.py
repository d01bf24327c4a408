"""One command file on its way up: what is known of it, and the topic that tells of it."""

from __future__ import annotations

import secrets
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event

from rover.topic import EventId, Topic
from rover.wire import dumps, sse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rover.commands.inbox import CommandFile
    from sources.base import Finding, Progress, Step, Verdict

TOPIC_EVENTS = 1_000
TOPIC_BYTES = 256 * 2**10
"""What is kept of one upload's events: a check may find fault with every line of a long file."""

TEXT_LENGTH = 2_000
"""Longer texts of a validator are cut."""

NAME_LENGTH = 255


class Status(StrEnum):
    """How far an upload is."""

    UPLOADING = "UPLOADING"
    VALIDATING = "VALIDATING"
    COMPLETE = "COMPLETE"  # accepted, and on disk for good
    REJECTED = "REJECTED"  # the check found errors
    FAILED = "FAILED"  # it did not arrive, or the check broke: nobody knows whether it is good


class Upload:
    """One command file on its way, and what is told of it.

    Its topic begins with `UPLOADING`, ends with `COMPLETE`, `REJECTED` or `FAILED`, and is closed.

    Attributes:
        id: hard to guess; names the upload in URLs.
        name: as its sender calls it, fit to be shown.
        size: bytes of the file; before all of them are here what the sender said, or `None`.
        received: bytes that have come.
        status: how far it is.
        report: the newest event about its status, as clients see it.
        topic: every event, in the bytes that clients get.
        over: set after the last event.
        file: where it lies, once it began to be written.
        receiving: cancelled to break off the receiving.
    """

    def __init__(
        self,
        name: str,
        size: int | None,
        steps: Sequence[Step],
        notify: Callable[[Topic[Any, Any]], None] | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.name = display_name(name)
        self.size = size
        self.received = 0
        self.status = Status.UPLOADING
        self.report: Mapping[str, Any] = {}
        self.topic: Topic[tuple[str | None, Mapping[str, Any]], bytes] = Topic(
            _encode, size=len, max_events=TOPIC_EVENTS, max_bytes=TOPIC_BYTES, notify=notify
        )
        self.over = Event()
        self.file: CommandFile | None = None
        self.receiving = CancelScope()
        self._steps = {step.name: (index, step) for index, step in enumerate(steps, 1)}

    @property
    def first_step(self) -> str:
        """The name of the step that a check begins with; empty if it has none."""
        return next(iter(self._steps), "")

    def tell_received(self, detail: str) -> None:
        """Publish how much has come, and what will be checked."""
        self._tell(
            Status.UPLOADING,
            detail,
            id=self.id,
            name=self.name,
            received=self.received,
            size=self.size,
            plan=[{"name": step.name, "title": step.title} for _, step in self._steps.values()],
        )

    def tell_progress(self, progress: Progress) -> None:
        """Publish how far the check is. Steps are counted from 1: `index` of `steps`."""
        index, step = self._steps.get(progress.step, (None, None))
        self._tell(
            Status.VALIDATING,
            cut(progress.detail),
            step=progress.step,
            title=step.title if step else progress.step,
            index=index,
            steps=len(self._steps),
            fraction=min(max(progress.fraction, 0.0), 1.0),
        )

    def tell_finding(self, finding: Finding) -> None:
        """Publish something that a person should look at."""
        about = {
            "severity": finding.severity,
            "code": finding.code,
            "message": cut(finding.message),
            "line": finding.line,
            "column": finding.column,
            "hint": cut(finding.hint),
            "step": finding.step,
        }
        self.topic.publish(("finding", about))

    def tell_verdict(self, verdict: Verdict, sha256: str) -> None:
        """Publish how the check ended. Nothing follows."""
        self._tell(
            Status.COMPLETE if verdict.accepted else Status.REJECTED,
            cut(verdict.detail),
            id=self.id,
            name=self.name,
            sha256=sha256,
            size=self.size,
            errors=verdict.errors,
            warnings=verdict.warnings,
            summary=dict(verdict.summary),
        )
        self._end()

    def tell_failure(self, detail: str) -> None:
        """Publish that nothing came of it. Nothing follows."""
        self._tell(Status.FAILED, cut(detail), id=self.id)
        self._end()

    def _tell(self, status: Status, detail: str, **facts: Any) -> None:
        self.status = status
        self.report = {"status": status, "detail": detail, **facts}
        self.topic.publish((None, self.report))

    def _end(self) -> None:
        self.topic.close()
        self.over.set()


class Pace:
    """Says when to tell of progress again.

    At most once a period, and ever less often the longer it takes: the telling of an hour's upload
    fits into a socket's buffers, as some senders read nothing before everything is sent.

    Args:
        period_s: the shortest time between two.
        clock: monotonic seconds.
    """

    def __init__(self, period_s: float, clock: Callable[[], float]) -> None:
        self._period_s = period_s
        self._clock = clock
        self._began = self._told = clock()

    def due(self) -> bool:
        """Whether it is time; if so, the next time counts from now."""
        now = self._clock()
        if now - self._told < max(self._period_s, (now - self._began) / 50):
            return False
        self._told = now
        return True


def display_name(name: str) -> str:
    """A file's name fit to be shown and logged: one line, no path, no control characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if c == " " or unicodedata.category(c)[0] not in "CZ")
    return shown.strip()[:NAME_LENGTH] or "unnamed"


def cut(text: str) -> str:
    """The text, or as much of it as is told."""
    return text if len(text) <= TEXT_LENGTH else text[: TEXT_LENGTH - 1] + "…"


def _encode(event_id: EventId, news: tuple[str | None, Mapping[str, Any]]) -> bytes:
    name, about = news
    return sse(dumps(about), event=name, event_id=event_id)
