"""What a scan of a folder finds, and what has changed since the scan before."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence, Set

    from sources.base import Image
    from sources.directory.signature import Signature
    from sources.values.images import Described

MAX_INSERTED = 1_000
"""Maximum number of images that are inserted one by one; more are sorted with all others."""


class Arrival(NamedTuple):
    """When the first bytes of a revision arrived here, in an order with all others.

    Attributes:
        scan: the number of the scan that found it; 0 for the first.
        t: POSIX seconds of the last change of the file before that scan.
        name: of the file, its path in the folder.
    """

    scan: int
    t: float
    name: str


class LabelState(NamedTuple):
    """The label of an image in a file of its own.

    Attributes:
        signature: of its file.
        described: what it says of the image; `None` if nothing.
    """

    signature: Signature
    described: Described | None


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was at the last scan.

    Attributes:
        signature: of the file then.
        unchanged_since: by the folder's clock.
        arrival: of the image's revision.
        image: the image in the file; `None` if it is not an image.
        problem: why it is not an image.
        ends: the first and the last bytes of an arriving image; they stay while it only grows.
        searched: whether its end was searched for in the whole file.
        is_patched: the beginning of an arriving image may still change.
        label: in a file of its own; `None` without one.
    """

    signature: Signature
    unchanged_since: float
    arrival: Arrival
    image: Image | None = None
    problem: str = ""
    ends: tuple[bytes, bytes] = (b"", b"")
    searched: bool = False
    is_patched: bool = False
    label: LabelState | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """The folder as it was at one scan.

    Attributes:
        files: by file name.
        number: of the scan.
        images: the newest arrival first.
        folders: names of the folder itself (empty) and of its subfolders.
        arriving: names of the images that are not complete.
        new: names of images that are new, or were replaced, since the scan before.
        skipped: names of files that are not images, and why, if the scan before did not list them.
    """

    files: Mapping[str, FileState]
    number: int = -1
    images: Sequence[Image] = ()
    folders: Set[str] = frozenset()
    arriving: Sequence[str] = ()
    new: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = ()


EMPTY = Scan({})
"""Before the first scan."""


def next_scan(
    before: Scan, files: dict[str, FileState], folders: Set[str], changed: Collection[str]
) -> Scan:
    """The scan after `before`; that itself if nothing has changed."""
    if not changed:
        return before if folders == before.folders else replace(before, folders=folders)

    def arrival(name: str) -> Arrival:
        return files[name].arrival

    def arrival_of(image: Image) -> Arrival:
        return files[image.id].arrival

    added = [image for name in changed if name in files and (image := files[name].image)]
    images = [image for image in reversed(before.images) if image.id not in changed]
    if len(added) > MAX_INSERTED:
        images = sorted([*images, *added], key=arrival_of)
    else:
        for image in sorted(added, key=arrival_of):
            insort(images, image, key=arrival_of)
    images.reverse()
    new: list[str] = []
    skipped: list[tuple[str, str]] = []
    for name in sorted((name for name in changed if name in files), key=arrival):
        state, last = files[name], before.files.get(name)
        if state.image is None:
            if last is None or last.problem != state.problem:
                skipped.append((name, state.problem))
        elif last is None or last.image is None or last.image.revision != state.image.revision:
            new.append(name)
    arriving = [name for name in before.arriving if name not in changed]
    arriving += [image.id for image in added if not image.complete]
    return Scan(files, before.number + 1, images, folders, arriving, new, skipped)
