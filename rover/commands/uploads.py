"""The uploads of a data folder: the unfinished ones, and the record of the finished ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint

from rover.commands.entry import Entry
from rover.commands.records import forget, save, saved_upload, saved_uploads
from rover.commands.upload import Upload
from rover.errors import UnknownUpload, UploadExists

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from rover.commands.records import SavedUpload
    from rover.logs.base import Log
    from rover.topic import Topic

MAX_OPEN = 200
"""Maximum number of finished uploads whose events are in memory."""

RESTORED_AT_ONCE = 20
"""Number of uploads that a start restores before other tasks run."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which uploads a list has. `None` for any.

    Attributes:
        statuses: of the uploads.
        name: part of the name of the file, in any case.
        by: who sent the file.
        sha256: of the file, in lower-case hex.
        since: POSIX seconds of the earliest begin.
        until: POSIX seconds before which the upload began.
    """

    statuses: Collection[str] | None = None
    name: str | None = None
    by: str | None = None
    sha256: str | None = None
    since: float | None = None
    until: float | None = None

    def matches(self, entry: Entry) -> bool:
        """Whether the list has the upload."""
        began = entry.began or 0.0
        return (
            (self.statuses is None or entry.status in self.statuses)
            and (self.name is None or self.name.casefold() in entry.name.casefold())
            and (self.by is None or self.by == entry.by)
            and (self.sha256 is None or self.sha256 == entry.sha256)
            and (self.since is None or began >= self.since)
            and (self.until is None or began < self.until)
        )


class Uploads:
    """The uploads by id. The log keeps their record.

    Args:
        log: keeps the uploads; `None` if a restart may forget them.
        kept: maximum number of finished uploads; the oldest are forgotten.
        notify: called with the topic of each upload that has new events.
        delete_artifact: deletes the artifact with this SHA-256, which no upload has any more.
    """

    def __init__(
        self,
        log: Log | None,
        kept: int,
        notify: Callable[[Topic[Any, Any]], None] | None,
        delete_artifact: Callable[[str], None],
    ) -> None:
        self._log = log
        self._kept = kept
        self._notify = notify
        self._delete_artifact = delete_artifact
        self._open: dict[str, Upload] = {}  # with their events, oldest first
        self._entries: dict[str, Entry] = {}  # of finished uploads, oldest first
        self._begun = 0

    async def restore(self) -> list[tuple[Upload, SavedUpload]]:
        """Take over the uploads from before a restart; returns the unfinished ones."""
        unfinished = []
        uploads = {} if self._log is None else await saved_uploads(self._log)
        for index, (upload_id, saved) in enumerate(uploads.items()):
            if index % RESTORED_AT_ONCE == 0:
                await checkpoint()
            self._begun = max(saved.number, self._begun)
            if saved.finished:
                self._entries[upload_id] = Entry.of(upload_id, saved)
                if saved.sending is None:
                    continue
            upload = self._restored(upload_id, saved)
            if not saved.finished:
                unfinished.append((upload, saved))
            if not saved.finished or upload.is_on_its_way:
                self._open[upload_id] = upload
        return unfinished

    def _restored(self, upload_id: str, saved: SavedUpload) -> Upload:
        upload = Upload(
            saved.name,
            saved.size,
            (),
            self._notify,
            by=saved.by,
            upload_id=upload_id,
            log=self._log,
        )
        upload.restore(saved)
        return upload

    def check_unused(self, upload_id: str) -> None:
        """Check that no upload has an id.

        Raises:
            UploadExists: there is one.
        """
        if upload_id in self._open or upload_id in self._entries:
            raise UploadExists(upload_id)

    def add(self, upload: Upload) -> None:
        """Add a new upload, and forget the oldest finished ones beyond the limit."""
        self._open[upload.id] = upload
        self._begun += 1
        upload.number = self._begun
        self.save(upload)
        ended = [one for one in self._entries if one not in self._open or self._is_over(one)]
        for upload_id in ended[: max(0, len(self._entries) - self._kept)]:
            self._forget(upload_id)
        finished = [one for one in self._open if self._is_over(one)]
        most = self._kept if self._log is None else min(MAX_OPEN, self._kept)
        for upload_id in finished[:-most]:
            del self._open[upload_id]

    def _is_over(self, upload_id: str) -> bool:
        """Whether an open upload has finished, and is not on its way."""
        upload = self._open[upload_id]
        return upload.finished.is_set() and not upload.is_on_its_way

    def on_their_way(self) -> list[Upload]:
        """The uploads whose sequences are in the queue, or wait for an answer."""
        return [upload for upload in self._open.values() if upload.is_on_its_way]

    def _forget(self, upload_id: str) -> None:
        entry = self._entries.pop(upload_id)
        self._open.pop(upload_id, None)
        if self._log is not None:
            forget(self._log, upload_id)
        artifact = entry.artifact
        if artifact is not None and not any(
            one.artifact is not None and one.artifact.sha256 == artifact.sha256
            for one in self.entries()
        ):
            self._delete_artifact(artifact.sha256)

    def save(self, upload: Upload) -> None:
        """Store the state of an upload: it is kept from the next commit of the log."""
        if upload.finished.is_set():
            self._entries[upload.id] = upload.entry
        if self._log is not None:
            save(self._log, upload.id, upload.saved())

    def find(self, upload_id: str) -> Upload:
        """The upload with that id.

        Raises:
            UnknownUpload: no upload has it.
        """
        if (upload := self._open.get(upload_id)) is not None:
            return upload
        if upload_id in self._entries and self._log is not None:
            saved = saved_upload(self._log, upload_id)
            if saved is not None:
                return self._restored(upload_id, saved)
        raise UnknownUpload(upload_id)

    def unfinished(self) -> list[Upload]:
        """The uploads that have not finished, oldest first."""
        return [upload for upload in self._open.values() if not upload.finished.is_set()]

    def entries(self) -> Iterator[Entry]:
        """All uploads, the newest first."""
        unfinished = [upload.entry for upload in self.unfinished()]
        found = [*self._entries.values(), *unfinished]
        return iter(sorted(found, key=lambda entry: entry.number, reverse=True))

    def page(
        self, chosen: Filter, limit: int, before: int | None = None
    ) -> tuple[list[Entry], int | None]:
        """Some uploads, the newest first, and the position of the next page.

        Args:
            chosen: which uploads.
            limit: maximum number of uploads.
            before: the position of the page; `None` for the first.

        Returns:
            The uploads, and the position of the next page or `None`.
        """
        matching = (
            entry
            for entry in self.entries()
            if (before is None or entry.number < before) and chosen.matches(entry)
        )
        found = list(islice(matching, limit + 1))
        return found[:limit], found[limit - 1].number if len(found) > limit else None
