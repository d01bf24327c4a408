"""Uploads as the log keeps them: the events in a stream, and the report in a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.logs.store import Packed, Store
from rover.wire import dumps

if TYPE_CHECKING:
    from rover.logs.base import Log, Record

PREFIX = "upload/"
"""The beginning of the names of uploads in the log."""

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
    """

    number: int
    name: str
    size: int | None
    received: int
    finished: bool
    report: Mapping[str, Any]
    by: str = ""


def upload_store(log: Log, upload_id: str) -> Store[UploadEvent]:
    """The stream of an upload. A verdict survives a power cut before anybody sees it."""
    return Store(log, PREFIX + upload_id, pack=_pack, unpack=_unpack, durable=True, bounded=True)


def save(log: Log, upload_id: str, upload: SavedUpload) -> None:
    """Store an upload's report."""
    log.put(PREFIX + upload_id, dumps(upload._asdict()))


def forget(log: Log, upload_id: str) -> None:
    """Delete an upload's report and events."""
    log.put(PREFIX + upload_id, None)
    log.delete(PREFIX + upload_id)


def saved_uploads(log: Log) -> dict[str, SavedUpload]:
    """The stored uploads by id, oldest first; those that cannot be read are left out."""
    found: dict[str, SavedUpload] = {}
    for key, text in log.values(PREFIX).items():
        try:
            found[key.removeprefix(PREFIX)] = SavedUpload(**json.loads(text))
        except (TypeError, ValueError):
            continue
    return dict(sorted(found.items(), key=lambda item: item[1].number))


def _pack(event: UploadEvent) -> Packed:
    name, fields = event
    return Packed(name or "status", dumps(fields))


def _unpack(record: Record) -> tuple[UploadEvent, float]:
    fields = json.loads(record.data)
    return (None if record.kind == "status" else record.kind, fields), -inf
