"""The audit log of a running server. Recording never waits for the disk.

    audit.record("upload.accepted", identity, name="drive.txt", sha256="…")

A thread writes the records. While it cannot write, records are kept up to a limit; the number of
records beyond it is recorded when the disk works again.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Self

from anyio import CancelScope, sleep, to_thread

from rover.audit.file import AuditFile
from rover.request import client_address, current_request, request_id
from rover.wire import dumps_ascii, iso
from sources.rules.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rover.identity import Identity
    from rover.settings import Settings

logger = logging.getLogger("rover.audit")

MAX_PENDING = 1_000
"""Maximum number of records that wait for the disk; more are counted and dropped."""

MAX_BLOCK_BYTES = 32 * 2**10
"""Approximate maximum size of the records that are written at once."""

MAX_TEXT_CHARACTERS = 1_000
"""Longer texts in a record are truncated."""

RETRY_S = 1.0
"""Seconds between two attempts while the file cannot be written."""

STUCK_S = 10.0
"""Seconds after which one write counts as a failure, as on a network file system that hangs."""

STOP_TIMEOUT_S = 1.0
"""Seconds that the thread has at the end to write the last records."""

REFUSALS_PERIOD_S = 60.0
"""Seconds for which refused requests are summarized in one record per kind."""

MAX_ADDRESSES = 1_000
"""Maximum number of addresses whose refusals are counted separately in a period."""

MAX_LISTED_ADDRESSES = 20
"""Maximum number of addresses in a record about refusals."""


class AuditLog:
    """Records actions. Use it as an async context manager: it has a thread.

    Actions that are recorded before the start are written at the start.

    Args:
        file: the file; `None` turns the log off.
        clock: POSIX seconds.
        max_pending: maximum number of records that wait for the disk.
        retry_s: seconds between two attempts while the file cannot be written.
        stop_timeout_s: seconds that the thread has at the end to write the last records.

    Attributes:
        written: number of records in the file.
        dropped: number of records that were dropped because the file could not be written.
    """

    def __init__(
        self,
        file: AuditFile | None,
        *,
        clock: Callable[[], float] = time,
        max_pending: int = MAX_PENDING,
        retry_s: float = RETRY_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self._file = file
        self._clock = clock
        self._max_pending = max_pending
        self._retry_s = retry_s
        self._stop_timeout_s = stop_timeout_s
        self._pending: deque[bytes] = deque()
        self._unreported = 0  # dropped records that no record in the file counts
        self._failing: tuple[float, str] | None = None  # POSIX seconds, and why
        self._writing_since: float | None = None  # monotonic
        self._refusals: dict[str, Counter[str]] = {}  # by kind and address
        self._refusals_since = clock()
        self._lock = threading.Lock()  # of all these
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The log in the data folder; turned off if `ROVER_AUDIT_FILES` is 0."""
        return cls(_file_of(settings))

    def record(self, action: str, identity: Identity | None = None, /, **details: object) -> None:
        """Record an action, with the address and the id of the current request. Never waits.

        Args:
            action: such as `token.revoke`.
            identity: of the client; by default that of the current request.
            details: values that JSON can encode; never a secret.
        """
        if self._file is not None:
            self._add(_encode(self._clock(), action, identity, details))

    def refuse(self, kind: str) -> None:
        """Count a refused request of the current client. Each period has one record per kind.

        So a client cannot fill the log, however many requests it sends.

        Args:
            kind: one of a few, such as the name of an error's class.
        """
        if self._file is None:
            return
        with self._lock:
            if not self._refusals:
                self._refusals_since = self._clock()
            by_address = self._refusals.setdefault(kind, Counter())
            address = client_address() or "unknown"
            if address not in by_address and len(by_address) >= MAX_ADDRESSES:
                address = ""
            by_address[address] += 1

    def summarize_refusals(self) -> None:
        """Record the refusals since the last call."""
        with self._lock:
            refusals, self._refusals = self._refusals, {}
            since = self._refusals_since
        for kind, by_address in refusals.items():
            listed = dict(by_address.most_common(MAX_LISTED_ADDRESSES))
            self.record(
                "request.refused",
                reason=kind,
                count=by_address.total(),
                since=iso(since),
                addresses=listed,
                other_addresses=len(by_address) - len(listed),
            )

    def as_json(self) -> dict[str, Any] | None:
        """Whether the file can be written, as `/readyz` shows it; `None` if the log is off."""
        if self._file is None:
            return None
        with self._lock:
            failing, dropped = self._failing, self.dropped
            writing_since = self._writing_since
        if failing is None and writing_since is not None:
            stuck_s = monotonic() - writing_since
            if stuck_s > STUCK_S:
                failing = (self._clock() - stuck_s, "the disk does not respond")
        fields: dict[str, Any] = {"state": "live" if failing is None else "down"}
        if failing is not None:
            fields |= {"since": iso(failing[0]), "detail": f"cannot be written: {failing[1]}"}
        return {**fields, "dropped": dropped}

    async def __aenter__(self) -> Self:
        """Start the thread."""
        if self._file is not None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
            self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write the last records, for at most `stop_timeout_s`."""
        if self._thread is None:
            return
        self.summarize_refusals()
        self._stopping.set()
        self._wake.set()
        with CancelScope(shield=True):
            await to_thread.run_sync(self._thread.join, self._stop_timeout_s)

    async def run(self) -> None:
        """Record a summary of refusals in each period, until cancelled."""
        while True:
            await sleep(REFUSALS_PERIOD_S)
            self.summarize_refusals()

    def _add(self, line: bytes) -> None:
        with self._lock:
            if len(self._pending) < self._max_pending:
                self._pending.append(line)
            else:
                self.dropped += 1
                self._unreported += 1
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._write_pending() and not self._stopping.wait(self._retry_s):
                pass
        self._write_pending()

    def _write_pending(self) -> bool:
        """Write all pending records; returns whether that succeeded."""
        while self._pending or self._unreported:
            try:
                self._write_block()
            except OSError as exc:
                self._note_failure(exc)
                return False
        return True

    def _write_block(self) -> None:
        with self._lock:
            lines: list[bytes] = []
            size = 0
            for line in self._pending:
                if size and size + len(line) > MAX_BLOCK_BYTES:
                    break
                lines.append(line)
                size += len(line)
            count, reported = len(lines), 0
            if self._unreported and count == len(self._pending):
                reported = self._unreported
                details = {"count": reported}
                lines.append(_encode(self._clock(), "audit.dropped", None, details))
            self._writing_since = monotonic()
        try:
            if self._file is not None:
                self._file.append(b"".join(lines))
        finally:
            with self._lock:
                self._writing_since = None
        with self._lock:
            for _ in range(count):
                self._pending.popleft()
            self._unreported -= reported
            self.written += len(lines)
            recovered, self._failing = self._failing is not None, None
        if recovered:
            logger.warning("the audit log can be written again")

    def _note_failure(self, exc: OSError) -> None:
        with self._lock:
            is_new = self._failing is None
            since = self._clock() if self._failing is None else self._failing[0]
            reason = exc.strerror or describe(exc)
            self._failing = (since, reason)
        if is_new:
            logger.error("the audit log cannot be written: %s", reason)


def append_record(
    settings: Settings, action: str, identity: Identity | None = None, /, **details: object
) -> None:
    """Record an action of a command. It waits for the disk; a failure is only logged.

    Args:
        settings: the data folder and the size of the files.
        action: such as `token.add`.
        identity: of the person.
        details: values that JSON can encode; never a secret.
    """
    if (file := _file_of(settings)) is None:
        return
    try:
        file.append(_encode(time(), action, identity, details))
    except OSError as exc:
        logger.error("%s was not recorded in %s: %s", action, file.path, describe(exc))


def _file_of(settings: Settings) -> AuditFile | None:
    if not settings.audit_files:
        return None
    return AuditFile(settings.data_dir, settings.audit_bytes, settings.audit_files)


def _encode(
    at: float, action: str, identity: Identity | None, details: Mapping[str, object]
) -> bytes:
    if identity is None and (request := current_request.get()) is not None:
        identity = request.identity
    by = {
        "name": "" if identity is None else identity.name,
        "token": "" if identity is None else identity.token,
        "address": client_address(),
    }
    fields = {
        **{name: _bounded(value) for name, value in details.items()},
        "by": {name: _bounded(value) for name, value in by.items() if value},
        "request_id": request_id(),
    }
    known = {name: value for name, value in fields.items() if value not in (None, "", {})}
    record = {"time": iso(at), "action": action, **known}
    return dumps_ascii(record).encode() + b"\n"


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARACTERS:
        return value[: MAX_TEXT_CHARACTERS - 1] + "…"
    return value
