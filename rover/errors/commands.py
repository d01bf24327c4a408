"""Errors about uploads, and about command files on their way to the rover."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rover.errors.access import AccessRefused
from rover.errors.base import RoverError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#"
"""The beginning of the problem types of resumable uploads."""


class UploadError(RoverError):
    """An upload is refused or failed, or does not exist."""


class NotAnUpload(UploadError):
    """The body is not a multipart form with one file in the field `file`."""


class UploadTooBig(UploadError):
    """The file is larger than `ROVER_MAX_UPLOAD_BYTES`, or than the validator allows."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.headers = {"Upload-Limit": f"max-size={limit_bytes}"}
        super().__init__(
            f"the file is larger than {limit_bytes:,} bytes, the limit (ROVER_MAX_UPLOAD_BYTES, or "
            "that of the validator); split the sequence"
        )


class UploadInterrupted(UploadError):
    """The client disconnected before the body was complete. The data is discarded."""

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(
            f"the upload was interrupted after {received:,} bytes and was discarded; "
            "send the file again"
        )


class UploadStalled(UploadInterrupted):
    """The client is connected, but sent no data for `ROVER_UPLOAD_TIMEOUT_S`."""

    def __init__(self, received: int, timeout_s: float) -> None:
        super().__init__(received)
        self.timeout_s = timeout_s
        self.args = (
            f"the client sent no data for {timeout_s:g} s after {received:,} bytes "
            "(ROVER_UPLOAD_TIMEOUT_S); the upload was discarded, send the file again. A client "
            "that does not read while it sends needs `Prefer: wait`",
        )


class UploadTooSlow(UploadInterrupted):
    """The client sends less than `ROVER_MIN_BODY_RATE`, averaged over the transfer."""

    def __init__(self, received: int, waited_s: float, min_rate: float) -> None:
        super().__init__(received)
        self.waited_s = waited_s
        self.min_rate = min_rate
        self.args = (
            f"the client sent {received:,} bytes in {waited_s:.1f} s, less than the limit of "
            f"{min_rate:,g} bytes/s (ROVER_MIN_BODY_RATE); the data was discarded, send it again "
            "over a faster connection",
        )


class UploadTimedOut(UploadInterrupted):
    """The body takes longer than `ROVER_BODY_TIMEOUT_S`."""

    def __init__(self, received: int, timeout_s: float) -> None:
        super().__init__(received)
        self.timeout_s = timeout_s
        self.args = (
            f"the client sent {received:,} bytes in {timeout_s:g} s and has not finished "
            "(ROVER_BODY_TIMEOUT_S); the data was discarded, send it again over a faster "
            "connection",
        )


class CommandsOff(UploadError):
    """This server does not check command files: `ROVER_COMMANDS` is `none:`."""

    def __init__(self) -> None:
        super().__init__(
            "this server does not check command files; set ROVER_COMMANDS to the URL of a validator"
        )


class UnknownUpload(UploadError):
    """No upload has that id."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"no upload has the id {upload_id!r}, or its report has expired (ROVER_KEPT_UPLOADS); "
            "send the file again"
        )


class UploadExists(UploadError):
    """An upload has that id already."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"an upload with the id {upload_id!r} exists; GET /uploads/{upload_id} has its report"
        )


class BadUploadId(UploadError):
    """The id that the client chose for an upload is not allowed."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the id {upload_id[:80]!r} is not allowed: must be 1 to 64 letters, digits, `-` or `_`"
        )


class WrongFileName(UploadError):
    """The validator does not check files with such a name."""

    def __init__(self, name: str, suffixes: Sequence[str]) -> None:
        self.name = name
        self.suffixes = suffixes
        super().__init__(
            f"the name of the file is {name[:80]!r}: must end in one of {', '.join(suffixes)}"
        )


class UploadEncoded(UploadError):
    """The body of an upload has a `Content-Encoding`."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(
            f"the body has the Content-Encoding {encoding[:80]!r}; send the file without one"
        )


