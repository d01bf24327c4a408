"""Checks of images, of the list of images, and of an image's bytes."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rover.testing.clauses import Clause
from rover.testing.values import is_sequence_of, json_error, text_error, time_error
from sources.base import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_ID_CHARACTERS = 200
MAX_CHUNK_BYTES = 2**20


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
    error = text_error(image.id)
    Clause.CAMERA_IDS.require(not error, f"id={image.id!r}: {error}")
    Clause.CAMERA_IDS.require(
        len(image.id) <= MAX_ID_CHARACTERS and image.id not in (".", "..") and "\0" not in image.id,
        f"id={image.id!r}: must have at most {MAX_ID_CHARACTERS} characters and no NUL, and must"
        " not be `.` or `..`",
    )
    name = f"of image {image.id!r}"
    Clause.CAMERA_VALUE.require(
        re.fullmatch(r"[\w.+-]+/[\w.+-]+", str(image.content_type)),
        f"content_type={image.content_type!r} {name}: must be a media type, such as image/png",
    )
    error = text_error(image.revision, empty=True)
    Clause.CAMERA_VALUE.require(not error, f"revision={image.revision!r} {name}: {error}")
    for attribute, count, minimum in (
        ("size", image.size, 0),
        ("received", image.received, 0),
        ("width", image.width, 1),
        ("height", image.height, 1),
    ):
        Clause.CAMERA_VALUE.require(
            count is None or (type(count) is int and count >= minimum),
            f"{attribute}={count!r} {name}: must be a whole number of at least {minimum}",
        )
    for attribute, t in (("taken_at", image.taken_at), ("received_at", image.received_at)):
        error = "" if t is None else time_error(t)
        Clause.CAMERA_VALUE.require(not error, f"{attribute}={t!r} {name}: {error}")
    error = json_error(image.metadata)
    Clause.CAMERA_VALUE.require(not error, f"metadata {name}: {error}")
    _check_completeness(image, name)


def _check_completeness(image: Image, name: str) -> None:
    if image.complete:
        Clause.CAMERA_COMPLETE.require(
            image.size == image.received,
            f"complete=True {name}: must be False while {image.received} of {image.size} bytes have"
            " arrived",
        )
    else:
        Clause.CAMERA_COMPLETE.require(
            image.size is None or image.received <= image.size,
            f"received={image.received} {name}: must be at most size={image.size}",
        )
    Clause.CAMERA_SHA256.require(
        image.sha256 is None or re.fullmatch("[0-9a-f]{64}", image.sha256),
        f"sha256={image.sha256!r} {name}: must be 64 lower-case hex digits",
    )
    Clause.CAMERA_PATH.require(
        image.path is None or (image.complete and isinstance(image.path, Path)),
        f"path={image.path!r} {name}: must be a Path, and None until the image is complete",
    )


def join_chunks(image_id: str, chunks: Iterable[bytes]) -> bytes:
    """Return the bytes of all chunks that `open()` yielded.

    Raises:
        ContractBroken: a chunk is empty, too large, or not `bytes`.
    """
    for chunk in chunks:
        Clause.CAMERA_CHUNKS.require(
            isinstance(chunk, bytes),
            f"open({image_id!r}) yielded {type(chunk).__name__}: must be bytes",
        )
        Clause.CAMERA_CHUNKS.require(
            0 < len(chunk) <= MAX_CHUNK_BYTES,
            f"open({image_id!r}) yielded a chunk of {len(chunk):,} bytes: must be at least 1 and at"
            f" most {MAX_CHUNK_BYTES:,} bytes",
        )
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
