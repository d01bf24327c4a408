"""Facts about an image in the name of its file."""

from __future__ import annotations

MAX_ID_LENGTH = 200
"""Maximum number of characters of an image id."""

TEMPORARY = ("~", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".swp")
"""Endings of the names of unfinished files."""

TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".pbm": "image/x-portable-bitmap",
    ".pgm": "image/x-portable-graymap",
    ".ppm": "image/x-portable-pixmap",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".fits": "image/fits",
    ".fit": "image/fits",
    ".img": "image/x-pds",
}
"""Media types of images by the endings of their names."""


def type_of_name(name: str) -> str | None:
    """The media type that the ending of a name promises; `None` if it is not that of an image."""
    _, dot, ending = name.rpartition(".")
    return TYPES.get((dot + ending).lower())


def is_temporary(name: str) -> bool:
    """Whether programs give such names to unfinished or hidden files, or to files in such folders.

    Folders of that kind count only if they are hidden.
    """
    is_hidden = name.startswith(".") or "/." in name
    return is_hidden or name.lower().endswith(TEMPORARY)


def problem_of_name(name: str) -> str:
    """Why no image can have that name as its id; empty if one can. `name` may be any string."""
    parts = name.split("/")
    if not all(parts) or "\0" in name or is_temporary(name):
        return "not the name of an image"
    if len(parts) > 1 and parts[-1] == "thumbnail":
        return "its URL would be that of a thumbnail"
    if len(name) > MAX_ID_LENGTH:
        return f"its name is longer than {MAX_ID_LENGTH} characters"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8, and cannot be part of a URL"
    return ""
