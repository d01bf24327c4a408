"""The tokens of a running server: the shared ones of the settings, and the named ones of the file.

The file is read again when it changes. While a file exists, or after one existed, clients need a
token. So a file that is deleted or damaged while the server runs gives nobody access.
"""

from __future__ import annotations

import logging
from hmac import compare_digest
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from anyio import CapacityLimiter, Lock, move_on_after, sleep, to_thread

from rover.addresses import words
from rover.errors import AccessEnded, TokensUnreadable
from rover.identity import EVERYONE, LOCAL
from rover.names import looks_of
from rover.tokens.file import FILE_NAME, TokensFile
from rover.tokens.grants import Grants
from rover.tokens.token import MAX_TEXT_BYTES, PREFIX, TEXT, Token, digest_of
from rover.wire import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rover.identity import Identity
    from rover.settings import Settings
    from rover.tokens.file import Named, Stamp

logger = logging.getLogger("rover.tokens")

CHECK_PERIOD_S = 0.8
"""Seconds between two checks of the file and of the times of expiry."""

NEW_CHECK_PERIOD_S = 0.02
"""Seconds between two checks of the file for unknown tokens, however many clients send them."""

NEW_CHECK_TIMEOUT_S = 1.0
"""Maximum seconds that a client with an unknown token waits for such a check."""

NO_DIGEST = b"\0" * 32
"""Used for an unknown id, so that its check takes as long."""


class Entry(NamedTuple):
    """A token and its identity."""

    token: Token
    identity: Identity


class Tokens:
    """Which tokens give access.

    Args:
        path: of the file of the named tokens.
        shared: the tokens that have all scopes and no name.
        clock: POSIX seconds.

    Attributes:
        required: whether a client needs a token.
        failure: why no named token gives access, if the file cannot be used; else `None`.
        grants: the open streams, which end when their token is revoked, expires or changes.
        on_check: called after each check of the file and of the times of expiry.
    """

    def __init__(
        self, path: Path, shared: Iterable[str] = (), clock: Callable[[], float] = time
    ) -> None:
        self.grants = Grants(self.ended)
        self._file = TokensFile(path)
        self._shared = [token.encode() for token in shared]
        self._clock = clock
        self._entries: dict[bytes, Entry] = {}
        self._names: frozenset[str] = frozenset()
        self._stamp: Stamp | None = None
        self.failure: str | None = None
        self._deleted = f"{path} was deleted; restore it, or restart the server without it"
        self._thread = CapacityLimiter(1)  # its own: slow disks may occupy all shared threads
        self._new_check = Lock()
        self._new_checked_at = 0.0  # monotonic
        self.required = bool(self._shared)
        self._apply(self._read())
        self.on_check: Callable[[], object] = lambda: None

    @classmethod
    def of(cls, settings: Settings) -> Tokens:
        """The tokens of the settings and of the data folder."""
        return cls(settings.data_dir / FILE_NAME, words(settings.tokens))

    def identify(self, given: bytes) -> Identity | None:
        """The client that has this token; `None` if the token is wrong or has expired."""
        for shared in self._shared:
            if compare_digest(given, shared):
                return EVERYONE
        if len(given) > MAX_TEXT_BYTES:
            return None
        prefix, _, rest = given.partition(b"_")
        token_id, _, secret = rest.partition(b"_")
        entry = self._entries.get(token_id)
        digest = NO_DIGEST if entry is None else entry.token.digest
        is_right = compare_digest(digest_of(secret), digest)
        if entry is None or not is_right or prefix != PREFIX.encode():
            return None
        return entry.identity if entry.token.is_valid_at(self._clock()) else None

    async def identify_new(self, given: bytes) -> Identity | None:
        """The client of a token that may be newer than the last check of the file.

        One check serves all clients that have waited for it.

        Returns:
            `None` if the token is not in the file either, or the disk does not respond in time.
        """
        if (match := TEXT.fullmatch(given)) is None or match[1] in self._entries:
            return None
        arrived_at = monotonic()
        with move_on_after(NEW_CHECK_TIMEOUT_S):
            async with self._new_check:
                if self._new_checked_at < arrived_at:
                    await sleep(max(0.0, self._new_checked_at + NEW_CHECK_PERIOD_S - monotonic()))
                    self._new_checked_at = monotonic()
                    await self.refresh()
        return self.identify(given)

    def ended(self, identity: Identity) -> AccessEnded | None:
        """Why a client that had access has it no longer; `None` if it has."""
        if identity is LOCAL:
            return AccessEnded("token_required") if self.required else None
        if not identity.token:
            return None
        entry = self._entries.get(identity.token.encode())
        if entry is None:
            return AccessEnded("revoked" if self.failure is None else "unavailable")
        if entry.identity != identity:
            return AccessEnded("changed")
        return None if entry.token.is_valid_at(self._clock()) else AccessEnded("expired")

    def lapsed(self, token_id: str, scope: str) -> str | None:
        """Why what a client did with a token no longer counts, such as "was revoked".

        Args:
            token_id: of the token.
            scope: that the token must have.

        Returns:
            `None` if it counts.
        """
        entry = self._entries.get(token_id.encode())
        if entry is None:
            return "was revoked" if self.failure is None else f"cannot be checked ({FILE_NAME})"
        if not entry.identity.allows(scope):
            return f"no longer has the scope `{scope}`"
        return None if entry.token.is_valid_at(self._clock()) else "has expired"

    def has_name(self, name: str) -> bool:
        """Whether a token has this name, or one that looks the same."""
        return not self._names.isdisjoint(looks_of(name))

    async def run(self) -> None:
        """Read the file when it changes, and end streams without access, until cancelled."""
        while True:
            await sleep(CHECK_PERIOD_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the file if it has changed, and end the streams of clients without access."""
        changed = await to_thread.run_sync(
            self._read_if_changed, abandon_on_cancel=True, limiter=self._thread
        )
        if changed is not None:
            self._apply(changed)
        self.grants.end_due()
        self.on_check()

    def _read_if_changed(self) -> tuple[Stamp | None, Named | TokensUnreadable | None] | None:
        try:
            if self.failure is None and self._file.stamp() == self._stamp:
                return None
        except TokensUnreadable:
            pass  # `_read` reports it
        return self._read()

    def _read(self) -> tuple[Stamp | None, Named | TokensUnreadable | None]:
        stamp = None
        try:
            stamp = self._file.stamp()  # before the content: a later change has another stamp
            return stamp, self._file.read()
        except TokensUnreadable as exc:
            return stamp, exc

    def _apply(self, read: tuple[Stamp | None, Named | TokensUnreadable | None]) -> None:
        self._stamp, found = read
        failure = str(found) if isinstance(found, TokensUnreadable) else None
        if found is None and (self._entries or self.failure == self._deleted):
            failure = self._deleted
        if failure is not None:
            if failure != self.failure:
                logger.error("no named token gives access: %s", failure)
        elif self.failure is not None:
            logger.warning("%s can be read again", self._file.path)
        self.failure = failure
        named = found if isinstance(found, dict) else {}
        if found is not None:
            self.required = True
        self._warn_of_the_clock(named)
        self._entries = {key.encode(): Entry(one, one.identity) for key, one in named.items()}
        self._names = frozenset(one for token in named.values() for one in looks_of(token.name))

    def _warn_of_the_clock(self, named: Named) -> None:
        now = self._clock()
        early = [one for one in named.values() if now < one.created and not one.is_valid_at(now)]
        if early:
            logger.error(
                "%d tokens give no access: the clock of this machine shows %s, before the creation "
                "of token %s; set the clock",
                len(early),
                iso(now),
                early[0].id,
            )
