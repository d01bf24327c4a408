"""The images in a folder, and the changes since the last scan.

The first bytes of a file, not its name, decide whether it is an image. Hidden and temporary names
(`.x`, `x~`, `x.part`, `x.tmp` …) are skipped, and symlinks that lead out of the folder (`tree`).
Only files that changed are opened, so scanning an unchanged folder costs one `stat` per name.

An image is complete when its file has all bytes that its format requires (`is_whole`), at its end
or, once it has not changed for `settle_s`, anywhere. A file that stops before that is not complete,
however long ago it stopped. If a complete file changes, the image counts as replaced.

Writers of TIFF, WebP and other formats (`is_patched`) fill in the beginning of a file at last.
Nothing of such a file is readable before it is complete, and was not changed since the scan before.

Images are in the order in which they arrived here. The times of files are of another clock, which
may be wrong: they count only for the files of the first scan, if they are not in the future.

Two changes cannot be detected: a file rewritten with the same length within one tick of the file
system's clock; and a file rewritten between two scans that is now longer, and has the same first
and last bytes at its old end.

All functions block, and run in a worker thread.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, BinaryIO

from sources.base import Image
from sources.directory.contents import Contents
from sources.directory.scan import EMPTY, Arrival, FileState, LabelState, Scan, next_scan
from sources.directory.signature import Signature
from sources.directory.tree import Found, Tree
from sources.values.images import (
    MAX_LABEL_BYTES,
    ImageFacts,
    image_names,
    is_temporary,
    label_names,
    problem_of_name,
    read_label,
    time_in_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

ENDS_BYTES = 4096
"""Bytes at the beginning and at the end of an arriving file that are compared at the next scan."""

MIN_TIME_S = 946_684_800.0
"""POSIX seconds of the year 2000. A file has an earlier time if its clock was not set."""

MAX_FACTS = 5_000
"""Maximum number of files whose Exif data is read in one scan: each costs up to a millisecond."""

FIRST_FILES = 500
"""Number of the newest files that are read first."""


class Folder:
    """A folder on disk.

    Args:
        path: of the folder; resolved again at each scan.
        settle_s: seconds without a change after which an image may have other bytes after its end.
        clock: seconds, monotonic.
        progress: called for each file that a scan lists or reads.
    """

    def __init__(
        self,
        path: Path,
        settle_s: float,
        clock: Callable[[], float],
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.tree = Tree(path)
        self._progress = progress
        self._settle_s = settle_s
        self._clock = clock
        self._facts_left = 0

    def scan(self, before: Scan) -> Scan:
        """Scan the folder, and compare it with the scan `before`; returns that if nothing changed.

        Raises:
            OSError: the folder cannot be listed.
        """
        folders: set[str] = set()
        self._facts_left = MAX_FACTS
        found = self._walk(folders)
        files = dict(self._states(found.values(), found, before))
        known = before.files
        changed = {name for name, state in files.items() if known.get(name) is not state}
        return next_scan(before, files, folders, changed | (known.keys() - files.keys()))

    def first_scans(self, count: int = FIRST_FILES) -> Iterator[Scan]:
        """Yield a scan of the newest files, then one of all, in which no other image is new.

        So the newest images of a large folder are listed long before all its files were read.

        Args:
            count: number of files of the first scan.

        Raises:
            OSError: the folder cannot be listed.
        """
        folders: set[str] = set()
        self._facts_left = MAX_FACTS
        found = self._walk(folders)
        newest_first = sorted(found.values(), key=lambda one: one.status.st_mtime, reverse=True)
        newest, others = newest_first[:count], newest_first[count:]
        first = dict(self._states(newest, found, EMPTY))
        scan = next_scan(EMPTY, first, folders, first.keys())
        yield scan
        if others:
            more = dict(self._states(others, found, EMPTY))
            yield replace(next_scan(scan, {**first, **more}, folders, more.keys()), new=())

    def rescan(self, before: Scan, names: Collection[str]) -> Scan:
        """The same for these names only, and for those of arriving images.

        It scans the whole folder if one of the names is of a subfolder that is new or was removed.

        Raises:
            OSError: the folder cannot be listed.
        """
        if any(self.tree.is_folder(name) != (name in before.folders) for name in names):
            return self.scan(before)
        self._facts_left = MAX_FACTS
        states: dict[str, FileState | None] = {}
        labelled = (image for name in names for image in image_names(name) if image in before.files)
        for name in {*names, *before.arriving, *labelled}:
            if not is_temporary(name):
                is_listed = name.rpartition("/")[0] in before.folders
                found = self.tree.find(name) if is_listed else None
                states[name] = None if found is None else self._found(found, before)
        changed = {name for name, state in states.items() if before.files.get(name) is not state}
        if not changed:
            return before
        files = dict(before.files)
        for name in changed:
            if (state := states[name]) is not None:
                files[name] = state
            else:
                del files[name]
        return next_scan(before, files, before.folders, changed)

    def _walk(self, folders: set[str]) -> dict[str, Found]:
        """All regular files by name; adds the names of the folders."""
        found = {}
        for one in self.tree.walk(folders):
            found[one.name] = one
            self._progress()
        return found

    def signature(self, name: str) -> Signature | None:
        """The signature of the file with that name now; `None` if there is none."""
        found = self.tree.find(name)
        return None if found is None else Signature.of(found.status)

    def open(self, name: str) -> BinaryIO:
        """Open the file with that name.

        Raises:
            OSError: the file does not exist, or cannot be read.
        """
        found = self.tree.find(name)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.tree.open(found.target)

    def _arrival(self, name: str, status: os.stat_result, scan: int) -> Arrival:
        is_true = scan == 0 and MIN_TIME_S <= status.st_mtime <= status.st_ctime + 1
        return Arrival(scan, status.st_mtime if is_true else status.st_ctime, name)

    def _states(
        self, some: Iterable[Found], found: Mapping[str, Found], before: Scan
    ) -> Iterator[tuple[str, FileState]]:
        """The names and states of some of the files that were found."""
        has_labels = any(map(image_names, found))
        for one in some:
            labels = label_names(one.name) if has_labels else ()
            label = next((found[label] for label in labels if label in found), None)
            yield one.name, self._state(one, label, before)

    def _found(self, found: Found, before: Scan) -> FileState:
        """The state of a file whose label, if it has one, is not found yet."""
        labels = map(self.tree.find, label_names(found.name))
        return self._state(found, next(filter(None, labels), None), before)

    def _state(self, found: Found, label: Found | None, scan_before: Scan) -> FileState:
        now = self._clock()
        signature = Signature.of(found.status)
        arrival = self._arrival(found.name, found.status, scan_before.number + 1)
        before = scan_before.files.get(found.name)
        labelled = None if label is None else self._label(label, found.name, before)
        is_same = before is not None and (before.signature, before.label) == (signature, labelled)
        unchanged = before if is_same else None
        if unchanged is not None and not self._is_to_search(unchanged, now):
            return unchanged
        self._progress()
        if problem := problem_of_name(found.name):
            return FileState(signature, now, arrival, problem=problem)
        try:
            with self.tree.open(found.target) as file:
                contents = Contents(file, None if labelled is None else labelled.described)
                if unchanged is not None:
                    return self._searched(file, contents, unchanged, now, found.target)
                return self._inspect(file, contents, arrival, before, labelled, now, found.target)
        except OSError as exc:
            return FileState(signature, now, arrival, problem=exc.strerror or str(exc))

    def _label(self, label: Found, name: str, before: FileState | None) -> LabelState:
        """The label of the file with that name."""
        signature = Signature.of(label.status)
        if before is not None and before.label is not None and before.label.signature == signature:
            return before.label
        try:
            with self.tree.open(label.target) as file:
                return LabelState(
                    signature, read_label(file.read(MAX_LABEL_BYTES), label.name, name)
                )
        except OSError:
            return LabelState(signature, None)

    def _is_to_search(self, state: FileState, now: float) -> bool:
        """Whether an unchanged file may be complete without that its end was noticed."""
        image = state.image
        if image is None or image.complete or state.searched:
            return False
        return state.is_patched or now - state.unchanged_since >= self._settle_s

    def _searched(
        self, file: BinaryIO, contents: Contents, before: FileState, now: float, target: str
    ) -> FileState:
        assert before.image is not None  # noqa: S101 # `_is_to_search`
        if Signature.of(os.fstat(file.fileno())) != before.signature:
            return before  # the next scan inspects it
        has_settled = now - before.unchanged_since >= self._settle_s
        if contents.is_whole(search=has_settled):
            known = self._completed(contents, before.image.id, target, before.signature)
            return replace(before, image=replace(before.image, **known))
        return replace(before, searched=has_settled)

    def _inspect(
        self,
        file: BinaryIO,
        contents: Contents,
        arrival: Arrival,
        before: FileState | None,
        label: LabelState | None,
        now: float,
        target: str,
    ) -> FileState:
        status = os.fstat(file.fileno())
        signature = Signature.of(status)
        header, patched = contents.header, contents.is_patched
        if header is None:
            problem = "not an image of a known format"
            return FileState(signature, now, arrival, problem=problem, label=label)
        revision = _revision(signature, label)
        if before is not None and _is_arriving(before, signature):
            assert before.image is not None  # noqa: S101 # it is arriving
            if patched or _has_only_grown(file, signature, before):
                revision, arrival = before.image.revision, before.arrival
        is_at_start = before is None and arrival.scan == 0
        is_old = before is None and time.time() - status.st_mtime >= self._settle_s
        known: dict[str, Any] = {"received": 0 if patched else status.st_size}
        ends = (b"", b"")
        if (is_old or not patched) and contents.is_whole(search=is_old):
            known = self._completed(contents, arrival.name, target, signature)
        else:
            ends = _ends(file, status.st_size)
        image = Image(
            arrival.name,
            header.content_type,
            revision=revision,
            received_at=arrival.t if is_at_start else time.time(),
            width=header.width,
            height=header.height,
            **known,
        )
        return FileState(signature, now, arrival, image, ends=ends, is_patched=patched, label=label)

    def _completed(
        self, contents: Contents, name: str, target: str, signature: Signature
    ) -> dict[str, Any]:
        """What is known of an image when it is complete."""
        size = signature.size
        if self._facts_left:
            self._facts_left -= 1
            facts = contents.facts(name)
        else:
            facts = ImageFacts(time_in_name(name), {})
        return {
            "complete": True,
            "size": size,
            "received": size,
            "path": self.tree.path / target,
            "taken_at": facts.taken_at,
            "metadata": facts.metadata,
        }


def _revision(signature: Signature, label: LabelState | None) -> str:
    known = tuple(signature), None if label is None else tuple(label.signature)
    return sha256(repr(known).encode()).hexdigest()[:16]


def _is_arriving(before: FileState, signature: Signature) -> bool:
    """Whether this file was an incomplete image at the scan before."""
    is_incomplete = before.image is not None and not before.image.complete
    return is_incomplete and signature.is_same_file(before.signature)


def _has_only_grown(file: BinaryIO, signature: Signature, before: FileState) -> bool:
    """Whether the bytes of an arriving image stayed the same, as far as they are compared."""
    size = before.signature.size
    return signature.size >= size and _ends(file, size) == before.ends


def _ends(file: BinaryIO, size: int) -> tuple[bytes, bytes]:
    """The first and the last bytes of the first `size` bytes."""
    file.seek(0)
    first = file.read(min(ENDS_BYTES, size))
    file.seek(max(size - ENDS_BYTES, 0))
    return first, file.read(min(ENDS_BYTES, size))
