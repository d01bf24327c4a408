"""The headers of resumable uploads, in the two protocols that clients speak.

Source: draft-ietf-httpbis-resumable-upload-11 (interop version 8); tus 1.0.0 (https://tus.io) with
its extensions creation, creation-with-upload, creation-defer-length, checksum, expiration and
termination.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Self

from rover.asgi.disposition import file_name, parse_header
from rover.commands.checksum import SIZES, Checksum
from rover.errors import BadUploadHeader, NotAPart, TusVersion

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from rover.commands.upload import Upload

TUS = "1.0.0"
TUS_EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination"
)
TUS_PART = "application/offset+octet-stream"
IETF_PART = "application/partial-upload"

MAX_DIGITS = 15
"""Maximum number of digits of a structured integer (RFC 9651, 3.3.1)."""

WHOLE = "must be a whole number of at least 0"


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a request, from its headers.

    Attributes:
        is_tus: whether the client speaks tus; else the IETF draft.
        offset: position of the first byte; `None` if it is not stated.
        completes: whether the file ends with them; `None` if it ends at its length.
        length: bytes of the file; `None` if it is not stated.
        size: bytes of the request; `None` if it is not stated.
        name: of the file; empty if it is not stated.
        has_bytes: whether the request may have bytes of the file.
        checksum: of the bytes; `None` if it is not stated.
    """

    is_tus: bool
    offset: int | None
    completes: bool | None
    length: int | None
    size: int | None
    name: str
    has_bytes: bool
    checksum: Checksum | None = None

    @classmethod
    def of(cls, request: HTTPConnection) -> Self:
        """The part that a request sends.

        Raises:
            BadUploadHeader: a header is missing or malformed.
            TusVersion: the client uses another version of tus.
        """
        if is_tus(request):
            return cls._of_tus(request)
        offset, length = _number(request, "Upload-Offset"), _number(request, "Upload-Length")
        text = request.headers.get("upload-complete")
        if text not in ("?0", "?1"):
            raise BadUploadHeader("Upload-Complete", text, "must be ?1 or ?0")
        completes = text == "?1"
        size = _number(request, "Content-Length")
        if completes and size is not None:
            stated = (offset or 0) + size
            if length not in (None, stated):
                raise BadUploadHeader(
                    "Upload-Length", str(length), f"must be {stated}, the end of this request"
                )
            length = stated
        _check_length(length, offset, size)
        return cls(False, offset, completes, length, size, stated_name(request), has_bytes=True)

    @classmethod
    def _of_tus(cls, request: HTTPConnection) -> Self:
        length = _number(request, "Upload-Length")
        if length is None and request.scope["method"] == "POST":
            deferred = request.headers.get("upload-defer-length")
            if deferred != "1":
                reason = "must be the size of the file, or Upload-Defer-Length must be 1"
                raise BadUploadHeader("Upload-Length", None, reason)
        kind = _kind(request)
        name = _metadata_name(request.headers.get("upload-metadata", ""))
        offset = _number(request, "Upload-Offset")
        size = _number(request, "Content-Length")
        _check_length(length, offset, size)
        checksum = _checksum(request)
        return cls(True, offset, None, length, size, name, kind == TUS_PART, checksum)

    def check_appends(self, request: HTTPConnection) -> int:
        """The offset of a request that appends.

        Raises:
            NotAPart: its content type is another one.
            BadUploadHeader: it has no offset.
        """
        expected = TUS_PART if self.is_tus else IETF_PART
        if (kind := _kind(request)) != expected:
            raise NotAPart(kind, expected)
        if self.offset is None:
            raise BadUploadHeader("Upload-Offset", None, WHOLE)
        return self.offset


def is_tus(request: HTTPConnection) -> bool:
    """Whether the client speaks tus.

    Raises:
        TusVersion: it uses another version.
    """
    version = request.headers.get("tus-resumable")
    if version not in (None, TUS):
        raise TusVersion(version or "")
    return version is not None


def is_resumable(request: HTTPConnection) -> bool:
    """Whether a request begins a resumable upload."""
    return "upload-complete" in request.headers or is_tus(request)


