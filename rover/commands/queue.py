"""The accepted sequences on their way to the rover, in order, and what people do with them."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from anyio import Event, move_on_after

from rover.commands.records import SENDING
from rover.commands.sending import PROBLEMS, Sending, SendingState
from rover.errors import NotQueued

if TYPE_CHECKING:
    from collections.abc import Callable

    from rover.commands.upload import Upload

logger = logging.getLogger("rover.commands")

RESTARTED = (
    "the server ended while the uplink was sending it: it may have left, or not; find out, and "
    "then resend it or confirm that it was sent"
)


ENTER_TIMEOUT_S = 2.0
"""Maximum seconds that an action waits for the entry of its upload: a shutdown may cancel it."""


class Queue:
    """The sequences on their way. All methods that change one publish the change as an event.

    Args:
        save: stores the state of an upload in the log.
        persons: number of persons who must release a sequence.
        clock: POSIX seconds.
        target: which uplink sends the sequences.
        lapsed: returns why releases with a token no longer count; `None` if they do.

    Attributes:
        changed: set at the next change; then another event takes its place.
    """

    def __init__(
        self,
        save: Callable[[Upload], None],
        persons: int = 1,
        clock: Callable[[], float] = time,
        target: str = "",
        lapsed: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.changed = Event()
        self._save = save
        self._persons = persons
        self._clock = clock
        self._target = target
        self._lapsed = lapsed
        self._uploads: dict[str, Upload] = {}
        self._places = 0

    def uploads(self) -> list[Upload]:
        """The uploads whose sequences are on their way, in the order of the queue."""
        return sorted(self._uploads.values(), key=lambda upload: self.of(upload).place)

    def of(self, upload: Upload) -> Sending:
        """The sending of an upload.

        Raises:
            NotQueued: it has none, or it has ended.
        """
        if upload.sending is None or upload.id not in self._uploads:
            raise NotQueued(upload.id)
        return upload.sending

    def begin(self, upload: Upload) -> None:
        """Give an accepted upload a place; its record is stored with its verdict."""
        self._places += 1
        upload.sending = Sending(SendingState.QUEUED, self._places, self._clock())

    async def enter(self, upload: Upload) -> None:
        """Let an upload whose verdict is published into the queue, also after a restart."""
        await upload.reopen()
        assert upload.sending is not None  # noqa: S101 # the caller has checked it
        self._places = max(self._places, upload.sending.place)
        self._uploads[upload.id] = upload
        if upload.sending.state is SendingState.SENDING:
            unknown = upload.sending.changed(self._clock(), SendingState.UNKNOWN, RESTARTED)
            self.apply(upload, unknown)
        elif (
            held := upload.sending.rechecked(self._clock(), self._persons, self._target)
        ) is not upload.sending:
            self.apply(upload, held)
        elif not any(name == SENDING for name, _ in upload.topic.retained_items()):
            self.apply(upload, upload.sending)
        self.wake()

    async def wait_entered(self, upload: Upload) -> None:
        """Wait until an accepted upload is in the queue, which follows its verdict."""
        with move_on_after(ENTER_TIMEOUT_S):
            while upload.is_on_its_way and upload.id not in self._uploads:
                await self.changed.wait()

    def drop_lapsed(self) -> None:
        """Drop the releases of people whose tokens give no access any more."""
        for upload in self.uploads():
            before = self.of(upload)
            left = before.without_lapsed(self._clock(), self._persons, self._lapsed)
            if left is not before:
                self.apply(upload, left)

    def release(
        self,
        upload: Upload,
        by: str,
        *,
        at: float | None = None,
        token: str = "",
        revision: int | None = None,
    ) -> Sending:
        """Let a sequence be sent, at once or not before `at`, once enough persons have done this.

        Raises:
            NotQueued: it is not in the queue.
            NotNow: its state does not allow it, or has changed since `revision`.
            SecondPersonRequired: this person has released it before.
            OtherReleaseTime: another person has released it for another time.
            ReleaseTimePast: `at` has passed.
        """
        sending = self._checked(upload, "release", revision)
        released = sending.release(
            self._clock(), by, at, self._persons, token=token, target=self._target
        )
        return self.apply(upload, released)

    def hold(self, upload: Upload, by: str, *, revision: int | None = None) -> Sending:
        """Undo the release of a sequence that is not being sent. Raises as `release`."""
        return self.apply(upload, self._checked(upload, "hold", revision).hold(self._clock(), by))

    def withdraw(self, upload: Upload, by: str, *, revision: int | None = None) -> Sending:
        """Take a sequence out of the queue. Raises as `release`."""
        sending = self._checked(upload, "withdraw", revision)
        return self.apply(upload, sending.withdraw(self._clock(), by))

    def resend(
        self, upload: Upload, by: str, *, token: str = "", revision: int | None = None
    ) -> Sending:
        """Have a sequence sent again, although it may have left before. Raises as `release`."""
        sending = self._checked(upload, "resend", revision)
        again = sending.resend(self._clock(), by, self._persons, token=token, target=self._target)
        return self.apply(upload, again)

    def confirm_sent(self, upload: Upload, by: str, *, revision: int | None = None) -> Sending:
        """State that a sequence of which this is unknown has left. Raises as `release`."""
        sending = self._checked(upload, "sent", revision)
        return self.apply(upload, sending.confirm_sent(self._clock(), by))

    def move(
        self, upload: Upload, before: Upload | None, by: str, *, revision: int | None = None
    ) -> Sending:
        """Put a sequence before another one, or at the end. Raises as `release`."""
        sending = self._checked(upload, "move", revision)
        if before is upload:
            return sending
        others = [one for one in self.uploads() if one is not upload]
        index = len(others) if before is None else others.index(self._known(before))
        others.insert(index, upload)
        for place, one in enumerate(others, 1):
            if one is not upload and self.of(one).place != place:
                one.sending = replace(self.of(one), place=place)
                self._save(one)
        self._places = max(self._places, len(others))
        detail = f"{by} has moved it to place {index + 1}"
        moved = replace(sending, place=index + 1)
        return self.apply(upload, moved.changed(self._clock(), sending.state, detail, by))

    def apply(self, upload: Upload, sending: Sending) -> Sending:
        """Make a change: publish it, store it, and log it."""
        upload.publish_sending(sending)
        self._save(upload)
        if not sending.is_open:
            self._uploads.pop(upload.id, None)
        logger.log(
            logging.WARNING if sending.state in PROBLEMS else logging.INFO,
            "upload of %s: %s%s: %s",
            upload.name,
            sending.state,
            f" by {sending.by}" if sending.by else "",
            sending.detail or "it waits for its release",
            extra={"upload": upload.id},
        )
        self.wake()
        return sending

    def _known(self, upload: Upload) -> Upload:
        self.of(upload)
        return self._uploads[upload.id]

    def _checked(self, upload: Upload, action: str, revision: int | None) -> Sending:
        self.drop_lapsed()
        sending = self.of(upload)
        sending.check(action, revision)
        return sending

    def find(self, upload_id: str) -> Upload | None:
        """The upload with that id, if its sequence is on its way."""
        return self._uploads.get(upload_id)

    def wake(self) -> None:
        """Let the tasks that wait for `changed` look again."""
        self.changed.set()
        self.changed = Event()
