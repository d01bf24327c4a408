"""Errors about images."""

from __future__ import annotations

from rover.errors.base import RoverError


class RevisionGone(RoverError):
    """The image with that id was replaced. The requested revision no longer exists."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(
            f"image {image_id!r} was replaced, and the requested revision no longer exists; "
            "GET /images lists the present ones"
        )


class NoThumbnail(RoverError):
    """No smaller copy of an image can be made."""

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        super().__init__(f"image {image_id!r} has no smaller copy: {reason}")
