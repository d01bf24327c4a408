"""The objects of a bucket of S3, or of another server that speaks its protocol.

Source: Amazon S3 API, `ListObjectsV2` and `GetObject`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import unquote

import obstore
from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from sources.base import ImageBroken, SourceError, UnknownImage
from sources.values.ranges import POSITIVE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config

CHUNK_BYTES = 2**20
"""Maximum bytes of one chunk, the limit of the contract."""

PAGE = 1000
"""Number of objects in an answer of the server."""

MAX_OBJECTS = 100_000
"""Maximum number of objects below the prefix."""

MAX_RETRIES = 2
RETRY_TIMEOUT_S = 10
"""Maximum number and seconds of the retries of a request that failed."""

CODE = re.compile(r"<Code>(\w{1,80})</Code>")
UNREACHED = re.compile(r'ConnectError\(\s*"([^"]{1,200})"')
"""Why there is no connection, in the details of an error of obstore."""

REASON = re.compile(r"(?:HTTP error: |status code: )([^\n:<]{1,200})")


class Object(NamedTuple):
    """An object.

    Attributes:
        key: its name below the prefix.
        size: bytes.
        etag: with its quotes.
        modified: POSIX seconds.
    """

    key: str
    size: int
    etag: str
    modified: float


class Bucket:
    """The objects of a store.

    Args:
        store: of the objects.
        place: its URL, for errors.
    """

    def __init__(self, store: ObjectStore, place: str) -> None:
        self.place = place
        self._store = store

    @classmethod
    def s3(
        cls, url: str, endpoint: str, region: str, timeout_s: float, *, anonymous: bool = False
    ) -> Self:
        """A prefix in a bucket of S3: `s3://BUCKET/PREFIX`.

        Credentials are those of the environment (`AWS_ACCESS_KEY_ID` …), or of the machine.

        Args:
            url: of the prefix, which may be empty.
            endpoint: URL of another server than that of Amazon; empty for `AWS_ENDPOINT_URL`.
            region: of the bucket; empty for `AWS_REGION`.
            timeout_s: maximum seconds of an answer.
            anonymous: send no credentials.

        Raises:
            SourceError: an argument is invalid.
        """
        name, _, prefix = unquote(url.partition("://")[2]).partition("/")
        prefix = prefix.strip("/")
        if not name:
            raise SourceError("the URL has no bucket; write s3://BUCKET/PREFIX")
        timeout_s = POSITIVE_S.number("timeout_s", timeout_s)
        place = f"s3://{name}/{prefix}".rstrip("/")
        config: S3Config = {}
        if endpoint:
            config["endpoint"] = endpoint
        if region:
            config["region"] = region
        if anonymous:
            config["skip_signature"] = True
        client: ClientConfig = {
            "allow_http": True,  # the operator names the endpoint
            "connect_timeout": timedelta(seconds=timeout_s),
            "timeout": timedelta(seconds=timeout_s),
        }
        retries: RetryConfig = {
            "max_retries": MAX_RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S),
        }
        try:
            store = S3Store(
                name,
                prefix=prefix or None,
                config=config,
                client_options=client,
                retry_config=retries,
            )
        except (BaseError, ValueError) as exc:
            raise SourceError(f"{place}: {_reason(exc)}") from exc
        return cls(store, place)

    async def objects(self) -> list[Object]:
        """All objects below the prefix.

        Raises:
            SourceError: the bucket cannot be listed, or has too many objects.
        """
        found: list[Object] = []
        with self._errors(""):
            async for page in obstore.list(self._store, chunk_size=PAGE):
                found += [
                    Object(
                        one["path"],
                        one["size"],
                        one["e_tag"] or "",
                        one["last_modified"].timestamp(),
                    )
                    for one in page
                ]
                if len(found) > MAX_OBJECTS:
                    reason = f"more than {MAX_OBJECTS:,} objects; name a longer prefix"
                    raise SourceError(f"{self.place}: {reason}")
        return found

    async def beginning(self, one: Object, count: int) -> bytes:
        """The first bytes of an object.

        Raises:
            SourceError: it cannot be read.
        """
        with self._errors(one.key):
            end = min(count, one.size)
            return bytes(await obstore.get_range_async(self._store, one.key, start=0, end=end))

    async def read(self, one: Object, start: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an object from `start`.

        Raises:
            UnknownImage: it was deleted.
            ImageBroken: it was replaced, or the connection broke off.
        """
        if start >= one.size:
            return
        position = start
        with self._errors(one.key):
            result = await obstore.get_async(
                self._store,
                one.key,
                options={"range": (start, one.size), "if_match": one.etag},
            )
            async for part in result.stream(min_chunk_size=CHUNK_BYTES):
                data = memoryview(part)
                for at in range(0, len(data), CHUNK_BYTES):
                    chunk = bytes(data[at : at + CHUNK_BYTES])
                    position += len(chunk)
                    yield chunk
        if position < one.size:
            raise ImageBroken(one.key, f"only {position:,} of {one.size:,} bytes arrived")

    async def write(self, key: str, path: Path, content_type: str) -> str:
        """Store a file as an object, or replace the one with that key; returns its entity tag.

        Raises:
            SourceError: it cannot be stored.
        """
        with self._errors(""):
            result = await obstore.put_async(
                self._store, key, path, attributes={"Content-Type": content_type}
            )
        return result["e_tag"] or ""

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Raise the errors of the store as those of a camera.

        Args:
            key: of the object that is read; empty if none is.
        """
        try:
            yield
        except PreconditionError as exc:
            raise ImageBroken(key, "it was replaced; request it again") from exc
        except FileNotFoundError as exc:
            if key:
                raise UnknownImage(key) from exc
            raise SourceError(f"{self.place}: {_reason(exc)}") from exc
        except (PermissionDeniedError, UnauthenticatedError) as exc:
            hint = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights of that user"
            raise SourceError(f"{self.place}: {_reason(exc)}; {hint}") from exc
        except (BaseError, OSError) as exc:
            raise SourceError(f"{self.place}: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    """The code or the first line of an error, whose text has pages of details."""
    text = str(exc)
    if match := UNREACHED.search(text):
        return f"the server cannot be reached: {match[1]}"
    match = CODE.search(text) or REASON.search(text)
    return match[1].strip() if match else text.partition("\n")[0][:200]
