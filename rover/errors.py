"""Everything that goes wrong on purpose. Each error carries data and builds its own message.

    RoverError
    ├── SettingError            a setting makes no sense                     at start
    ├── NotStarted              the mission's lifespan was not run           503
    ├── Draining                the server is going down                     503
    ├── AccessRefused           this client may not talk to this server      403
    ├── TokenRequired           no token, or a wrong one                     401
    ├── BadQuery                a query parameter cannot be read             400
    │   └── MalformedEventId    a resume id is not `epoch-offset`            400
    ├── BadBody                 a request's body cannot be read              400
    ├── UnknownAlarm            no alarm has that id                         404
    ├── NothingYet              nothing has arrived yet                      404
    ├── ChannelRefused          a room name or a member's name is not legal  400 · 1008
    ├── MessageRefused          a room cannot take this message              `error` event
    ├── MessageTooBig           a message is longer than the settings allow  1009
    ├── NotText                 a room takes text only                       1003
    ├── MemberStalled                 a member took nothing for too long           1013
    ├── ChannelFull                no seat left                                 503 · 1013
    ├── TooManyReaders          no place left in a stream                    503
    ├── TooManyViews            too many different views of the telemetry    503
    ├── IngestError
    │   ├── NotIngesting        telemetry comes from elsewhere               409
    │   ├── UnknownMediaType    a body is not JSON                           415
    │   ├── IngestTooBig        more at once than the settings allow         413
    │   └── BatchRefused        something in a body is no sample             400
    └── UploadError
        ├── NotAnUpload         the body is not what was asked for           400
        ├── UploadTooBig        more bytes than the settings allow           413
        ├── UploadInterrupted   the sender went away midway                  400
        │   └── UploadStalled   the sender sends nothing for too long        400
        ├── TooManyUploads          too many uploads at once                     503
        ├── CommandsOff         command files are not checked here           409
        └── UnknownUpload       no upload has that id                        404

`sources.base.SourceError` is the other root. `rover.asgi.problems` maps both to responses.
"""

from __future__ import annotations


class RoverError(Exception):
    """Root of the server's own errors; the text is a sentence that a person can act on."""


class SettingError(RoverError):
    """A setting makes no sense."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        self.name = name
        self.value = value
        self.reason = reason
        super().__init__(f"{name}={value}: {reason}")


class NotStarted(RoverError):
    """What was asked does not run, as in an app that mounts it and does not run its lifespan."""

    def __init__(
        self,
        detail: str = (
            "this mission was not started: no app runs the lifespan of an app that is mounted in "
            "it. Mount it with `mission.mount(app, '/rover')`, or start it in your own lifespan: "
            "`async with mission: yield`"
        ),
    ) -> None:
        super().__init__(detail)


class Draining(RoverError):
    """The server is going down and takes no new streams."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"the server is shutting down; try again in {retry_after_s} s")


class AccessRefused(RoverError):
    """This client may not talk to this server."""


class TokenRequired(RoverError):
    """No token came with the request, or a wrong one."""

    def __init__(self) -> None:
        super().__init__(
            "this server wants a token: send `Authorization: Bearer TOKEN`, "
            "or open the page once with `?token=TOKEN`"
        )


class BadQuery(RoverError):
    """A query parameter cannot be read."""

    def __init__(self, name: str, value: str, reason: str) -> None:
        self.name = name
        self.value = value
        shown = value if len(value) <= 80 else value[:79] + "…"
        super().__init__(f"{name}={shown!r}: {reason}")


class MalformedEventId(BadQuery):
    """A resume id is not of the form that this server gives out."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(
            name,
            value,
            "an event id looks like `epoch-offset`, such as `9f2c1a7b-42`; "
            "send one that this server gave you, or none to start from now",
        )


class BadBody(RoverError):
    """A request's body cannot be read."""


class UnknownAlarm(RoverError):
    """There is no active or unacknowledged alarm with that id."""

    def __init__(self, alarm_id: str) -> None:
        self.alarm_id = alarm_id
        super().__init__(
            f"no alarm has the id {alarm_id[:80]!r}, or it has ended and was acknowledged; "
            "GET /alarms lists them"
        )


class NothingYet(RoverError):
    """What is asked for exists, but nothing of it has arrived yet."""


