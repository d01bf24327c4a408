"""The state of one upload of a command file, as its record stores it."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from time import time
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, Event

from rover.commands.entry import Artifact, Entry
from rover.commands.names import display_name
from rover.commands.records import SavedUpload
from rover.commands.sending import Sending
from rover.errors import UploadEnded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.commands.inbox import CommandFile


class Status(StrEnum):
    """The status of an upload. The last three are final."""

    UPLOADING = "UPLOADING"
    VALIDATING = "VALIDATING"
    COMPLETE = "COMPLETE"  # accepted, and stored on disk
    REJECTED = "REJECTED"  # the check found errors
    FAILED = "FAILED"  # the upload or the check failed, so the file may be good or bad


class UploadState:
    """What is known about an upload, and what controls it.

    Args:
        upload_id: names the upload in URLs.
        name: the file's name as the client sent it; any string.
        size: bytes of the file, if the client stated it.
        by: the name of the person who sends the file; empty if unknown.
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
        sending: its way to the rover; `None` if it is not accepted, or nothing is sent.
        omitted: number of findings that are counted only.
        name: the file's name, safe to show.
        size: bytes of the file. Until all have arrived: the stated size, or `None`.
        received: bytes that have arrived.
        max_bytes: maximum size of the file.
        status: the current status.
        report: the newest event with a status, as clients receive it.
        finished: set after the verdict.
        file: the file on disk, once the first bytes are written.
        receiving: cancelled to stop receiving.
        request: set when no request sends the file; `None` before the first one.
        is_resumable: whether the file may arrive in several requests.
        is_cancelled: whether a client has cancelled the upload.
        touched: POSIX seconds of the end of the newest request of a resumable upload.
        checking: cancelled to stop the check.
        is_concluding: whether the verdict is known, so that the upload cannot be cancelled.
    """

    def __init__(
        self, upload_id: str, name: str, size: int | None, by: str, client: str | None
    ) -> None:
        self.id = upload_id
        self.by = by
        self.client = client
        self.number = 0
        self.began: float | None = time()
        self.ended: float | None = None
        self.sha256 = ""
        self.validator: Mapping[str, Any] = {}
        self.verdict: Mapping[str, Any] | None = None
        self.artifact: Artifact | None = None
        self.sending: Sending | None = None
        self.omitted = 0
        self.name = display_name(name)
        self.size = size
        self.received = 0
        self.max_bytes = sys.maxsize
        self.status = Status.UPLOADING
        self.report: dict[str, Any] = {}
        self.finished = Event()
        self.file: CommandFile | None = None
        self.receiving = CancelScope()
        self.request: Event | None = None
        self.is_resumable = self.is_cancelled = self.is_concluding = False
        self.touched: float | None = None
        self.checking = CancelScope()

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
        self.sending = Sending.parse(saved.sending)
        self.is_resumable, self.touched = saved.resumable, saved.touched
        self.report = dict(saved.report)
        self.status = Status(saved.report.get("status", Status.FAILED))
        if saved.finished:
            self.finished.set()

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
            sending=None if self.sending is None else self.sending.saved(),
        )

    @property
    def is_partial(self) -> bool:
        """Whether it is a resumable upload whose file has not arrived completely."""
        return self.is_resumable and self.status is Status.UPLOADING

    @property
    def has_arrived(self) -> bool:
        """Whether all of the file has arrived."""
        return self.sha256 != ""

    def check_not_ended(self) -> None:
        """Check that the upload has not ended before all of its file arrived.

        Raises:
            UploadEnded: it has.
        """
        if self.finished.is_set() and not self.has_arrived:
            raise UploadEnded(self.id, str(self.report.get("detail", "")))

    @property
    def entry(self) -> Entry:
        """The upload as lists show it."""
        return replace(Entry.of(self.id, self.saved()), status=str(self.status))

    @property
    def is_on_its_way(self) -> bool:
        """Whether its sequence is in the queue, or waits for an answer."""
        return self.sending is not None and self.sending.is_open
