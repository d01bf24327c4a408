"""The transfer of files: in one request, or in several that resume each other."""

from __future__ import annotations

import logging
from time import time
from typing import TYPE_CHECKING

from anyio import CancelScope, Event, get_cancelled_exc_class, to_thread

from rover.commands.block_writer import BlockWriter
from rover.commands.checks import SHUTTING_DOWN
from rover.commands.throttle import Throttle
from rover.commands.upload_state import Status
from rover.errors import (
    Draining,
    LengthMismatch,
    NotWritten,
    OffsetMismatch,
    RoverError,
    UploadComplete,
    UploadEnded,
    UploadInterrupted,
    UploadPaused,
    UploadTooBig,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rover.commands.checks import Checks
    from rover.commands.inbox import CommandFile, Inbox
    from rover.commands.upload import Upload
    from rover.shares import Pool

logger = logging.getLogger("rover.commands")

PROGRESS_PERIOD_S = 0.25
"""Minimum number of seconds between two events about received bytes."""

RETRY_AFTER_S = 2
"""Seconds after which a client should resume a transfer that a shutdown ended."""

EMPTY = "the file is empty"


class Transfers:
    """Writes the bytes of uploads to disk.

    Args:
        inbox: the folders for the files.
        checks: ends uploads that fail.
        pool: the uploads that are being received or checked.
        save: stores the state of an upload in the log.
        start_check: starts the check of a file; returns `False` at shutdown.
        clock: monotonic seconds, for the rate of progress events.
        is_closed: returns whether the server is shutting down.
    """

    def __init__(
        self,
        inbox: Inbox,
        checks: Checks,
        pool: Pool,
        *,
        save: Callable[[Upload], None],
        start_check: Callable[[Upload, CommandFile], bool],
        clock: Callable[[], float],
        is_closed: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._checks = checks
        self._pool = pool
        self._save = save
        self._start_check = start_check
        self._clock = clock
        self._is_closed = is_closed

    async def receive(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        """Write the file to disk and start its check. Returns before the check has finished.

        Errors are not raised, also those of `chunks`: the upload ends as `FAILED` with the reason.
        If this call is cancelled, the upload also ends as `FAILED`.
        """
        file, detail = None, SHUTTING_DOWN
        try:
            with upload.receiving:
                upload.file = self._inbox.create(upload.id)
                await self._write(upload, upload.file, chunks)
                file = upload.file
        except get_cancelled_exc_class():
            await self._checks.fail(upload, str(UploadInterrupted(upload.received)))
            raise
        except RoverError as exc:
            detail = str(exc)
        except OSError as exc:
            detail = f"the server could not write the file: {exc.strerror}"
        except Exception:  # `chunks` may raise anything; the upload must finish
            logger.exception(
                "upload of %s: receiving it failed", upload.name, extra={"upload": upload.id}
            )
            detail = "receiving the file failed; see the server's log"
        if upload.is_cancelled and file is None:
            await self._checks.cancel(upload)
        elif file is None:
            await self._checks.fail(upload, detail)
        else:
            await self._complete(upload, file)

    async def _complete(self, upload: Upload, file: CommandFile) -> None:
        upload.size = upload.received
        upload.sha256 = file.sha256
        self._save(upload)  # with the next event
        upload.publish_received("received the file")
        upload.status = Status.VALIDATING
        if not upload.received:
            await self._checks.fail(upload, EMPTY)
        elif not self._start_check(upload, file):
            await self._checks.fail(upload, SHUTTING_DOWN)

    async def _write(self, upload: Upload, file: CommandFile, chunks: AsyncIterator[bytes]) -> None:
        throttle = Throttle(PROGRESS_PERIOD_S, self._clock)
        async with BlockWriter(file) as writer:  # what has arrived is kept
            async for chunk in chunks:
                received = upload.received + len(chunk)
                if received > upload.max_bytes:
                    raise UploadTooBig(upload.max_bytes)
                if upload.is_resumable:
                    _check_end(upload, received)
                upload.received = received
                await writer.add(chunk)
                if throttle.is_due():
                    upload.publish_received("receiving the file")

    async def append(
        self,
        upload: Upload,
        offset: int,
        chunks: AsyncIterator[bytes],
        *,
        completes: bool | None,
        length: int | None = None,
        size: int | None = None,
    ) -> None:
        """Append the bytes of a request to a resumable upload, and start its check at the end.

        A request that is sending the same file ends: its connection is probably dead.

        Args:
            upload: a resumable upload.
            offset: position of the first byte in the file.
            chunks: the bytes.
            completes: whether the file ends with these bytes; `None` if it ends at its length.
            length: bytes of the file, if the client states it.
            size: bytes of the request, if the client states it.

        Raises:
            OffsetMismatch: the file does not have that many bytes.
            LengthMismatch: another length was stated before, or the file has another one. Bytes
                beyond its end are refused, and the upload can go on.
            UploadComplete: all bytes have arrived before.
            UploadEnded: the upload has ended before that.
            UploadTooBig: the file is over the limit; the upload has failed.
            UploadPaused: the request was interrupted; the bytes so far are kept.
            NotWritten: the disk is full, or fails; the upload has failed.
            PoolFull: too many uploads are being received.
            Draining: the server is shutting down; the bytes so far are kept.
        """
        if self._is_closed():
            raise Draining(RETRY_AFTER_S)
        await self.interrupt(upload)
        upload.check_not_ended()
        if not upload.is_partial:
            raise UploadComplete(upload.id)
        if offset != upload.received:
            raise OffsetMismatch(offset, upload.received)
        self._set_length(upload, length)
        _check_end(upload, offset + (size or 0))
        self._pool.acquire(upload.client)
        release_partial = upload.on_finish
        ended = upload.request = Event()
        upload.receiving = CancelScope()
        completed = False
        try:
            await self._append(upload, chunks)
            completed = _is_complete(upload, completes)
            if completed:
                upload.on_finish = lambda: self._pool.release(upload.client)
                release_partial()
                assert upload.file is not None  # noqa: S101 # for mypy
                await self._complete(upload, upload.file)
        finally:
            if not completed:
                self._pool.release(upload.client)
            upload.touched = time()
            self._save(upload)
            ended.set()

    async def _append(self, upload: Upload, chunks: AsyncIterator[bytes]) -> None:
        try:
            with upload.receiving:
                if upload.file is None:
                    upload.file = self._inbox.create(upload.id)
                upload.publish_received("receiving the file")
                try:
                    await self._write(upload, upload.file, chunks)
                except UploadInterrupted:
                    if upload.received != upload.size:
                        raise
                await to_thread.run_sync(upload.file.flush)
        except UploadTooBig as exc:
            await self._checks.fail(upload, str(exc))
            raise
        except LengthMismatch as exc:
            upload.publish_received(f"{exc}; the transfer can be resumed")
            raise
        except UploadInterrupted as exc:
            upload.publish_received("interrupted; the transfer can be resumed")
            raise UploadPaused(upload.received) from exc
        except OSError as exc:
            detail = f"the server could not write the file: {exc.strerror}"
            await self._checks.fail(upload, detail)
            raise NotWritten(detail) from exc
        if upload.receiving.cancelled_caught:
            if upload.is_cancelled:
                await self._checks.cancel(upload)
                raise UploadEnded(upload.id, "a client cancelled it")
            if self._is_closed():
                raise Draining(RETRY_AFTER_S)
            raise UploadPaused(upload.received)

    def _set_length(self, upload: Upload, length: int | None) -> None:
        if length is None:
            return
        if upload.size not in (None, length):
            raise LengthMismatch(length, upload.size)
        if length < upload.received:
            raise LengthMismatch(upload.received, length)
        if length > upload.max_bytes:
            raise UploadTooBig(upload.max_bytes)
        upload.size = length

    async def interrupt(self, upload: Upload) -> None:
        """End the request that sends the file, if there is one; its bytes are kept."""
        if upload.request is not None and not upload.request.is_set():
            upload.receiving.cancel()
            await upload.request.wait()


def _check_end(upload: Upload, end: int) -> None:
    """Check that bytes do not go beyond the length that the client stated.

    Args:
        upload: a resumable upload.
        end: position in the file after the bytes.

    Raises:
        LengthMismatch: they do.
    """
    if upload.size is not None and end > upload.size:
        raise LengthMismatch(end, upload.size)


def _is_complete(upload: Upload, completes: bool | None) -> bool:
    """Whether the file has arrived.

    Raises:
        LengthMismatch: it has another length than the client stated.
    """
    if completes is None:
        return upload.received == upload.size
    if completes and upload.size not in (None, upload.received):
        raise LengthMismatch(upload.received, upload.size)
    return completes
