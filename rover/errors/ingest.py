"""Errors about samples that devices send."""

from __future__ import annotations

from rover.errors.base import RoverError


class IngestError(RoverError):
    """Telemetry that a device sent is refused as a whole."""


class NotIngesting(IngestError):
    """The telemetry source is not `push:`."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(
            f"this server reads telemetry from {source} and accepts none by HTTP; "
            "set ROVER_TELEMETRY=push: to accept it"
        )


class UnknownMediaType(IngestError):
    """A body's content type is neither JSON nor text, or the body is compressed."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        super().__init__(
            f"the body is {media_type[:80]!r}; send JSON as application/json, JSON lines as "
            "application/x-ndjson, or InfluxDB line protocol as text/plain, without compression"
        )


class IngestTooBig(IngestError):
    """A request has more bytes or samples than the settings allow."""

    def __init__(self, what: str, unit: str, limit: int, setting: str) -> None:
        self.limit = limit
        super().__init__(
            f"the {what} has more than {limit:,} {unit}, the limit ({setting}); send it in parts"
        )


class BatchRefused(IngestError):
    """A body has an invalid sample, so all of it is refused.

    Attributes:
        place: of the mistake, such as `line 3`; empty if it concerns the whole body.
        reason: why the sample is invalid.
        before: the number of valid samples before it.
    """

    def __init__(self, place: str, reason: str, before: int) -> None:
        self.place = place
        self.reason = reason
        self.before = before
        where = f"{place}: " if place else ""
        valid = f", including {before:,} valid samples before this one" if before else ""
        super().__init__(f"{where}{reason}; the whole body was refused{valid}")
