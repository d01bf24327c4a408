"""The sessions of signed-in browsers, in memory. A restart of the server ends them.

The text of a session is `<id>_<secret>`. The id may be logged. The secret has 256 random bits. The
server keeps a hash of it, and the text itself in a cache while the session is used.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from time import monotonic
from typing import TYPE_CHECKING

from rover.errors import AccessEnded
from rover.sessions.bounded import BoundedStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.identity import Identity
    from rover.tokens import Tokens

MAX_SESSIONS = 10_000

MAX_SESSIONS_PER_OWNER = 100
"""Maximum number of sessions of one named token, or of one address with shared tokens."""

ID_BYTES = 8
SECRET_BYTES = 32

IDLE_STEP_S = 1.0
"""Seconds by which the end of an idle session is extended at least; each extension costs time."""

MAX_TEXT_BYTES = 128
"""Longer texts are not sessions, and are not hashed."""


@dataclass(slots=True)
class Session:
    """A signed-in browser.

    Attributes:
        digest: SHA-256 of the secret.
        signed_in_as: the client that signed in, as its token describes it.
        identity: the same with the id of the session.
        ends: seconds of the clock at which it ends.
        idle_ends: seconds of the clock at which it ends unless it is used before.
    """

    digest: bytes
    signed_in_as: Identity
    identity: Identity
    ends: float
    idle_ends: float


class Sessions:
    """All sessions.

    Args:
        tokens: decide whether the token of a session still gives access.
        max_s: seconds after which a session ends.
        idle_s: seconds without a request after which a session ends.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tokens: Tokens,
        max_s: float,
        idle_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.max_s = max_s
        self._tokens = tokens
        self._idle_s = idle_s
        self._clock = clock
        self._sessions: BoundedStore[Session] = BoundedStore(MAX_SESSIONS, MAX_SESSIONS_PER_OWNER)
        self._verified: dict[bytes, Session] = {}  # saves the hash of each further request

    def __len__(self) -> int:
        return len(self._sessions)

    def start(self, identity: Identity, client: str) -> str:
        """Start a session; returns its text, which is secret.

        Args:
            identity: of the client that signs in.
            client: its address. It owns the session if the identity has no token of its own.
        """
        session_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock()
        session = Session(
            _digest_of(secret.encode()),
            identity,
            replace(identity, session=session_id),
            now + self.max_s,
            now + self._idle_s,
        )
        owner = f"token {identity.token}" if identity.token else f"client {client}"
        self._sessions.add(session_id, owner, session)
        return f"{session_id}_{secret}"

    def find(self, text: bytes) -> Identity | None:
        """The client of a session; `None` if the session is unknown or has ended."""
        session = self._verified.get(text)
        if session is None and (session := self._verify(text)) is None:
            return None
        session_id = session.identity.session
        if self._sessions.get(session_id) is not session:  # signed out, or replaced
            del self._verified[text]
            return None
        now = self._clock()
        if self._why_ended(session, now) is not None:
            self._sessions.pop(session_id)
            return None
        idle_ends = now + self._idle_s
        if idle_ends >= session.idle_ends + IDLE_STEP_S:
            session.idle_ends = idle_ends
            self._sessions.use(session_id)
        return session.identity

    def _verify(self, text: bytes) -> Session | None:
        """The session whose secret is in the text."""
        if len(text) > MAX_TEXT_BYTES:
            return None
        key, _, secret = text.partition(b"_")
        session = self._sessions.get(key.decode("latin-1"))
        if session is None or not compare_digest(_digest_of(secret), session.digest):
            return None
        if len(self._verified) >= MAX_SESSIONS:
            self._verified.clear()
        self._verified[text] = session
        return session

    def end(self, session_id: str) -> bool:
        """End a session and its open streams; returns whether there was one."""
        found = self._sessions.pop(session_id) is not None
        self._tokens.grants.end_due()
        return found

    def ended(self, identity: Identity) -> AccessEnded | None:
        """Why a client that had access has it no longer; `None` if it has."""
        if not identity.session:
            return self._tokens.ended(identity)
        session = self._sessions.get(identity.session)
        if session is None:
            return AccessEnded("signed_out")
        return self._why_ended(session, self._clock())

    def _why_ended(self, session: Session, now: float) -> AccessEnded | None:
        if now >= session.idle_ends or now >= session.ends:
            return AccessEnded("session_expired")
        return self._tokens.ended(session.signed_in_as)


def _digest_of(secret: bytes) -> bytes:
    return sha256(secret).digest()
