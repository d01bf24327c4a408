"""One member of a channel, and other speakers."""

from __future__ import annotations

from itertools import islice
from math import inf
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rover.comms.crew.sanctions import is_moderator
from rover.comms.kinds import PLAIN, Content
from rover.identity import EVERYONE
from rover.stalls import Backlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CancelScope

    from rover.comms.bucket import Bucket
    from rover.comms.channel import Channel
    from rover.comms.events import ChannelEvent
    from rover.comms.frames import Frame
    from rover.errors import RoverError
    from rover.identity import Identity
    from rover.topic import EventId, Subscriber


class Member:
    """One connection of a member of a channel, while the block of `Comms.join` runs.

    Read the names, the count and the history before the first `await` after the join: they are then
    as they were at the join.

    Attributes:
        channel: the channel.
        client: who it is, for the shares of the limits; several members may be of one client.
        identity: what it may do, and its role.
        name: unique in the channel, so not always the requested one.
        requested_name: the name that the client asked for, the same after it reconnects.
        subscriber: the channel's events. With `after`, it begins with the missed events; otherwise
            with the events after the member's own join.
        joined: the id of the member's own join.
        resumed: whether `after` was given.
        resume_token: for the next connection of this member.
        bucket: limits the frames that it sends.
        sending_since: `monotonic()` when the pending send began, else infinity. The sender sets it;
            `Comms.close_stalled` reads it.
        read_backlog: returns what the client has not acknowledged. The sender sets it.
        close_reason: why the server closed the member, if it did.
        listening: the channels that it listens to beside its own, by name.
        spoke_in: the channel of its last message.
    """

    def __init__(
        self,
        channel: Channel,
        name: str,
        requested_name: str,
        joined: EventId,
        after: EventId | None,
        scope: CancelScope,
        client: str | None = None,
        identity: Identity = EVERYONE,
    ) -> None:
        self.channel = channel
        self.identity = identity
        self.client = client
        self.name = name
        self.requested_name = requested_name
        self.bucket: Bucket
        self.joined = joined
        self.resumed = after is not None
        self.resume_token = ""
        self.has_place = True  # in the limit of members
        self.subscriber: Subscriber[ChannelEvent, Frame] = channel.topic.subscribe(after)
        self.sending_since = inf
        self.read_backlog: Callable[[], Backlog] = Backlog
        self.close_reason: RoverError | None = None
        self.listening: dict[str, Channel] = {}
        self.spoke_in = channel
        self._scope = scope

    @property
    def sender(self) -> str:
        """See `Speaker`. A member that resumes has the same."""
        return f"{self.channel.name}:{self.name}"

    @property
    def backlog(self) -> Backlog:
        """See `Sender`."""
        return self.read_backlog()

    def say(
        self,
        text: str,
        ref: str | None = None,
        content: Content = PLAIN,
        channel: Channel | None = None,
    ) -> EventId:
        """Send a message to everyone in the channel, this member included; returns its id.

        Never waits. Between two messages, await the pace of `spoke_in`, so that nobody is faster
        than the members that read. A member that reads too slowly receives a gap.

        Args:
            text: the message.
            ref: the client's name for the message. A client that did not receive the id sends the
                message again with the same `ref`: the same message of the same member with the
                same `ref` is sent once, and returns the id of the first time.
            content: what the message has beside its text.
            channel: one of `listening`; by default that of the member.

        Raises:
            MessageRefused: it is empty or cannot be encoded, the member may only listen, or
                another message has the `ref`.
            MessageTooBig: with `content`, it is longer than `ROVER_MAX_MESSAGE_BYTES`.
        """
        self.spoke_in = channel or self.channel
        if self.spoke_in is self.channel:
            return self.channel.say(self, text, ref, content)
        speaker = self.spoke_in.speaker(self.requested_name, self.identity, self.sender)
        return self.spoke_in.say(speaker, text, ref, content)

    def close(self, reason: RoverError) -> None:
        """Cancel the member's block, which then raises `reason`. A second call has no effect."""
        if self.close_reason is None:
            self.close_reason = reason
            self._scope.cancel()

    def names(self, limit: int) -> list[str]:
        """Up to `limit` names of members, in the order in which they joined."""
        return list(islice(self.channel.members.names(), limit))

    def roles(self, limit: int) -> dict[str, str]:
        """The roles of those among `names` that have one, by name."""
        found = {}
        for name in self.names(limit):
            member = self.channel.members.find(name)
            if member is not None and member.identity.role:
                found[name] = member.identity.role
        return found

    @property
    def max_message_bytes(self) -> int:
        """Maximum size of a message in UTF-8."""
        return self.channel.max_message_bytes

    @property
    def may_say(self) -> bool:
        """Whether the member may send messages in this channel."""
        return self.identity.allows("say", self.channel.name)

    @property
    def may_moderate(self) -> bool:
        """Whether the member moderates this channel."""
        return is_moderator(self.identity, self.channel.name)

    @property
    def member_count(self) -> int:
        """Number of members of the channel."""
        return len(self.channel.members)

    def history(self) -> list[Frame]:
        """The newest messages, oldest first. Empty for a resuming member: `subscriber` has them."""
        return [] if self.resumed else self.channel.history()


class Speaker(Protocol):
    """Whoever sends a message: a member, or a request."""

    @property
    def identity(self) -> Identity:
        """What it may do, and its role."""
        ...

    @property
    def name(self) -> str:
        """The name that the message has."""
        ...

    @property
    def requested_name(self) -> str:
        """The name that the client asked for."""
        ...

    @property
    def sender(self) -> str:
        """Whose refs those of its messages are."""
        ...


class Request(NamedTuple):
    """A speaker that is not a member."""

    identity: Identity
    name: str
    requested_name: str
    sender: str
