"""The state of a log in a file, and the changes that wait for a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rover.logs.base import Index
from rover.logs.batch import Batch
from rover.logs.runs import KEY, ended_runs
from rover.schema import OFFSET_BITS

if TYPE_CHECKING:
    from collections.abc import Collection

    from rover.logs.base import Record
    from rover.logs.batch import Trim
    from rover.logs.contents import Contents
    from rover.logs.mission_file import MissionFile

MAX_PENDING_BYTES = 16 * 2**20
"""Maximum bytes of records that wait for the disk; the oldest are dropped and counted."""

TOO_SLOW = "the disk is too slow"
"""Reason for dropped records outside of an outage."""


class Pending:
    """The streams and values of a log, and the changes that wait for the next transaction.

    Args:
        file: its journal has the records that wait.

    Attributes:
        index: the streams and values.
        ids: the id of each stream.
        lost: number of records that were dropped.
        lost_until: POSIX seconds at which the newest of them was appended.
        drop_reason: reason for the note about their offsets.
    """

    def __init__(self, file: MissionFile) -> None:
        self.index = Index()
        self.ids: dict[str, int] = {}
        self.lost = 0
        self.lost_until = 0.0
        self.drop_reason = TOO_SLOW
        self._file = file
        self._next_id = 1
        self._kept: dict[str, str] = {}  # the newest epoch of each stream in the file
        self._batch = Batch()
        self._begun: dict[str, str] = {}  # the epochs that are being written
        self._is_journaled = self._was_journaled = True  # everything waiting, and being written
        self._lacks_records = False  # the journal does, of those that are not in the file

    def __bool__(self) -> bool:
        return bool(self._batch)

    @property
    def is_journaled(self) -> bool:
        """Whether the journal has everything that waits or is being written."""
        return self._is_journaled and self._was_journaled

    @property
    def is_safe(self) -> bool:
        """Whether the file or the journal has each record so far."""
        return self._file.journal is not None and not self._lacks_records

    def load(self, contents: Contents) -> None:
        """Begin with the contents of a file."""
        self.index, self.ids = contents.index, contents.ids
        self._next_id = max(self.ids.values(), default=0) + 1
        self._kept = {key: stream.epochs[-1][0] for key, stream in self.index.streams.items()}

    def begin(self, key: str, epoch: str, first: int = 1) -> None:
        """See `Log.begin`."""
        self.index.begin(key, epoch, first)
        self._is_journaled = False  # only records are
        if key not in self.ids:
            self.ids[key] = self._next_id
            self._next_id += 1
        self._batch.begun.append((self.ids[key], key, epoch, first, first - 1))

    def keeps_epoch(self, key: str) -> bool:
        """See `Log.keeps_epoch`."""
        stream = self.index.streams.get(key)
        return stream is not None and self._kept.get(key) == stream.epochs[-1][0]

    def append(self, key: str, record: Record) -> None:
        """See `Log.append`."""
        stream = self.index.streams[key]
        if (ended := ended_runs(self.index.values, stream, record)) is not None:
            self.put(KEY + key, ended)
        offset, at, kind, data, t = record
        encoded = self._batch.append((self.ids[key] << OFFSET_BITS | offset, at, t, kind, data))
        if not self._journal(encoded):
            self._is_journaled = False
        stream.last = offset
        if self._batch.size > MAX_PENDING_BYTES:
            self._drop_oldest()

    def _journal(self, record: bytes) -> bool:
        """Store a record in the journal, unless that would hide that it lacks one before it."""
        journal = self._file.journal
        if journal is None or self._lacks_records or not journal.append(record):
            self._lacks_records = True
        return not self._lacks_records

    def trim(self, key: str, before: int, kinds: Collection[str] | None = None) -> None:
        """See `Log.trim`."""
        self._batch.trims[self.ids[key], None if kinds is None else frozenset(kinds)] = before

    def delete(self, key: str) -> None:
        """See `Log.delete`."""
        if self.index.streams.pop(key, None) is None:
            return
        if KEY + key in self.index.values:
            self.put(KEY + key, None)
        id_ = self.ids.pop(key)
        self._is_journaled = False  # only records are
        self._kept.pop(key, None)
        self._batch.delete(id_)

    def put(self, key: str, value: str | None) -> None:
        """See `Log.put`."""
        self.index.put(key, value)
        self._batch.items[key] = value
        self._is_journaled = False  # only records are

    def take(self) -> Batch:
        """Return the waiting changes for one transaction. Call `written` or `put_back` after it."""
        batch, self._batch = self._batch, Batch()
        self._was_journaled, self._is_journaled = self._is_journaled, True
        if self._file.journal is not None:
            self._file.journal.seal()
        self._begun = {
            key: epoch for id_, key, epoch, *_ in batch.begun if self.ids.get(key) == id_
        }
        self._kept |= self._begun
        return batch

    def written(self, batch: Batch, unfinished: Collection[Trim]) -> None:
        """Note that a batch is in the file.

        Args:
            batch: the batch.
            unfinished: its trims that the next transaction continues.
        """
        self._was_journaled = True
        if self._file.journal is not None:
            self._file.journal.clear_sealed()
        if self._lacks_records:  # now only of those that wait
            self._lacks_records = False
            all(self._journal(record) for pack in self._batch.packs for record in pack.records)
        self._batch.trims = {trim: batch.trims[trim] for trim in unfinished} | self._batch.trims

    def put_back(self, batch: Batch) -> None:
        """Put a batch that was not written before the later changes."""
        for key in self._begun:
            self._kept.pop(key, None)
        since, self._batch = self._batch, batch
        batch.extend(since)
        self._drop_oldest()
        self._is_journaled, self._was_journaled = self.is_journaled, True

    def _drop_oldest(self) -> None:
        if dropped := self._batch.drop_oldest(MAX_PENDING_BYTES, self.drop_reason):
            self.lost += dropped
            self.lost_until = max(hole.until for hole in self._batch.holes.values())
