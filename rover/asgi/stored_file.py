"""A stored file as an HTTP response. It is named by the SHA-256 of its bytes.

Source: RFC 9110, 14 (ranges); RFC 9530 (Repr-Digest); RFC 6266 (Content-Disposition).
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

from starlette.responses import Response

from rover.asgi.disposition import disposition
from rover.asgi.preconditions import check_preconditions
from rover.asgi.ranges import requested_part
from rover.errors import LogDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from rover.asgi.large_response import LargeResponses

PIECE_BYTES = 2**18
"""Maximum number of bytes that are read at once."""


def stored_file(
    request: Request,
    responses: LargeResponses,
    path: Path,
    *,
    size: int,
    media_type: str,
    name: str,
) -> Response:
    """The response with a stored file, or the part of it that the client asks for.

    Args:
        request: may have preconditions and `Range`.
        responses: limits how many are sent at once.
        path: of the file; its name is the SHA-256 of its bytes, in lower-case hex.
        size: bytes of the file.
        media_type: of the file.
        name: for the client's copy.

    Raises:
        HTTPException: a precondition is false, or the range begins after the last byte.
    """
    digest = b64encode(bytes.fromhex(path.name)).decode("ascii")
    headers = {
        "ETag": f'"{path.name}"',
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition("attachment", name),
        "X-Content-Type-Options": "nosniff",
        # a validator may compile HTML from a file that anybody sent
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if check_preconditions(request, headers["ETag"], None):
        return Response(status_code=304, headers=headers)
    status, start, stop = 200, 0, size
    part = requested_part(request, size, headers["ETag"], url_is_stable=True)
    if part is not None:
        status, start, stop = 206, part.start, part.stop or size
        headers["Content-Range"] = part.content_range
    pieces = _pieces(path, start, stop)
    return responses.stream(pieces, media_type, headers, status=status, length=stop - start)


def _pieces(path: Path, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of a file from `start` to `stop`.

    Raises:
        LogDamaged: it cannot be read, or is shorter.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            while start < stop:
                piece = file.read(min(PIECE_BYTES, stop - start))
                if not piece:
                    raise LogDamaged("the stored file is shorter than its record says")
                start += len(piece)
                yield piece
    except OSError as exc:
        raise LogDamaged(f"the stored file cannot be read: {exc.strerror}") from exc
