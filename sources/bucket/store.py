"""A bucket that images are copied to: `s3://BUCKET/PREFIX`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sources.bucket.objects import Bucket, Object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FOLDER = "rover-images"
"""All keys begin with it, below the prefix. A camera over that prefix skips them, else it would
show each image again that is copied here.
"""


class BucketStore:
    """Holds copies of files as objects.

    It deletes nothing: rules of the bucket decide how long its objects exist.

    Args:
        url: `s3://BUCKET/PREFIX`.
        endpoint: URL of another server that speaks the protocol of S3.
        region: of the bucket.
        timeout_s: maximum seconds of an answer.

    Attributes:
        place: the URL without its options.

    Raises:
        SourceError: the URL or an option is invalid.
    """

    def __init__(
        self, url: str, /, endpoint: str = "", region: str = "", timeout_s: float = 30.0
    ) -> None:
        self._bucket = Bucket.s3(url, endpoint, region, timeout_s)
        self.place = self._bucket.place

    async def write(self, name: str, path: Path, content_type: str) -> str:
        """Copy a file; returns the entity tag of the copy.

        Args:
            name: of the object, below `FOLDER`.
            path: of the file.
            content_type: of the file.

        Raises:
            SourceError: it cannot be copied.
        """
        return await self._bucket.write(f"{FOLDER}/{name}", path, content_type)

    def read(self, name: str, size: int, etag: str, start: int = 0) -> AsyncIterator[bytes]:
        """Yield the bytes of a copy from `start`.

        Raises:
            UnknownImage: it was deleted.
            ImageBroken: it was replaced, or the connection broke off.
            SourceError: it cannot be read.
        """
        return self._bucket.read(Object(f"{FOLDER}/{name}", size, etag, 0.0), start)