def state_headers(upload: Upload, resume_s: float, *, tus: bool) -> dict[str, str]:
    """The state of an upload, for clients that resume it.

    Args:
        upload: the upload.
        resume_s: seconds after its newest request in which it can be resumed.
        tus: whether the client speaks tus.
    """
    is_open = upload.is_partial
    headers = {
        "Upload-Offset": str(upload.received),
        "Upload-Complete": "?1" if upload.has_arrived else "?0",
        "Cache-Control": "no-store",
    }
    if upload.size is not None:
        headers["Upload-Length"] = str(upload.size)
    elif tus:
        headers["Upload-Defer-Length"] = "1"
    limits = f"max-size={upload.max_bytes}"
    if is_open:
        ends = (upload.touched or time()) + resume_s
        limits += f", max-age={max(0, int(ends - time()))}"
        if tus:
            headers["Upload-Expires"] = formatdate(ends, usegmt=True)
    headers["Upload-Limit"] = limits
    if tus:
        headers["Tus-Resumable"] = TUS
        name = b64encode(upload.name.encode()).decode("ascii")
        headers["Upload-Metadata"] = f"filename {name}"
    return headers


def tus_headers(max_bytes: int) -> dict[str, str]:
    """The extensions and limits of the server, for the answer to `OPTIONS`."""
    return {
        "Tus-Resumable": TUS,
        "Tus-Version": TUS,
        "Tus-Extension": TUS_EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(SIZES),
        "Tus-Max-Size": str(max_bytes),
        "Upload-Limit": f"max-size={max_bytes}",
        "Accept-Patch": f"{IETF_PART}, {TUS_PART}",
    }


def _number(request: HTTPConnection, name: str) -> int | None:
    text = request.headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadUploadHeader(name, text, WHOLE)
    return int(text)


def _checksum(request: HTTPConnection) -> Checksum | None:
    """The checksum of the bytes of a request.

    Raises:
        BadUploadHeader: the algorithm is not supported, or the digest is not one.
    """
    if (text := request.headers.get("upload-checksum")) is None:
        return None
    name, _, encoded = text.partition(" ")
    for algorithm, size in SIZES.items():
        with suppress(Base64Error, ValueError):
            digest = b64decode(encoded.strip(), validate=True)
            if name == algorithm and len(digest) == size:
                return Checksum(algorithm, digest)
    reason = f"must be the digest in Base64 after one of {', '.join(SIZES)}"
    raise BadUploadHeader("Upload-Checksum", text, reason)


def _check_length(length: int | None, offset: int | None, size: int | None) -> None:
    """Check that a request does not go beyond the length that it states itself.

    Raises:
        BadUploadHeader: it does.
    """
    end = (offset or 0) + (size or 0)
    if length is not None and end > length:
        reason = f"must be at least {end}, the end of this request"
        raise BadUploadHeader("Upload-Length", str(length), reason)


def _kind(request: HTTPConnection) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def stated_name(request: HTTPConnection) -> str:
    """The name of the file from `Content-Disposition`."""
    text = request.headers.get("content-disposition", "")
    with suppress(ValueError):
        text = text.encode("latin-1").decode()  # Starlette decodes headers as Latin-1
    try:
        return file_name(parse_header(text)[1]) or ""
    except ValueError:
        reason = 'must be of the form inline; filename="…"'
        raise BadUploadHeader("Content-Disposition", text, reason) from None


def _metadata_name(text: str) -> str:
    """The name of the file from `Upload-Metadata`: `filename` and Base64, separated by commas."""
    pairs = dict(pair.strip().partition(" ")[::2] for pair in text.split(","))
    encoded = pairs.get("filename") or pairs.get("name") or ""
    try:
        return b64decode(encoded.strip(), validate=True).decode(errors="replace")
    except (Base64Error, ValueError):
        reason = "must have the name of the file in Base64: filename ZHJpdmUucmNz"
        raise BadUploadHeader("Upload-Metadata", text, reason) from None