class ChannelRefused(RoverError):
    """A channel's or a member's name is not allowed."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        self.what = what
        self.name = name
        shown = name if len(name) <= 80 else name[:79] + "…"
        super().__init__(f"{what} {shown!r} is not allowed: {reason}")


class MessageRefused(RoverError):
    """A room cannot take this message.

    Attributes:
        code: stable, for machines: `empty`, `malformed`, `unknown_type`.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class MessageTooBig(RoverError):
    """A message is longer than the settings allow."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"a message may have {limit_bytes:,} bytes at most (ROVER_MAX_MESSAGE_BYTES)"
        )


class NotText(RoverError):
    """A member sent bytes, and a room takes text only."""

    def __init__(self) -> None:
        super().__init__("a room takes text messages only, and this one was binary")


class MemberStalled(RoverError):
    """A member took nothing for so long that its seat was given up."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(
            f"you took nothing for {timeout_s:g} s; connect again with ?after= and your last id"
        )


class ChannelFull(RoverError):
    """No seat is left, in this channel or in all of them."""


class TooManyReaders(RoverError):
    """As many readers follow as the settings allow."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"{limit:,} readers follow already, which is the most at once (ROVER_MAX_READERS)"
        )


class TooManyViews(RoverError):
    """As many different views of the telemetry are in use as the settings allow."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"{limit} different combinations of `fields` and `hz` are in use, which is the most at "
            "once (ROVER_MAX_VIEWS); use one of the others' or the whole stream"
        )


class IngestError(RoverError):
    """Samples that a device sent cannot be taken; none of them was."""


class NotIngesting(IngestError):
    """Telemetry comes from elsewhere."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(
            f"telemetry comes from a {source} here, and is not sent in; "
            "set ROVER_TELEMETRY=push: to send it"
        )


class UnknownMediaType(IngestError):
    """A body is said to be something that no samples can be read from."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        super().__init__(
            f"the body is {media_type[:80]!r}; send JSON as application/json, or JSON lines as "
            "application/x-ndjson, and neither compressed"
        )


class IngestTooBig(IngestError):
    """More came at once than the settings allow."""

    def __init__(self, what: str, unit: str, limit: int, setting: str) -> None:
        self.limit = limit
        super().__init__(
            f"the {what} has more than {limit:,} {unit}, the most at once ({setting}); "
            "send it in parts"
        )


class BatchRefused(IngestError):
    """Something in a body is no sample, so none of the body was taken.

    Attributes:
        place: where, such as `line 3`; empty if it is the whole.
        reason: what is wrong.
        before: how many good samples stand before it.
    """

    def __init__(self, place: str, reason: str, before: int) -> None:
        self.place = place
        self.reason = reason
        self.before = before
        where = f"{place}: " if place else ""
        good = f", not even the {before:,} good samples before it" if before else ""
        super().__init__(f"{where}{reason}; nothing of the body was taken{good}")


class UploadError(RoverError):
    """An upload cannot be taken, or is not there."""


class NotAnUpload(UploadError):
    """The body is not a multipart form with one file in the field `file`."""


class UploadTooBig(UploadError):
    """More bytes than the settings allow."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the file is larger than {limit_bytes:,} bytes, which is the most that this server "
            "takes (ROVER_MAX_UPLOAD_BYTES); split the sequence"
        )


class UploadInterrupted(UploadError):
    """The sender went away before the file was whole; nothing of it was kept."""

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(f"the upload broke off after {received:,} bytes; nothing of it was kept")


class UploadStalled(UploadInterrupted):
    """The sender stayed, but sent nothing for too long."""

    def __init__(self, received: int, timeout_s: float) -> None:
        super().__init__(received)
        self.timeout_s = timeout_s
        self.args = (
            f"nothing came for {timeout_s:g} s after {received:,} bytes, so the upload was given "
            "up and nothing of it kept (ROVER_UPLOAD_TIMEOUT_S)",
        )


class TooManyUploads(UploadError):
    """Too many uploads are under way at once."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"{limit} uploads are being received or checked, which is the most at once "
            "(ROVER_MAX_UPLOADS); try again in a moment"
        )


class CommandsOff(UploadError):
    """Command files are not checked here."""

    def __init__(self) -> None:
        super().__init__(
            "this server does not check command files (ROVER_COMMANDS=none:); set ROVER_COMMANDS "
            "to the URL of a validator"
        )


class UnknownUpload(UploadError):
    """No upload has that id."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"no upload has the id {upload_id!r}")
