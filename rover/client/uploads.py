"""Uploads of command files, with the progress of their check."""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import httpx
from anyio import to_thread

from rover.client.errors import ClientError, ConnectionFailed, OutcomeUnknown, Refused
from rover.client.http import check_status, translated_errors
from rover.client.sse import ServerSentEvent
from rover.client.stream import CONNECT_TIMEOUT_S, EventStream, Gap, Interruption, json_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from rover.client.client import Client

FINAL = ("COMPLETE", "REJECTED", "FAILED")
"""Statuses that end an upload."""

SILENCE_S = 60.0
"""Seconds without a byte after which the stream of a check counts as cut."""

GIVE_UP_S = 300.0
"""Seconds without a connection after which the outcome counts as unknown."""

CHUNK_BYTES = 64 * 2**10

TOO_LATE = 409
"""Status of the answer to a cancel if the verdict is known."""


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """The status of an upload, or of a step of its check.

    Attributes:
        status: `UPLOADING`, `VALIDATING`, or the outcome: `COMPLETE`, `REJECTED` or `FAILED`.
        detail: for people.
        step: name of the step; empty if the event is about the whole upload.
        state: of the step: `running`, `passed`, `failed` or `skipped`.
        fields: the event's JSON.
    """

    status: str
    detail: str
    step: str
    state: str
    fields: Mapping[str, Any]

    @property
    def is_final(self) -> bool:
        """Whether this is the outcome of the upload."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake in a command file, or a remark about it.

    Attributes:
        severity: such as `error` or `warning`.
        code: for programs.
        message: for people.
        line: in the file, from 1; `None` if unknown.
        column: in the line, from 1; `None` if unknown.
        hint: how to mend it; empty without one.
        fields: the event's JSON.
    """

    severity: str
    code: str
    message: str
    line: int | None
    column: int | None
    hint: str
    fields: Mapping[str, Any]


UploadEvent = UploadStatus | Finding | Gap | Interruption


class Upload:
    """One upload: iterate over it in `async with` to send the file and to receive its events.

    The last event is an `UploadStatus` with the outcome. The client chooses the id of the upload.
    After a cut, it follows the events of the upload by this id, even if no event had arrived.

    Args:
        client: the client of the server.
        source: the path of the file, its bytes, or a file that is open for reading in binary.
        name: of the file; by default that of the path.
        on_progress: called with the bytes sent, and the size of the file or `None`.

    Attributes:
        id: of the upload.
        outcome: the last event; `None` before it.

    Raises:
        ConnectionFailed: the file was not sent completely, so the server has not accepted it.
        Refused: the server does not take the file.
        OutcomeUnknown: the file was sent, and the outcome did not arrive.
        OSError: the file cannot be read.
    """

    def __init__(
        self,
        client: Client,
        source: Path | bytes | BinaryIO,
        name: str = "",
        on_progress: Callable[[int, int | None], None] = lambda *_: None,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.outcome: UploadStatus | None = None
        self._client = client
        self._source = source
        self._name = name or (source.name if isinstance(source, Path) else "") or "unnamed"
        self._on_progress = on_progress
        self._sent_all = False
        self._events: EventStream | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._events is not None:
            await self._events.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> UploadEvent:
        if self.outcome is not None:
            raise StopAsyncIteration
        if self._events is None:
            self._events = await self._send()
        try:
            event = await anext(self._events)
        except (ClientError, StopAsyncIteration) as exc:
            raise self._unknown(str(exc)) from exc
        if not isinstance(event, ServerSentEvent):
            return event
        return self._value(event)

    async def cancel(self) -> bool:
        """Cancel the upload, unless its verdict is known; returns whether it was cancelled.

        The iteration then ends with the outcome, `FAILED` if it was cancelled.

        Raises:
            ConnectionFailed: the server cannot be reached, so it is not known.
            Refused: the server does not allow it, or does not know the upload.
        """
        url = f"{self._client.url}uploads/{self.id}"
        with translated_errors(url):
            async with self._client.http.stream("DELETE", url) as response:
                if response.status_code == TOO_LATE:
                    return False
                await check_status(response)
        return True

    async def report(self) -> dict[str, Any]:
        """The whole report: the file, its sender, the validator, the steps and all findings.

        Raises:
            ClientError: as `Client.get`.
        """
        return await self._client.get(f"uploads/{self.id}")

    def _value(self, event: ServerSentEvent) -> UploadEvent:
        fields = json_object(event.data)
        if event.name == "finding":
            return Finding(
                str(fields.get("severity", "")),
                str(fields.get("code") or ""),
                str(fields.get("message", "")),
                fields.get("line"),
                fields.get("column"),
                str(fields.get("hint") or ""),
                fields,
            )
        if upload_id := fields.get("id"):
            self.id = str(upload_id)
            assert self._events is not None  # noqa: S101 # for mypy
            self._events.url = f"{self._client.url}uploads/{self.id}/events"
        status = UploadStatus(
            str(fields.get("status", "")),
            str(fields.get("detail", "")),
            str(fields.get("step") or ""),
            str(fields.get("state") or ""),
            fields,
        )
        if status.is_final:
            self.outcome = status
        return status

    def _unknown(self, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"the outcome of upload {self.id} is unknown ({reason or 'the stream ended'}); "
            "the server may have accepted the file"
        )

    async def _send(self) -> EventStream:
        url = self._client.url + "upload/rover-commands"
        boundary = secrets.token_hex(16)
        body, size = await to_thread.run_sync(self._open)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        head = _part_head(boundary, self._name)
        tail = f"\r\n--{boundary}--\r\n".encode()
        if size is not None:
            headers["Content-Length"] = str(len(head) + size + len(tail))
        http = self._client.http
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_TIMEOUT_S)
        request = http.build_request(
            "POST",
            url,
            params={"id": self.id},
            content=self._body(body, size, head, tail),
            headers={**headers, "Accept": "text/event-stream"},
            timeout=timeout,
        )
        try:
            response: httpx.Response | None
            with translated_errors(url):
                response = await http.send(request, stream=True)
                try:
                    await check_status(response)
                except Refused:
                    await response.aclose()
                    raise
        except ConnectionFailed:
            if not self._sent_all:
                raise
            response = None
        finally:
            if not isinstance(self._source, bytes) and body is not self._source:
                body.close()
        events = self._client.stream(
            f"uploads/{self.id}/events",
            {},
            silence_s=SILENCE_S,
            wait=True,
            give_up_s=GIVE_UP_S,
            is_last=lambda event: event.name == "message" and _is_final(event),
        )
        if response is not None:
            events.attach(response)
        return events

    def _open(self) -> tuple[BinaryIO, int | None]:
        """The file, and its size if it is known."""
        if isinstance(self._source, bytes):
            return io.BytesIO(self._source), len(self._source)
        if isinstance(self._source, Path):
            file = self._source.open("rb")
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            return file, size
        return self._source, None

    async def _body(
        self, file: BinaryIO, size: int | None, head: bytes, tail: bytes
    ) -> AsyncIterator[bytes]:
        yield head
        sent = 0
        while chunk := await to_thread.run_sync(file.read, CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            self._on_progress(sent, size)
        self._sent_all = True
        yield tail


def _part_head(boundary: str, name: str) -> bytes:
    """The lines before the file.

    Source: WHATWG HTML, 4.10.21.8 (multipart/form-data: how names are escaped).
    """
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode(errors="replace")


def _is_final(event: ServerSentEvent) -> bool:
    return json_object(event.data).get("status") in FINAL
