"""Shares the time of the event loop among the clients that send data.

A fast client's data arrives in pieces of 256 kB, which may hold 40,000 frames or 7,000 requests. If
each piece were parsed at once, other clients would wait for seconds. So a client parses for about a
millisecond in each turn of the loop, with all of its connections together, and all clients for ten.
What remains waits for the next turns, which the clients take in order. The event loop runs
everything else in between.

No client is slowed while the loop is idle: the turns follow each other without a delay.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

CLIENT_TURN_S = 0.001
"""Seconds after which a client waits for the next turn."""

TURN_S = 0.01
"""Seconds after which all clients wait for the next turn."""

MAX_HELD_BYTES = 2**20
"""Bytes of a client that wait to be parsed, above which none of its connections is read."""


class Reader(Protocol):
    """A connection that parses its data in slices."""

    @property
    def held_bytes(self) -> int:
        """Bytes that are not parsed yet."""
        ...

    @property
    def can_parse(self) -> bool:
        """Whether it has such bytes, and the app waits for the messages in them."""
        ...

    def parse_slice(self) -> float:
        """Parse some of them.

        Returns:
            Estimated seconds that the app needs for the messages in them.
        """
        ...

    def set_blocked(self, blocked: bool) -> None:
        """Stop reading from the network, or go on."""
        ...


class Client:
    """The connections of one client.

    Args:
        name: of the client.

    Attributes:
        name: the same.
        readers: its connections.
        waiting: those that wait for a turn, in order, with their unparsed bytes.
        held_bytes: the unparsed bytes of those that wait.
        spent_s: seconds of this turn that the client has used.
        is_blocked: whether no connection is read, because too many bytes wait.
    """

    __slots__ = ("held_bytes", "is_blocked", "name", "readers", "spent_s", "waiting")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.readers: set[Reader] = set()
        self.waiting: OrderedDict[Reader, int] = OrderedDict()
        self.held_bytes = 0
        self.spent_s = 0.0
        self.is_blocked = False

    def add(self, reader: Reader) -> None:
        """Let a connection wait."""
        self.remove(reader)
        self.waiting[reader] = reader.held_bytes
        self.held_bytes += reader.held_bytes
        if self.held_bytes > MAX_HELD_BYTES and not self.is_blocked:
            self._set_blocked(True)

    def remove(self, reader: Reader) -> None:
        """Let a connection wait no longer."""
        self.held_bytes -= self.waiting.pop(reader, 0)
        if self.is_blocked and not self.waiting:
            self._set_blocked(False)

    def _set_blocked(self, blocked: bool) -> None:
        self.is_blocked = blocked
        for reader in self.readers:
            reader.set_blocked(blocked)


class Turns:
    """Decides which connection parses its data next.

    Args:
        clock: seconds, of which differences are used.
        call_soon: calls a function in the next turn of the event loop.
    """

    def __init__(
        self,
        clock: Callable[[], float] = perf_counter,
        call_soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._clock = clock
        self._call_soon = call_soon
        self._clients: dict[Hashable, Client] = {}
        self._waiting: OrderedDict[Client, None] = OrderedDict()
        self._spenders: set[Client] = set()  # in this turn
        self._spent_s = 0.0
        self._is_scheduled = False

    def join(self, name: Hashable, reader: Reader) -> Client:
        """Add a connection, until `leave`; returns its client."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = Client(name)
        client.readers.add(reader)
        if client.is_blocked:
            reader.set_blocked(True)
        return client

    def leave(self, client: Client, reader: Reader) -> None:
        """Remove a connection."""
        client.remove(reader)
        client.readers.discard(reader)
        if not client.readers:
            self._clients.pop(client.name, None)

    def read(self, client: Client, reader: Reader) -> None:
        """Parse data that arrived: now if the client has time of this turn left, else later."""
        is_free = client.spent_s < CLIENT_TURN_S and self._spent_s < TURN_S
        if is_free and not client.waiting:
            self._parse(client, reader)
        else:
            self.wait(client, reader)

    def wait(self, client: Client, reader: Reader) -> None:
        """Let a connection parse its data in a later turn."""
        client.add(reader)
        self._waiting[client] = None
        self._schedule()

    def _parse(self, client: Client, reader: Reader) -> None:
        began_s, estimated_s = self._clock(), 0.0
        spent_s = before_s = client.spent_s
        while spent_s < CLIENT_TURN_S and reader.can_parse:
            estimated_s += reader.parse_slice()
            spent_s = before_s + estimated_s + self._clock() - began_s
        client.spent_s = spent_s
        self._spent_s += spent_s - before_s
        self._spenders.add(client)
        self._schedule()
        if reader.can_parse:
            self.wait(client, reader)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            (self._call_soon or asyncio.get_running_loop().call_soon)(self._begin_turn)

    def _begin_turn(self) -> None:
        self._is_scheduled = False
        for client in self._spenders:
            client.spent_s = 0.0
        self._spenders.clear()
        self._spent_s = 0.0
        for _ in range(len(self._waiting)):
            if self._spent_s >= TURN_S:
                break
            client, _ = self._waiting.popitem(last=False)
            if client.waiting:
                reader = next(iter(client.waiting))
                client.remove(reader)
                if client.waiting:
                    self._waiting[client] = None
                self._parse(client, reader)
        if self._waiting:
            self._schedule()
