"""The record of uploads over HTTP: the list, whole reports, artifacts, and the end of an upload."""

from __future__ import annotations

from mimetypes import guess_extension
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from rover.api import Answer, Operation
from rover.api.schema import BINARY, ref
from rover.asgi.query import Moment, Names, Text, WholeNumber
from rover.asgi.responses import json_response
from rover.asgi.resumable import TUS, is_tus
from rover.asgi.stored_file import stored_file
from rover.commands.entry import ANY_BYTES, Artifact
from rover.commands.upload_state import Status
from rover.commands.uploads import Filter
from rover.errors import (
    LogDamaged,
    NoArtifact,
    NotKept,
    NotTheSender,
    TooLateToCancel,
    TusVersion,
    UnknownUpload,
)
from rover.identity import EVERYONE, IDENTITY
from rover.wire import dumps
from sources.base import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from rover.audit import AuditLog
    from rover.commands import Commands
    from rover.serving import Serving

STATUSES = tuple(str(one) for one in Status)

MAX_CURSOR = 10**15

LIMIT = WholeNumber(
    name="limit", summary="maximum number of uploads", at_least=1, at_most=1_000, default=100
)
CURSOR = WholeNumber(
    name="cursor",
    summary="`next` of the page before; none for the newest uploads",
    at_most=MAX_CURSOR,
    default=None,
)
STATUS = Names(name="status", summary="statuses", known=lambda: STATUSES, listed=True)
NAME = Text(name="name", summary="part of the name of the file, in any case")
BY = Text(name="by", summary="who sent the file")
SHA256 = Text(name="sha256", summary="SHA-256 of the file, in lower-case hex")
SINCE = Moment(name="since", summary="time of the earliest begin")
UNTIL = Moment(name="until", summary="time before which the upload began")

OUTCOMES = {Status.COMPLETE: "accepted", Status.REJECTED: "rejected", Status.FAILED: "failed"}
"""The outcome of an upload that cannot be cancelled, by its status."""

BY_ID = "/uploads/{upload_id}"

IF_NONE_MATCH = {"If-None-Match": "entity tags that the client has"}

NOT_MODIFIED = {304: Answer("the client has it")}

BYTES_HEADERS = {
    **IF_NONE_MATCH,
    "Range": "a part: `bytes=0-99`",
}

BYTES = {
    200: Answer(
        "its bytes",
        BINARY,
        ["*/*"],
        {"ETag": "their SHA-256", "Repr-Digest": "their SHA-256 (RFC 9530)"},
    ),
    206: Answer("the part", BINARY, ["*/*"], {"Content-Range": "its place"}),
    **NOT_MODIFIED,
}

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
LIST_METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class HasUploads(Protocol):
    """The parts of a mission that these routes use."""

    commands: Commands
    serving: Serving
    audit: AuditLog


def routes(mission: HasUploads) -> list[BaseRoute]:
    """`GET /uploads`, `GET` and `DELETE /uploads/{upload_id}`, and its artifact."""

    async def uploads(request: Request) -> Response:
        chosen = Filter(
            STATUS.of(request),
            NAME.of(request),
            BY.of(request),
            SHA256.of(request),
            SINCE.of(request),
            UNTIL.of(request),
        )
        found, after = mission.commands.uploads.page(chosen, LIMIT.of(request), CURSOR.of(request))
        body = {
            "uploads": [entry.as_json() for entry in found],
            "next": after,
            "accepts": mission.commands.intake.accepts.as_json(),
        }
        return mission.serving.large_responses.respond(lambda: dumps(body).encode(), tagged=True)

    async def report(request: Request) -> Response:
        body = await mission.commands.find(request.path_params["upload_id"]).as_json()
        return mission.serving.large_responses.respond(lambda: dumps(body).encode(), tagged=True)

    async def artifact(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        if (found := upload.artifact) is None:
            raise NoArtifact(upload.id, upload.status)
        name = _artifact_name(upload.name, found.type)
        return stored(request, mission.commands.inbox.artifacts, found, name)

    async def file(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        if upload.status is not Status.COMPLETE:
            raise NotKept(upload.id, upload.status)
        found = Artifact(upload.sha256, upload.received, ANY_BYTES)
        return stored(request, mission.commands.inbox.accepted, found, upload.name)

    def stored(request: Request, folder: Path, found: Artifact, name: str) -> Response:
        return stored_file(
            request,
            mission.serving.large_responses,
            folder / found.sha256,
            size=found.size,
            media_type=found.type,
            name=name,
        )

    async def cancel(request: Request) -> Response:
        upload = mission.commands.find(request.path_params["upload_id"])
        identity = request.scope.get(IDENTITY, EVERYONE)
        if identity.name != upload.by and not identity.allows("admin"):
            raise NotTheSender(upload.id)
        was_finished = upload.finished.is_set()
        cancelled = await mission.commands.cancel(upload)
        if not was_finished:
            mission.audit.record("upload.cancel", upload=upload.id, cancelled=cancelled)
        if not cancelled:
            raise TooLateToCancel(upload.id, OUTCOMES[upload.status])
        if is_tus(request):
            return Response(status_code=204, headers={"Tus-Resumable": TUS})
        detail = upload.report["detail"]
        return json_response({"id": upload.id, "outcome": "cancelled", "detail": detail})

    return [
        Operation(
            "/uploads",
            uploads,
            "The uploads of command files",
            query=[LIMIT, CURSOR, STATUS, NAME, BY, SHA256, SINCE, UNTIL],
            headers=IF_NONE_MATCH,
            answers={200: Answer("the newest first", ref("Uploads")), **NOT_MODIFIED},
            errors=[SourceError],
            other_methods=LIST_METHODS,
        ),
        Operation(
            BY_ID,
            report,
            "The whole report of an upload",
            headers=IF_NONE_MATCH,
            answers={200: Answer("with all findings", ref("UploadReport")), **NOT_MODIFIED},
            errors=[UnknownUpload, LogDamaged],
            other_methods=METHODS,
        ),
        Operation(
            BY_ID,
            cancel,
            "Cancel an upload",
            description="A file that is cancelled was not accepted and is deleted. If the verdict "
            "is known, the response is a 409 with it. Only its sender may cancel an upload, or a "
            "client with the scope `admin`.",
            method="DELETE",
            headers={"Tus-Resumable": "`1.0.0`, for tus"},
            answers={
                200: Answer("it is cancelled", ref("Cancelled")),
                204: Answer("the same, for tus"),
            },
            errors=[UnknownUpload, NotTheSender, TooLateToCancel, TusVersion],
            required_scope="upload",
            other_methods=METHODS,
        ),
        Operation(
            f"{BY_ID}/artifact",
            artifact,
            "What the validator compiled from an accepted file",
            headers=BYTES_HEADERS,
            answers=BYTES,
            errors=[UnknownUpload, NoArtifact, LogDamaged],
        ),
        Operation(
            f"{BY_ID}/file",
            file,
            "An accepted file",
            headers=BYTES_HEADERS,
            answers=BYTES,
            errors=[UnknownUpload, NotKept, LogDamaged],
        ),
    ]


def _artifact_name(upload: str, media_type: str) -> str:
    """The name of an artifact in a download: that of the upload, with the suffix of its type."""
    file = PurePath(upload)
    name = file.stem + (guess_extension(media_type) or ".bin")
    return name if name != file.name else f"{file.stem}.compiled{file.suffix}"
