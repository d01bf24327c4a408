"""Resumable uploads over HTTP: the IETF draft, tus 1.0, and plain `PUT` of a whole file."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from rover import errors
from rover.api import Answer, Body, Operation
from rover.api.schema import BINARY, ref
from rover.asgi.prefer import Preferences
from rover.asgi.resumable import (
    Part,
    is_resumable,
    is_tus,
    state_headers,
    stated_name,
    tus_headers,
)
from rover.asgi.upload_verdict import UploadVerdict, respond_with_verdict
from rover.commands.checksum import verified
from rover.identity import ANY, EVERYONE, IDENTITY
from rover.routes.commands import PREFER, UPLOAD_ID, check_encoding
from sources.base import SourceError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from rover.asgi.body import Body as RequestBody
    from rover.commands.upload import Upload
    from rover.routes.commands import HasCommands

LIST = "/uploads"
BY_ID = "/uploads/{upload_id}"
LIST_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")

REPORT = ref("UploadReport")

HEADERS = {
    "Upload-Complete": "`?1`: the file ends with this request; `?0`: more requests follow",
    "Upload-Length": "bytes of the whole file",
    "Upload-Checksum": "for tus: `sha1`, `sha256` or `sha512`, and the digest in Base64",
    "Prefer": PREFER,
}

BEGIN_HEADERS = {
    **HEADERS,
    "Content-Disposition": "has the name of the file",
    "Tus-Resumable": "`1.0.0`, for tus",
    "Upload-Metadata": "has the name of the file, for tus",
}

STATE = {"Upload-Offset": "bytes that have arrived", "Upload-Complete": "whether these are all"}

BEGIN_ERRORS = (
    errors.NotAnUpload,
    errors.BadUploadHeader,
    errors.BadUploadId,
    errors.TusVersion,
    errors.UploadExists,
    errors.UploadTooBig,
    errors.UploadEncoded,
    errors.WrongFileName,
    errors.PoolFull,
    errors.CommandsOff,
    SourceError,
)

APPEND_ERRORS = (
    errors.BadUploadHeader,
    errors.UnknownUpload,
    errors.NotTheSender,
    errors.TusVersion,
    errors.NotAPart,
    errors.ChecksumMismatch,
    errors.OffsetMismatch,
    errors.LengthMismatch,
    errors.UploadComplete,
    errors.UploadEnded,
    errors.UploadPaused,
    errors.UploadTooBig,
    errors.UploadEncoded,
    errors.NotWritten,
    errors.PoolFull,
)

SUPPORTED = {
    "Tus-Resumable": "version of tus",
    "Tus-Version": "versions of tus",
    "Tus-Extension": "extensions of tus",
    "Tus-Checksum-Algorithm": "algorithms for `Upload-Checksum`",
    "Tus-Max-Size": "maximum number of bytes of a file",
    "Upload-Limit": "the same, for the IETF draft",
    "Accept-Patch": "media types of `PATCH`",
}

OCTETS = "application/octet-stream"
IETF = "[the IETF draft](https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/11/)"


def routes(mission: HasCommands) -> list[BaseRoute]:
    """`POST` and `OPTIONS /uploads`; `HEAD`, `PUT` and `PATCH /uploads/{upload_id}`."""
    resume_s = mission.serving.settings.resume_s

    def body_of(request: Request) -> RequestBody:
        check_encoding(request)
        identity = request.scope.get(IDENTITY, EVERYONE)
        return mission.serving.bodies.read(request.receive, identity)

    def begin(request: Request, name: str, size: int | None, upload_id: str, **how: Any) -> Upload:
        client = mission.serving.clients.name_of(request.scope, request.receive)
        by = request.scope.get(IDENTITY, EVERYONE).name
        return mission.commands.intake.begin(name, size, client, by, upload_id, **how)

    def begin_resumable(request: Request, part: Part, upload_id: str) -> Upload:
        if part.length == 0:
            raise errors.NotAnUpload("the file is empty")
        return begin(request, part.name, part.length, upload_id, resumable=True)

    async def create(request: Request) -> Response | Appended:
        if not is_resumable(request):
            reason = "send it, or Tus-Resumable; a form goes to /upload/rover-commands"
            raise errors.BadUploadHeader("Upload-Complete", None, reason)
        part, body = Part.of(request), body_of(request)
        upload = begin_resumable(request, part, UPLOAD_ID.of(request) or "")
        location = f"uploads/{upload.id}"
        return await append(request, upload, part, 0, body, location, created=True)

    async def put(request: Request) -> Response | Appended | UploadVerdict:
        upload_id = request.path_params["upload_id"]
        body = body_of(request)
        if is_resumable(request):
            part = Part.of(request)
            upload = begin_resumable(request, part, upload_id)
            return await append(request, upload, part, 0, body, upload_id, created=True)
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        upload = begin(request, stated_name(request), size, upload_id)
        return UploadVerdict(
            mission.commands,
            upload,
            body,
            body,
            mission.serving.large_responses,
            Preferences.of(request),
            upload_id,
        )

    async def patch(request: Request) -> Response | Appended:
        upload = mission.commands.find(request.path_params["upload_id"])
        part, body = Part.of(request), body_of(request)
        offset = part.check_appends(request)
        by = request.scope.get(IDENTITY, EVERYONE).name
        if upload.by and upload.by != by:
            raise errors.NotTheSender(upload.id)
        return await append(request, upload, part, offset, body, upload.id, created=False)

    async def append(
        request: Request,
        upload: Upload,
        part: Part,
        offset: int,
        body: RequestBody,
        location: str,
        *,
        created: bool,
    ) -> Response | Appended:
        if part.has_bytes:
            append_all = partial(
                mission.commands.transfers.append,
                completes=part.completes,
                length=part.length,
                size=part.size,
            )
            if part.checksum is None:
                await append_all(upload, offset, body)
            else:
                folder, max_bytes = mission.commands.inbox.incoming, upload.max_bytes
                async with aclosing(verified(body, part.checksum, folder, max_bytes)) as chunks:
                    await append_all(upload, offset, chunks)
        mission.serving.connections.end(request.receive, unread=body.is_unread)
        headers = state_headers(upload, resume_s, tus=part.is_tus)
        if created:
            headers["Location"] = location
        if upload.is_partial or part.is_tus:
            return Response(status_code=201 if created else 204, headers=headers)
        return Appended(mission, upload, Preferences.of(request), location, headers)

    async def offset(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        await mission.commands.transfers.interrupt(upload)
        upload.check_not_ended()
        tus = is_tus(request)
        headers = state_headers(upload, resume_s, tus=tus)
        return Response(status_code=200 if tus else 204, headers=headers)

    async def options(_: Request) -> Response:
        return Response(
            status_code=204, headers=tus_headers(mission.commands.intake.accepts.max_bytes)
        )

    progress = "the bytes were added, and more may follow"
    checked = "the file has arrived, and its check goes on"
    ended = "with `Prefer: wait`, when the check has ended"
    return [
        Operation(
            LIST,
            create,
            "Begin a resumable upload",
            description=f"With the headers of {IETF} or of tus 1.0. The body may have the first "
            "bytes of the file.",
            method="POST",
            query=[UPLOAD_ID],
            headers=BEGIN_HEADERS,
            body=Body({OCTETS: BINARY}, required=False),
            answers={
                200: Answer(ended, REPORT),
                201: Answer(
                    "more bytes may follow", headers={"Location": "of the upload", **STATE}
                ),
                202: Answer(checked, REPORT, headers=STATE),
            },
            errors=[*BEGIN_ERRORS, *APPEND_ERRORS],
            required_scope="upload",
            other_methods=LIST_METHODS,
        ),
        Operation(
            LIST,
            options,
            "What the server supports for resumable uploads",
            method="OPTIONS",
            answers={204: Answer("in its headers", headers=SUPPORTED)},
            errors=[SourceError],
            required_scope=ANY,
            other_methods=LIST_METHODS,
        ),
        Operation(
            BY_ID,
            offset,
            "How much of an upload has arrived",
            description="A request that sends the same file ends.",
            method="HEAD",
            answers={
                200: Answer("for tus", headers=STATE),
                204: Answer(f"for {IETF}", headers=STATE),
            },
            errors=[errors.UnknownUpload, errors.UploadEnded, errors.TusVersion],
            required_scope=ANY,
            other_methods=METHODS,
        ),
        Operation(
            BY_ID,
            put,
            "Upload a command file under an id that the client chooses",
            description="The body is the file. With `Upload-Complete`, it can be resumed.",
            method="PUT",
            headers=BEGIN_HEADERS,
            path_parameters={"upload_id": UPLOAD_ID.schema},
            body=Body({OCTETS: BINARY}, required=False),
            answers={
                200: Answer(ended, REPORT),
                201: Answer(
                    "more bytes may follow", headers={"Location": "of the upload", **STATE}
                ),
                202: Answer(checked, REPORT, headers={"Location": "of the report"}),
            },
            errors=[*BEGIN_ERRORS, *APPEND_ERRORS],
            required_scope="upload",
            other_methods=METHODS,
        ),
        Operation(
            BY_ID,
            patch,
            "Add bytes to a resumable upload",
            method="PATCH",
            headers={**HEADERS, "Upload-Offset": "position of the first byte in the file"},
            body=Body(
                {"application/partial-upload": BINARY, "application/offset+octet-stream": BINARY},
                required=False,
            ),
            answers={
                200: Answer(ended, REPORT),
                202: Answer(checked, REPORT, headers=STATE),
                204: Answer(progress, headers=STATE),
            },
            errors=APPEND_ERRORS,
            required_scope="upload",
            other_methods=METHODS,
        ),
    ]


class Appended:
    """An ASGI app that responds to the request with the last bytes of a resumable upload."""

    def __init__(
        self,
        mission: HasCommands,
        upload: Upload,
        preferences: Preferences,
        location: str,
        headers: dict[str, str],
    ) -> None:
        self._mission = mission
        self._upload = upload
        self._preferences = preferences
        self._location = location
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait as long as the client prefers, and respond with the report."""
        await respond_with_verdict(
            self._upload,
            self._mission.serving.large_responses,
            self._preferences,
            self._location,
            scope,
            receive,
            send,
            self._headers,
        )
