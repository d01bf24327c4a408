"""Bytes of a request whose checksum the client states: passed on only if they have it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Literal

from anyio import to_thread

from rover.errors import ChecksumMismatch, UploadTooBig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

Algorithm = Literal["sha1", "sha256", "sha512"]

SIZES: dict[Algorithm, int] = {"sha1": 20, "sha256": 32, "sha512": 64}
"""Bytes of the digests of each algorithm."""

BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client states about the bytes of one request.

    Attributes:
        algorithm: one of `SIZES`.
        digest: of the bytes.
    """

    algorithm: Algorithm
    digest: bytes


async def verified(
    chunks: AsyncIterator[bytes], checksum: Checksum, folder: Path, max_bytes: int
) -> AsyncGenerator[bytes]:
    """Yield the bytes of a request once all of them have arrived and have the checksum.

    Until then, they are in a file without a name, so that none of them is left after a crash.

    Args:
        chunks: the bytes.
        checksum: that they must have.
        folder: for the file.
        max_bytes: maximum number of bytes.

    Raises:
        ChecksumMismatch: they have another checksum.
        UploadTooBig: they are more than `max_bytes`.
        OSError: for example, the disk is full.
    """
    digest = hashlib.new(checksum.algorithm, usedforsecurity=False)
    size, block = 0, bytearray()
    with await to_thread.run_sync(lambda: TemporaryFile(dir=folder)) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > max_bytes:
                raise UploadTooBig(max_bytes)
            digest.update(chunk)
            block += chunk
            if len(block) >= BLOCK_BYTES:
                await to_thread.run_sync(file.write, bytes(block))
                block.clear()
        if digest.digest() != checksum.digest:
            raise ChecksumMismatch(checksum.algorithm)
        await to_thread.run_sync(file.write, bytes(block))
        file.seek(0)
        while data := await to_thread.run_sync(file.read, BLOCK_BYTES):
            yield data
