"""The root of the errors, and those of a mission as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RoverError(Exception):
    """Base class of the server's errors. The message says what is wrong and how to fix it."""


class SettingError(RoverError):
    """A setting is invalid."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        self.name = name
        self.value = value
        self.reason = reason
        super().__init__(f"{name}={value}: {reason}")


class ConfigError(RoverError):
    """A configuration file cannot be used.

    Attributes:
        path: of the file.
        problems: its mistakes, each in one line; the text of the error has the first.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = problems
        more = len(problems) - 1
        rest = f" (and {more:,} more: `cosmic-rover config check` lists all)" if more else ""
        super().__init__(f"{path}: {problems[0]}{rest}")


class NotStarted(RoverError):
    """The mission is not running: no app runs its lifespan."""

    def __init__(
        self,
        detail: str = (
            "this mission is not running: Starlette does not run the lifespan of a mounted app. "
            "Mount the mission with `mission.mount(app, '/rover')`, or run it in your own "
            "lifespan: `async with mission: yield`"
        ),
    ) -> None:
        super().__init__(detail)


class Draining(RoverError):
    """The server is shutting down and accepts no new clients."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"the server is shutting down; try again in {retry_after_s} s")


class BadQuery(RoverError):
    """A query parameter is invalid."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        self.name = name
        self.value = value
        shown = value if len(value) <= 80 else value[:79] + "…"
        super().__init__(f"{name}={shown!r}: {reason}")


class MalformedEventId(BadQuery):
    """An event id is not of the form `epoch-offset`."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            name,
            value,
            "must be an event id of the form `epoch-offset`, such as `9f2c1a7b-42`; send an id "
            "from this server, or none to start from now",
        )


class BadBody(RoverError):
    """A request's body is invalid."""


class UpgradeWithBody(BadBody):
    """A request has a body and the header `Upgrade`."""

    def __init__(self) -> None:
        self.headers = {"Connection": "close"}  # the body may be the next request for the server
        super().__init__(
            "a request with a body must not have the header Upgrade; leave it out, with curl by "
            "--http1.1 instead of --http2"
        )


class FormatMissing(RoverError):
    """The library that writes a format is not installed."""

    def __init__(self, file_format: str, extra: str = "") -> None:
        package = f"cosmic-rover[{extra or file_format}]"
        super().__init__(f"this server cannot write {file_format}; install `{package}`")


class NoDataYet(RoverError):
    """A source is running, but has delivered no data yet."""


class PoolFull(RoverError):
    """All of a limited resource is in use, or the client's share of it.

    The message has the numbers of this client and of all, and names no other client.

    Attributes:
        pool: the name of the resource, such as `views`.
        limit: the maximum for all clients together.
        held: the number that this client holds.
        retry_after_s: seconds after which the client may try again.
    """

    retry_after_s = 2

    def __init__(
        self, pool: str, setting: str, limit: int, client: str | None, held: int, *, is_share: bool
    ) -> None:
        self.pool = pool
        self.limit = limit
        self.held = held
        if is_share:
            message = (
                f"{client} holds {held:,} of {limit:,} {pool}, a client's share "
                "(ROVER_CLIENT_SHARE); close one, or try again later"
            )
        else:
            by = f" ({setting})" if setting else ""
            message = (
                f"all {limit:,} {pool} are in use, the limit{by}, {held:,} of them by this client; "
                "try again later"
            )
        super().__init__(message)
