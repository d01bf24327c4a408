"""An upload as lists show it, without its steps and findings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rover.commands.sending import Sending
from rover.wire import iso_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.commands.records import SavedUpload

DIGEST = re.compile(r"[0-9a-f]{64}")

MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}(;[ \w.+=-]{1,60})?", re.ASCII)

ANY_BYTES = "application/octet-stream"
"""Instead of a media type that cannot be a header."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a validator compiled from an accepted file.

    Attributes:
        sha256: of its bytes, in lower-case hex.
        size: bytes.
        type: its media type.
    """

    sha256: str
    size: int
    type: str

    @classmethod
    def parse(cls, value: Mapping[str, Any] | None) -> Self | None:
        """The artifact of a record; `None` without one, or if the record is damaged.

        A recorded mission may come from anywhere: the digest is part of a path.
        """
        if not value or not DIGEST.fullmatch(str(value.get("sha256"))):
            return None
        kind = str(value.get("type"))
        kind = kind if MEDIA_TYPE.fullmatch(kind) else ANY_BYTES
        return cls(str(value["sha256"]), int(value.get("size", 0)), kind)

    def as_json(self) -> dict[str, Any]:
        """The artifact as clients see it."""
        return {"sha256": self.sha256, "size": self.size, "type": self.type}


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload in a list.

    Attributes:
        number: counts the uploads of a data folder.
        id: names the upload in URLs.
        name: of the file, safe to show.
        status: the newest one.
        detail: one line for people.
        size: bytes of the file, or `None`.
        received: bytes that have arrived.
        sha256: of the file, in lower-case hex; empty before all of it has arrived.
        by: the name of the person who sent the file; empty if unknown.
        began: POSIX seconds; `None` in records of older versions.
        ended: POSIX seconds; `None` before the end.
        errors: number of findings that reject the file; `None` without a verdict.
        warnings: number of warnings; `None` without a verdict.
        artifact: the compiled product; `None` without one.
        cancelled: whether a client cancelled it.
        sending: its way to the rover; `None` if nothing is sent.
        recovered: whether the server was restarted after it accepted the file and before it
            reported that.
    """

    number: int
    id: str
    name: str
    status: str
    detail: str
    size: int | None
    received: int
    sha256: str
    by: str
    began: float | None
    ended: float | None
    errors: int | None
    warnings: int | None
    artifact: Artifact | None
    cancelled: bool
    sending: Sending | None
    recovered: bool

    @classmethod
    def of(cls, upload_id: str, saved: SavedUpload) -> Self:
        """The entry of a saved upload."""
        report = saved.report
        results = saved.verdict or report
        return cls(
            number=saved.number,
            id=upload_id,
            name=saved.name,
            status=str(report.get("status", "FAILED")),
            detail=str(report.get("detail", "")),
            size=saved.size,
            received=saved.received,
            sha256=saved.sha256 or str(report.get("sha256") or ""),
            by=saved.by,
            began=saved.began,
            ended=saved.ended,
            errors=results.get("errors"),
            warnings=results.get("warnings"),
            artifact=Artifact.parse(saved.artifact),
            cancelled=report.get("cancelled") is True,
            sending=Sending.parse(saved.sending),
            recovered=report.get("recovered") is True,
        )

    def as_json(self) -> dict[str, Any]:
        """The upload as clients see it. Links are relative to the mount point."""
        links = {"report": f"uploads/{self.id}", "events": f"uploads/{self.id}/events"}
        if self.status == "COMPLETE":
            links["file"] = f"uploads/{self.id}/file"
        if self.artifact is not None:
            links["artifact"] = f"uploads/{self.id}/artifact"
        return {
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "detail": self.detail,
            "size": self.size,
            "received": self.received,
            "sha256": self.sha256 or None,
            "by": self.by or None,
            "began": iso_or_none(self.began),
            "ended": iso_or_none(self.ended),
            "errors": self.errors,
            "warnings": self.warnings,
            "artifact": self.artifact and self.artifact.as_json(),
            "cancelled": self.cancelled,
            "recovered": self.recovered,
            "sending": self.sending and self.sending.as_json(),
            "links": links,
        }