class ChecksumMismatch(UploadError):
    """The bytes of a request do not have the checksum that the client stated."""

    status_code = 460
    """The status that tus requires, which HTTP does not have."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.members = {"title": "Checksum Mismatch", "status": self.status_code}
        super().__init__(
            f"the bytes of the request do not have the {algorithm} of Upload-Checksum; none of "
            "them was added, send them again"
        )


class OffsetMismatch(UploadError):
    """A request does not continue a resumable upload where its file ends."""

    def __init__(self, provided: int, expected: int) -> None:
        self.headers = {"Upload-Offset": str(expected)}
        self.members = {
            "type": f"{PROBLEM_TYPES}mismatching-upload-offset",
            "expected-offset": expected,
            "provided-offset": provided,
        }
        super().__init__(
            f"the request begins at byte {provided:,}, and the file has {expected:,} bytes; "
            f"continue with Upload-Offset: {expected}"
        )


class LengthMismatch(UploadError):
    """A resumable upload has another length than the client stated."""

    def __init__(self, length: int, stated: int | None) -> None:
        self.members = {"type": f"{PROBLEM_TYPES}inconsistent-upload-length"}
        super().__init__(
            f"the file would have {length:,} bytes, and the client stated {stated or 0:,}"
        )


class UploadComplete(UploadError):
    """The file of a resumable upload is complete, or the upload has ended."""

    def __init__(self, upload_id: str) -> None:
        self.headers = {"Upload-Complete": "?1"}
        self.members = {"type": f"{PROBLEM_TYPES}completed-upload"}
        super().__init__(
            f"the upload {upload_id!r} accepts no more bytes; GET /uploads/{upload_id} has its "
            "report"
        )


class UploadEnded(UploadError):
    """A resumable upload has ended before its file was complete."""

    def __init__(self, upload_id: str, detail: str) -> None:
        super().__init__(
            f"the upload {upload_id!r} has ended, and its bytes are deleted: {detail}; begin "
            "another one"
        )


class UploadPaused(UploadError):
    """A request of a resumable upload was interrupted. The bytes so far are kept."""

    def __init__(self, received: int) -> None:
        self.received = received
        self.headers = {"Upload-Offset": str(received), "Upload-Complete": "?0"}
        super().__init__(
            f"the request was interrupted; {received:,} bytes of the file are kept, continue with "
            f"Upload-Offset: {received}"
        )


class NotWritten(UploadError):
    """The bytes of a resumable upload cannot be written, for example because the disk is full."""


class BadUploadHeader(UploadError):
    """A header of a resumable upload is missing or malformed."""

    def __init__(self, name: str, value: str | None, reason: str) -> None:
        self.name = name
        shown = "is missing" if value is None else f"is {value[:80]!r}"
        super().__init__(f"the header {name} {shown}: {reason}")


class NotAPart(UploadError):
    """The content type of a request is not that of a part of a file."""

    def __init__(self, media_type: str, expected: str) -> None:
        super().__init__(f"the Content-Type is {media_type[:80]!r}: must be {expected}")


class TusVersion(UploadError):
    """The client uses another version of tus."""

    headers: ClassVar = {"Tus-Version": "1.0.0"}

    def __init__(self, version: str) -> None:
        super().__init__(f"Tus-Resumable is {version[:80]!r}: must be 1.0.0")


class NotTheSender(AccessRefused):
    """Another person has begun the upload."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"the upload {upload_id!r} belongs to another sender")


class NameRequired(AccessRefused):
    """Two persons must release sequences, and the client has no name that others cannot state."""

    def __init__(self) -> None:
        super().__init__(
            "two persons must release a sequence (ROVER_RELEASE_PERSONS): send a token with your "
            "name, made with `rover token add`"
        )


class NoArtifact(UploadError):
    """The upload has no compiled product."""

    def __init__(self, upload_id: str, status: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"the upload {upload_id!r} has no artifact; its status is {status}")


class NotKept(UploadError):
    """The file of an upload is not kept: it was not accepted."""

    def __init__(self, upload_id: str, status: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the file of the upload {upload_id!r} is not kept: only accepted files are, and its "
            f"status is {status}"
        )


class TooLateToCancel(UploadError):
    """The upload ended before it could be cancelled."""

    def __init__(self, upload_id: str, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(f"too late: {outcome}; GET /uploads/{upload_id} has the report")


class NotQueued(UploadError):
    """The sequence of an upload is not on its way to the rover."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the upload {upload_id!r} is not in the queue: accepted files enter it, if "
            "ROVER_UPLINK names an uplink"
        )


class NotNow(UploadError):
    """The state of a sequence does not allow an action, or the client has not seen its state."""

    def __init__(self, action: str, state: str, revision: int, seen: int | None = None) -> None:
        self.members = {"state": state, "revision": revision}
        if seen is None:
            reason = f"`{action}` is not possible: the sequence is {state}"
        else:
            reason = (
                f"the sequence has changed: it is {state} (revision {revision}, you have seen "
                f"{seen}); look at it again"
            )
        super().__init__(reason)


class SecondPersonRequired(UploadError):
    """The same person releases a sequence that another person must release too."""

    def __init__(self, by: str) -> None:
        super().__init__(
            f"{by} has released it already; another person must release it too "
            "(ROVER_RELEASE_PERSONS)"
        )


class OtherReleaseTime(UploadError):
    """Another person has released a sequence for another time."""

    def __init__(self, by: str, at: str | None) -> None:
        time = "to be sent at once" if at is None else f"for {at}"
        super().__init__(
            f"{by} has released it {time}; release it without `at` for the same time, or `hold` it "
            "first"
        )


class ReleaseTimePast(UploadError):
    """A sequence is released for a time that has passed, so that it would be sent at once."""

    def __init__(self, at: str | None, now: str | None) -> None:
        super().__init__(
            f"the release time {at} has passed, it is {now}: state a later one, or none to send "
            "the sequence at once"
        )


class FileChanged(UploadError):
    """A command file changed while it was checked."""

    def __init__(self) -> None:
        super().__init__(
            "the validator, not the file, is faulty: it changed the file that it checked, so that "
            "its verdict is about other bytes"
        )
