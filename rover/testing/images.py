"""What must hold of one `Image`, of a list of them, and of a picture's bytes."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause
from rover.testing.values import flaw_of_scalars, flaw_of_text, flaw_of_time, is_sequence_of
from sources.base import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_ID = 200
MAX_CHUNK_BYTES = 2**20


def check_list(images: Sequence[Image]) -> Sequence[Image]:
    """The list, if it is one.

    Raises:
        ContractBroken: it is none, or holds what it must not.
    """
    Clause.CAMERA_LISTED.require(
        is_sequence_of(Image, images),
        f"images() gave {images!r}, and must give a sequence of Images",
    )
    for image in images:
        check_image(image)
    ids = [image.id for image in images]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    Clause.CAMERA_IDS.require(not twice, f"several pictures have the id {', '.join(twice)}")
    taken = [image.taken_at for image in images if image.taken_at is not None]
    received = [image.received_at for image in images if image.received_at is not None]
    Clause.CAMERA_NEWEST.require(
        _falls(taken) or _falls(received),
        "the list is in order neither by taken_at nor by received_at: "
        + ", ".join(f"{image.id} ({image.taken_at}, {image.received_at})" for image in images),
    )
    return images


def _falls(times: Iterable[float]) -> bool:
    return all(before >= after for before, after in pairwise(times))


def check_image(image: Image) -> None:
    """Return if what it says of its picture can be.

    Raises:
        ContractBroken: it cannot.
    """
    what = repr(image.id)
    flaw = flaw_of_text(image.id)
    Clause.CAMERA_IDS.require(not flaw, f"an id is {flaw}")
    Clause.CAMERA_IDS.require(
        len(image.id) <= LONGEST_ID and image.id not in (".", "..") and "\0" not in image.id,
        f"{what} cannot be an id",
    )
    Clause.CAMERA_VALUE.require(
        re.fullmatch(r"[\w.+-]+/[\w.+-]+", str(image.content_type)),
        f"the content type of {what} is {image.content_type!r}",
    )
    flaw = flaw_of_text(image.revision, empty=True)
    Clause.CAMERA_VALUE.require(not flaw, f"the revision of {what} is {flaw}")
    for name, count in (
        ("size", image.size),
        ("received", image.received),
        ("width", image.width),
        ("height", image.height),
    ):
        Clause.CAMERA_VALUE.require(
            count is None or (type(count) is int and count >= (name in ("width", "height"))),
            f"the {name} of {what} is {count!r}",
        )
    for name, t in (("taken_at", image.taken_at), ("received_at", image.received_at)):
        flaw = "" if t is None else flaw_of_time(t)
        Clause.CAMERA_VALUE.require(not flaw, f"{name} of {what} is {flaw}")
    flaw = flaw_of_scalars(image.metadata)
    Clause.CAMERA_VALUE.require(not flaw, f"the metadata of {what} is {flaw}")
    _check_completeness(image, what)


def _check_completeness(image: Image, what: str) -> None:
    if image.complete:
        Clause.CAMERA_COMPLETE.require(
            image.size == image.received,
            f"{what} is complete, with {image.received} bytes of {image.size}",
        )
    else:
        Clause.CAMERA_COMPLETE.require(
            image.size is None or image.received <= image.size,
            f"of {what}, {image.received} bytes of {image.size} have arrived",
        )
    Clause.CAMERA_SHA256.require(
        image.sha256 is None or re.fullmatch("[0-9a-f]{64}", image.sha256),
        f"the sha256 of {what} is {image.sha256!r}",
    )
    Clause.CAMERA_PATH.require(
        image.path is None or (image.complete and isinstance(image.path, Path)),
        f"the path of {what} is {image.path!r}, and complete is {image.complete}",
    )


def check_chunks(image_id: str, chunks: Iterable[bytes]) -> bytes:
    """All of the chunks as one.

    Raises:
        ContractBroken: one is empty, too large, or none.
    """
    for chunk in chunks:
        Clause.CAMERA_CHUNKS.require(
            isinstance(chunk, bytes), f"open({image_id!r}) yielded a {type(chunk).__name__}"
        )
        Clause.CAMERA_CHUNKS.require(
            0 < len(chunk) <= MAX_CHUNK_BYTES,
            f"open({image_id!r}) yielded a chunk of {len(chunk):,} bytes",
        )
    return b"".join(chunks)


def check_bytes(image: Image, data: bytes) -> None:
    """Return if these are the bytes of that complete picture.

    Raises:
        ContractBroken: they are not.
    """
    Clause.CAMERA_WHOLE.require(
        len(data) == image.size,
        f"open({image.id!r}) yielded {len(data):,} bytes and ended; its size is {image.size}",
    )
    Clause.CAMERA_SHA256.require(
        image.sha256 in (None, sha256(data).hexdigest()),
        f"the bytes of {image.id!r} have another SHA-256 than it says",
    )
    if image.path is not None:
        Clause.CAMERA_PATH.require(
            image.path.is_file() and image.path.read_bytes() == data,
            f"the file {image.path} does not hold what open({image.id!r}) yields",
        )
