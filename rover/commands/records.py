"""Uploads as the log keeps them: the events in a stream, and the report in a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from anyio import to_thread

from rover.logs.store import Packed, Store
from rover.wire import dumps

if TYPE_CHECKING:
    from rover.logs.base import Log, Record

PREFIX = "upload/"
"""The beginning of the names of uploads in the log."""

FINDING = "finding"
"""The kind of the records of findings."""

SENDING = "sending"
"""The kind of the records of the way to the rover."""

UploadEvent = tuple[str | None, Mapping[str, Any]]
"""The name of an event, `None` for one with a status, and its fields."""


class SavedUpload(NamedTuple):
    """What a restart needs to know of an upload.

    Attributes:
        number: counts the uploads of a data folder.
        name: of the file, safe to show.
        size: bytes of the file, or `None`.
        received: bytes that had arrived.
        finished: whether its last event was published.
        report: the newest event with a status.
        by: the name of the person who sent the file; empty if unknown.
        began: POSIX seconds; `None` in records of older versions.
        ended: POSIX seconds; `None` before the end.
        sha256: of the file, in lower-case hex; empty before all of it has arrived.
        validator: which validator and dictionary check it, as clients see it.
        verdict: the fields of the verdict; `None` before it. A file whose verdict is here and
            `accepted` is accepted.
        artifact: SHA-256, size and media type of the compiled product; `None` without one.
        omitted: number of findings that the log does not have.
        resumable: whether it may arrive in several requests.
        touched: POSIX seconds of the end of its newest request; `None` if it is not resumable.
        sending: its way to the rover; `None` if nothing is sent.
    """

    number: int
    name: str
    size: int | None
    received: int
    finished: bool
    report: Mapping[str, Any]
    by: str = ""
    began: float | None = None
    ended: float | None = None
    sha256: str = ""
    validator: Mapping[str, Any] | None = None
    verdict: Mapping[str, Any] | None = None
    artifact: Mapping[str, Any] | None = None
    omitted: int = 0
    resumable: bool = False
    touched: float | None = None
    sending: Mapping[str, Any] | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the check has accepted the file."""
        return self.verdict is not None and self.verdict.get("accepted") is True


def upload_store(log: Log, upload_id: str) -> Store[UploadEvent]:
    """The stream of an upload. A verdict survives a power cut before anybody sees it.

    The log keeps the findings that expire in the topic: the report has them.
    """
    return Store(log, PREFIX + upload_id, pack=_pack, unpack=_unpack, durable=True)


async def saved_events(log: Log, upload_id: str, kind: str) -> list[dict[str, Any]]:
    """The fields of all events of a kind that the log has, in order.

    Raises:
        LogDamaged: they cannot be read.
    """
    records = await log.read(PREFIX + upload_id, kinds=(kind,))
    return await to_thread.run_sync(lambda: [json.loads(record.data) for record in records])


def save(log: Log, upload_id: str, upload: SavedUpload) -> None:
    """Store an upload's report."""
    log.put(PREFIX + upload_id, dumps(upload._asdict()))


def forget(log: Log, upload_id: str) -> None:
    """Delete an upload's report and events."""
    log.put(PREFIX + upload_id, None)
    log.delete(PREFIX + upload_id)


def saved_upload(log: Log, upload_id: str) -> SavedUpload | None:
    """The stored upload with that id; `None` if there is none."""
    return _parse(log.values(PREFIX + upload_id).get(PREFIX + upload_id, ""))


async def saved_uploads(log: Log) -> dict[str, SavedUpload]:
    """The stored uploads by id, oldest first; those that cannot be read are left out."""
    return await to_thread.run_sync(_parse_all, log.values(PREFIX))


def _parse_all(texts: Mapping[str, str]) -> dict[str, SavedUpload]:
    found = {
        key.removeprefix(PREFIX): saved
        for key, text in texts.items()
        if (saved := _parse(text)) is not None
    }
    return dict(sorted(found.items(), key=lambda item: item[1].number))


def _parse(text: str) -> SavedUpload | None:
    try:
        return SavedUpload(**json.loads(text))
    except (TypeError, ValueError):
        return None


def _pack(event: UploadEvent) -> Packed:
    name, fields = event
    return Packed(name or "status", dumps(fields))


def _unpack(record: Record) -> tuple[UploadEvent, float]:
    fields = json.loads(record.data)
    return (None if record.kind == "status" else record.kind, fields), -inf
