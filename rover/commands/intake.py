"""The begin of uploads: which files are accepted for a check, and how many at once."""

from __future__ import annotations

import re
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any

from rover.commands.accepts import Accepts
from rover.commands.names import display_name
from rover.commands.upload import Upload
from rover.errors import BadUploadId, CommandsOff, Draining, NotStarted, WrongFileName
from rover.shares import Pool
from sources.base import SourceError
from sources.none import Off
from sources.rules import steps_mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rover.commands.uploads import Uploads
    from rover.guard import Guard
    from rover.logs.base import Log
    from rover.settings import Settings
    from rover.topic import Topic
    from sources.base import CommandValidator, Step

ID_PATTERN = "[A-Za-z0-9_-]{1,64}"
"""An id that a client may choose. It is also the name of the incoming file."""

UPLOAD_ID = re.compile(ID_PATTERN)


class Intake:
    """Begins uploads.

    Args:
        guard: calls the validator.
        validator: checks the files.
        uploads: all uploads.
        settings: the limits.
        notify: called with the topic of each upload that has new events.
        log: keeps the uploads; `None` if a restart may forget them.
        source: the scheme or the name of the validator, for the reports.

    Attributes:
        pool: the uploads that are being received or checked.
        partial: the resumable uploads whose file has not arrived completely.
        is_open: whether `Commands` runs.
        is_closed: whether the server is shutting down.
    """

    def __init__(
        self,
        guard: Guard,
        validator: CommandValidator,
        uploads: Uploads,
        settings: Settings,
        *,
        notify: Callable[[Topic[Any, Any]], None] | None,
        log: Log | None,
        source: str,
    ) -> None:
        share, limit = settings.client_share, settings.max_uploads
        self.pool = Pool("uploads", "ROVER_MAX_UPLOADS", limit, share)
        self.partial = Pool("partial uploads", "ROVER_MAX_UPLOADS", limit, share)
        self.is_open = self.is_closed = False
        self._guard = guard
        self._validator = validator
        self._uploads = uploads
        self._settings = settings
        self._notify = notify
        self._log = log
        self._source = source

    @property
    def accepts(self) -> Accepts:
        """Which files the validator checks.

        Raises:
            SourceError: its limits cannot be read.
        """
        return Accepts.of(self._guard, self._validator, self._settings.max_upload_bytes)

    def check_capacity(self, client: str | None = None) -> None:
        """Check that another upload may begin. Call it before the request's body is read.

        Args:
            client: who sends the file; `None` is this program.

        Raises:
            NotStarted: `run` has not started.
            Draining: the server is shutting down.
            PoolFull: `ROVER_MAX_UPLOADS` uploads are unfinished, or the client's share of them.
        """
        if self.is_closed:
            raise Draining(max(1, self._settings.retry_ms // 1000))
        if isinstance(self._validator, Off):
            raise CommandsOff
        if not self.is_open:
            raise NotStarted
        self.pool.check(client)

    def check_id(self, upload_id: str) -> None:
        """Check that a client may choose an id.

        Raises:
            BadUploadId: it has other characters than allowed.
            UploadExists: an upload has it.
        """
        if not UPLOAD_ID.fullmatch(upload_id):
            raise BadUploadId(upload_id)
        self._uploads.check_unused(upload_id)

    def begin(
        self,
        name: str,
        size: int | None = None,
        client: str | None = None,
        by: str = "",
        upload_id: str = "",
        *,
        resumable: bool = False,
    ) -> Upload:
        """Create an upload. The caller passes it to `receive`, or to `append` if it is resumable.

        Args:
            name: the file's name as the client sent it; any string. A file without one has that of
                the upload, and the first suffix that the validator checks.
            size: bytes of the file, if the client stated it. It is published, but not relied on.
            client: who sends the file; `None` is this program.
            by: the name of the person who sends it; empty if unknown.
            upload_id: the id that the client chose; empty for a new one.
            resumable: whether the file may arrive in several requests.

        Raises:
            RoverError: as `check_capacity` and `check_id`.
            UploadTooBig: the stated size is over the limit.
            WrongFileName: the validator does not check such files.
            SourceError: the steps or the limits of the validator cannot be read.
        """
        self.check_capacity(client)
        if upload_id:
            self.check_id(upload_id)
        accepts = self.accepts
        accepts.check_size(size)
        name = name or upload_id + "".join(accepts.suffixes[:1])
        if not accepts.allows(display_name(name)):
            raise WrongFileName(display_name(name), accepts.suffixes)
        pool = self.partial if resumable else self.pool
        upload = Upload(
            name,
            size,
            self.steps(),
            self._notify,
            partial(pool.release, client),
            by,
            upload_id,
            log=self._log,
            client=client,
        )
        upload.validator = {"source": self._source, "dictionary": accepts.dictionary}
        upload.max_bytes = accepts.max_bytes
        upload.is_resumable, upload.touched = resumable, time() if resumable else None
        pool.acquire(client)
        upload.publish_received("receiving the file")
        self._uploads.add(upload)
        return upload

    def steps(self) -> Sequence[Step]:
        """The steps of the check.

        Raises:
            SourceError: they cannot be read, or are wrong.
        """
        steps = self._guard.read("steps", lambda: self._validator.steps)
        if mistake := self._guard.read("steps", steps_mistake, steps):
            raise SourceError(f"the validator made a mistake: {mistake.text}")
        return steps
