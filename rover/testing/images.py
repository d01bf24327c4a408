"""Checks of images, of the list of images, and of an image's bytes."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause, require_no_mistake
from rover.testing.samples import recent_error
from sources.base import Image
from sources.rules import chunk_mistake, image_mistake
from sources.rules.values import is_sequence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_list(images: Sequence[Image]) -> Sequence[Image]:
    """Return the images that `images()` returned.

    Raises:
        ContractBroken: they are not a sequence of valid images, with unique ids, newest first.
    """
    Clause.CAMERA_LISTED.require(
        is_sequence_of(Image, images), f"images() returned {images!r}: must be a sequence of Image"
    )
    for image in images:
        check_image(image)
    ids = [image.id for image in images]
    duplicates = sorted({image_id for image_id in ids if ids.count(image_id) > 1})
    Clause.CAMERA_IDS.require(
        not duplicates, f"images() returned several images with the id {', '.join(duplicates)}"
    )
    taken = [image.taken_at for image in images if image.taken_at is not None]
    received = [image.received_at for image in images if image.received_at is not None]
    Clause.CAMERA_NEWEST.require(
        _is_descending(taken) or _is_descending(received),
        "images() is sorted neither by taken_at nor by received_at, newest first: "
        + ", ".join(f"{image.id} ({image.taken_at}, {image.received_at})" for image in images),
    )
    return images


def _is_descending(times: Iterable[float]) -> bool:
    return all(before >= after for before, after in pairwise(times))


def check_image(image: Image) -> None:
    """Return if every attribute of the image is valid.

    Raises:
        ContractBroken: an attribute is not.
    """
    require_no_mistake(image_mistake(image))
    name = f"of image {image.id!r}"
    Clause.CAMERA_VALUE.require(
        re.fullmatch(r"[\w.+-]+/[\w.+-]+", image.content_type),
        f"content_type={image.content_type!r} {name}: must be a media type, such as image/png",
    )
    for attribute, t in (("taken_at", image.taken_at), ("received_at", image.received_at)):
        error = "" if t is None else recent_error(t)
        Clause.CAMERA_VALUE.require(not error, f"{attribute}={t!r} {name}: {error}")
    _check_completeness(image, name)


def _check_completeness(image: Image, name: str) -> None:
    if image.complete:
        Clause.CAMERA_COMPLETE.require(
            image.size == image.received,
            f"complete=True {name}: must be False while {image.received} of {image.size} bytes have"
            " arrived",
        )
    Clause.CAMERA_PATH.require(
        image.path is None or image.complete,
        f"path={image.path!r} {name}: must be None until the image is complete",
    )


def join_chunks(image_id: str, chunks: Iterable[bytes]) -> bytes:
    """Return the bytes of all chunks that `open()` yielded.

    Raises:
        ContractBroken: a chunk is empty, too large, or not `bytes`.
    """
    for chunk in chunks:
        require_no_mistake(chunk_mistake(chunk), repr(image_id)[:80])
    return b"".join(chunks)


def check_bytes(image: Image, data: bytes) -> None:
    """Return if these are the bytes of that complete image.

    Raises:
        ContractBroken: the size, the SHA-256 or the file of the image differs.
    """
    Clause.CAMERA_WHOLE.require(
        len(data) == image.size,
        f"open({image.id!r}) yielded {len(data):,} bytes and ended: must yield size={image.size}",
    )
    digest = sha256(data).hexdigest()
    Clause.CAMERA_SHA256.require(
        image.sha256 in (None, digest),
        f"sha256={image.sha256!r} of image {image.id!r}: must be that of its bytes, {digest!r}",
    )
    if image.path is not None:
        Clause.CAMERA_PATH.require(
            image.path.is_file() and image.path.read_bytes() == data,
            f"path={str(image.path)!r} of image {image.id!r}: must be a file with the bytes that"
            " open() yields",
        )
