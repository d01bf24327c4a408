"""The rules for images and their chunks."""

from __future__ import annotations

import re
from pathlib import Path

from sources.base import Image
from sources.rules.mistake import Mistake, shown
from sources.rules.values import json_error, text_error, time_error

MAX_ID_CHARACTERS = 200

MAX_CHUNK_BYTES = 2**20

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[ -~]+", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")


def image_mistake(image: object) -> Mistake | None:
    """The first mistake in an image; `None` if there is none."""
    if not isinstance(image, Image):
        return Mistake("camera.value", f"{shown(image)}: must be an Image")
    name = shown(image.id)
    if error := text_error(image.id):
        return Mistake("camera.ids", f"id={name}: {error}")
    if len(image.id) > MAX_ID_CHARACTERS or image.id in (".", "..") or "\0" in image.id:
        return Mistake(
            "camera.ids",
            f"id={name}: must have at most {MAX_ID_CHARACTERS} characters and no NUL, and must not "
            "be `.` or `..`",
        )
    attribute, error = _attribute_error(image)
    if error:
        return Mistake("camera.value", f"{attribute} of image {name}: {error}")
    sha256: object = image.sha256
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        return Mistake(
            "camera.sha256",
            f"sha256={shown(sha256)} of image {name}: must be 64 lower-case hex digits",
        )
    path: object = image.path
    if path is not None and not isinstance(path, Path):
        return Mistake(
            "camera.path", f"path={shown(path)} of image {name}: must be a Path, or None"
        )
    return None


def _attribute_error(image: Image) -> tuple[str, str]:
    """The first attribute with an invalid value, and the rule; empty if all are valid."""
    content_type: object = image.content_type
    if not (isinstance(content_type, str) and _MEDIA_TYPE.fullmatch(content_type)):
        rule = "must be a media type, such as image/png"
        return f"content_type={shown(content_type)}", rule
    if error := text_error(image.revision, empty=True):
        return f"revision={shown(image.revision)}", error
    for attribute, minimum in (("size", 0), ("received", 0), ("width", 1), ("height", 1)):
        count = getattr(image, attribute)
        if count is None and attribute != "received":
            continue
        if type(count) is not int or count < minimum:
            return f"{attribute}={shown(count)}", f"must be a whole number of at least {minimum}"
    if image.size is not None and image.received > image.size:
        return f"received={image.received}", f"must be at most size={image.size}"
    complete: object = image.complete
    if not isinstance(complete, bool):
        return f"complete={shown(complete)}", "must be True or False"
    for attribute in ("taken_at", "received_at"):
        t = getattr(image, attribute)
        if t is not None and (error := time_error(t)):
            return f"{attribute}={shown(t)}", error
    return "metadata", json_error(image.metadata)


def chunk_mistake(chunk: object) -> Mistake | None:
    """The mistake in a chunk of `Camera.open`; `None` if there is none."""
    if not isinstance(chunk, bytes):
        text = f"open() yielded {type(chunk).__name__}: must be bytes"
    elif not 0 < len(chunk) <= MAX_CHUNK_BYTES:
        text = (
            f"open() yielded a chunk of {len(chunk):,} bytes: must be at least 1 and at most "
            f"{MAX_CHUNK_BYTES:,} bytes"
        )
    else:
        return None
    return Mistake("camera.chunks", text)
