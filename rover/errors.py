"""The errors that the server raises on purpose. Each has data and builds its own message.

    RoverError
    ├── SettingError            a setting is invalid                          at start
    ├── ConfigError             a configuration file cannot be used           at start
    ├── NameCollision           two parameters have the same name             at start
    ├── NotStarted              the mission's lifespan was not run            503
    ├── Draining                the server is shutting down                   503 · 1012
    ├── AccessRefused           the client or its page has no access          403
    │   ├── ScopeRequired       the client may not do this                    403
    │   ├── FormRefused         a form was not sent by its own page           403
    │   ├── NameRequired        two persons must release, the client has no name 403
    │   └── NotTheSender        another person has begun the upload           403
    ├── TokenRequired           the token is missing                          401
    │   ├── SessionEnded        the browser was signed in, and is not any more 401
    │   ├── CookieRefused       a session is used by a page of another origin 401
    │   └── WrongToken          the token is wrong                            401
    │       ├── TokensUnavailable the server cannot read its tokens           401
    │       └── TooManyFailures the client sent too many wrong tokens         429
    ├── AccessEnded             the client lost its access                    `bye` event · 1008
    ├── TokenError              a command about tokens is wrong               at start
    │   └── TokensUnreadable    the file of the tokens cannot be used         at start
    ├── BadQuery                a query parameter is invalid                  400 · 1008
    │   └── MalformedEventId    an event id is not `epoch-offset`             400 · 1008
    ├── BadBody                 a request's body is invalid                   400
    ├── UnknownAlarm            no alarm has that id                          404
    ├── NoDataYet               no data has arrived yet                       404
    ├── FormatMissing           a library is not installed                    501
    ├── LogDamaged              recorded events cannot be read                503
    ├── MissionRecorded         a recorded mission does not change            409
    ├── FolderInUse             a server uses the data folder                 at start
    ├── ImportFailed            a file cannot be imported                     at start
    ├── ReaderMissing           the library for a file is not installed       at start
    ├── NotAMission             a file is not a mission that can be read      at start
    ├── ChannelRefused          a channel's or member's name is not allowed   400 · 1008
    ├── MessageRefused          a channel does not accept the message         `error` · 400 · 1008
    ├── MessageTypeRefused      a request with a message has another type     415
    ├── MessageTooBig           a message exceeds the size limit              413 · 1009
    ├── TooManyMessages         a client sends messages too fast              429
    ├── NotText                 a channel accepts only text                   1003
    ├── MemberStalled           a member read no data for too long            1013
    ├── PoolFull                a limit or a client's share of it is used     503 · 1013
    ├── IngestError
    │   ├── NotIngesting        the telemetry source is not `push:`           409
    │   ├── UnknownMediaType    a body is not JSON or text                      415
    │   ├── IngestTooBig        a body or batch exceeds a limit               413
    │   └── BatchRefused        a body has an invalid sample                  400
    └── UploadError
        ├── NotAnUpload         a body is not a form with one file            400
        ├── UploadTooBig        a file exceeds the size limit                 413
        ├── UploadInterrupted   the client disconnected                       400
        │   ├── UploadStalled   the client sent no data for too long          408
        │   ├── UploadTooSlow   the client sends less than the minimum rate   408
        │   └── UploadTimedOut  the body takes longer than the total time     408
        ├── UploadEncoded       the body has a `Content-Encoding`             415
        ├── WrongFileName       the validator does not check such files       415
        ├── CommandsOff         command files are not checked here            409
        ├── UnknownUpload       no upload has that id                         404
        ├── UploadExists        an upload has that id already                 409
        ├── BadUploadId         an id has characters that are not allowed     400
        ├── NoArtifact          the upload has no compiled product            404
        ├── NotKept             the file was not accepted, so it is not kept  404
        ├── TooLateToCancel     the verdict is known                          409
        ├── NotQueued           a sequence is not on its way to the rover     409
        ├── NotNow              the state of a sequence does not allow that   409
        ├── SecondPersonRequired another person must release a sequence       409
        ├── FileChanged         a file changed while it was checked           `FAILED` event
        ├── BadUploadHeader     a header of a resumable upload is wrong       400
        ├── NotAPart            a request to append has another content type  415
        ├── TusVersion          the client uses another version of tus        412
        ├── OffsetMismatch      a request does not continue at the end        409
        ├── LengthMismatch      the file has another length than stated       400
        ├── UploadComplete      the upload accepts no more bytes              400
        └── UploadPaused        a request was interrupted, its bytes are kept 408

Numbers below 1000 are HTTP status codes, the others are WebSocket close codes.

`sources.base.SourceError` is the other root. `rover.asgi.problems` maps both to responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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


class RevisionGone(RoverError):
    """The image with that id was replaced. The requested revision no longer exists."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(
            f"image {image_id!r} was replaced, and the requested revision no longer exists; "
            "GET /images lists the present ones"
        )


class NoThumbnail(RoverError):
    """No smaller copy of an image can be made."""

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        super().__init__(f"image {image_id!r} has no smaller copy: {reason}")


class AccessRefused(RoverError):
    """The client's address or the page's origin is not allowed."""


class ScopeRequired(AccessRefused):
    """The client may not do this.

    Attributes:
        scope: the permission that it lacks.
    """

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"this needs a token with the scope `{scope}`; ask for one with it")


class FormRefused(AccessRefused):
    """A form for signing in or out was not sent by a page of this server, or is out of date."""


class TokenRequired(RoverError):
    """The request has no token."""

    def __init__(
        self,
        detail: str = (
            "this server requires a token: send `Authorization: Bearer TOKEN`, or sign in with a "
            "browser at /sign-in"
        ),
    ) -> None:
        super().__init__(detail)


class SessionEnded(TokenRequired):
    """The request has the cookie of a session that has ended."""

    def __init__(self) -> None:
        super().__init__("you are signed out: the session has ended; sign in again at /sign-in")


class CookieRefused(TokenRequired):
    """The request has the cookie of a session, but comes from a page of another origin."""

    def __init__(self) -> None:
        super().__init__(
            "the session of a browser is not valid for pages of other origins: send a token in "
            "`Authorization`, or add the origin itself to ROVER_ALLOWED_ORIGINS (`*` is not enough)"
        )


class BackendFailed(RoverError):
    """The authentication backend of the app that contains the mission has raised an error."""

    def __init__(self) -> None:
        super().__init__(
            "the app's sign-in has failed, so the server cannot tell who you are; its log says why"
        )


class WrongToken(TokenRequired):
    """The token is wrong, has expired or was revoked."""

    def __init__(self, detail: str = "the token is wrong, has expired or was revoked") -> None:
        super().__init__(detail)


class TokensUnavailable(WrongToken):
    """The token may be right, but the server cannot read the file of its named tokens."""

    def __init__(self) -> None:
        super().__init__(
            "the server cannot read its named tokens, so it cannot check this one; its log and "
            "`tokens` in /readyz say why"
        )


class TooManyFailures(WrongToken):
    """The token is wrong, and the client has sent too many wrong ones."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"the token is wrong, and too many wrong tokens were sent; try again in "
            f"{retry_after_s} s. A right token is accepted at once"
        )


ENDED = {
    "revoked": "the token was revoked; ask for a new one",
    "expired": "the token has expired; ask for a new one",
    "changed": "the permissions of the token have changed; connect again",
    "unavailable": "the server cannot read its tokens; its log says why",
    "token_required": "this server now requires a token; connect again with one",
    "signed_out": "you are signed out; sign in again",
    "session_expired": "the session has expired; sign in again",
}


class AccessEnded(RoverError):
    """A client has lost its access while a stream was open.

    Attributes:
        reason: stable, for machines: `revoked`, `expired`, `changed`, `unavailable`,
            `token_required`, `signed_out` or `session_expired`.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(ENDED[reason])


class TokenError(RoverError):
    """A command about tokens is wrong, or cannot be done."""


class TokensUnreadable(TokenError):
    """The file of the tokens cannot be read, or it is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: the tokens cannot be read: {reason}; restore the file, or delete it, restart "
            "the server and add the tokens again"
        )


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


class UnknownAlarm(RoverError):
    """No alarm that is active or unacknowledged has that id."""

    def __init__(self, alarm_id: str) -> None:
        self.alarm_id = alarm_id
        super().__init__(
            f"no alarm has the id {alarm_id[:80]!r}, or it has ended and was acknowledged; "
            "GET /alarms lists them"
        )


class LogDamaged(RoverError):
    """Recorded events cannot be read."""


class MissionRecorded(RoverError):
    """A recorded mission does not change."""

    def __init__(self) -> None:
        super().__init__("this mission is recorded; it can be viewed, but not changed")


class FolderInUse(RoverError):
    """A server uses the data folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is in use by a server; stop it, or import into the server with --url"
        )


class ImportFailed(RoverError):
    """A file cannot be imported."""

    def __init__(self, path: Path, place: str, reason: str) -> None:
        super().__init__(": ".join(filter(None, (str(path), place, reason))))


class ReaderMissing(RoverError):
    """The library that reads the format of a file is not installed."""

    def __init__(self, path: Path, module: str) -> None:
        extra = {"mcap": "mcap", "mcap_ros2": "rosbag", "pyarrow": "parquet"}
        name = extra.get(module.partition(".")[0], "rosbag")
        super().__init__(f"{path}: cannot be read here; install `cosmic-rover[{name}]`")


class NotAMission(RoverError):
    """A file or folder is not a mission that can be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class FormatMissing(RoverError):
    """The library that writes a format is not installed."""

    def __init__(self, file_format: str, extra: str = "") -> None:
        package = f"cosmic-rover[{extra or file_format}]"
        super().__init__(f"this server cannot write {file_format}; install `{package}`")


class NoDataYet(RoverError):
    """A source is running, but has delivered no data yet."""


class ChannelRefused(RoverError):
    """A channel's or a member's name is not allowed."""

    def __init__(self, what: str, name: str, reason: str) -> None:
        self.what = what
        self.name = name
        shown = name if len(name) <= 80 else name[:79] + "…"
        super().__init__(f"{what} {shown!r} is not allowed: {reason}")


class MessageRefused(RoverError):
    """A channel does not accept this message.

    Attributes:
        code: stable, for machines: `empty`, `malformed`, `recorded`, `unknown_type`, `not_allowed`,
            and those of the subclasses.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)

    @property
    def members(self) -> dict[str, str]:
        """Of the problem document."""
        return {"code": self.code}


class MessageConflict(MessageRefused):
    """A message does not fit the state of the channel: a vote after the deadline, a second vote.

    Its `code` is `late`, `already_voted`, `already_acknowledged`, `retracted`, `not_changeable` or
    `too_many`.
    """


class MessageForbidden(MessageRefused):
    """The client may not send this message.

    Its `code` is `muted`, `removed`, `not_allowed`, `not_on_roll`, `not_author` or `not_moderator`.
    """


class UnknownMessage(MessageRefused):
    """A message refers to one that the channel does not have. Its `code` is `unknown_id`."""

    def __init__(self, what: str, event_id: str) -> None:
        super().__init__(
            "unknown_id",
            f"the channel has no {what} with the id {event_id[:80]!r} among its newest",
        )


class MessageTooBig(RoverError):
    """A message is longer than `ROVER_MAX_MESSAGE_BYTES`."""

    members: ClassVar[dict[str, str]] = {"code": "too_long"}
    """Of the problem document."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the message is larger than {limit_bytes:,} bytes, the limit "
            "(ROVER_MAX_MESSAGE_BYTES); split it"
        )


class MessageTypeRefused(RoverError):
    """The body of a request that sends a message is neither JSON nor text."""

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"the body is {media_type[:80]!r}; send text as text/plain in UTF-8, or JSON as "
            "application/json, without compression"
        )


class Replaced(RoverError):
    """A member has another connection now, which has its resume token."""

    def __init__(self) -> None:
        super().__init__("this member continues on another connection")


class Removed(RoverError):
    """A moderator has removed the member from the channel."""

    def __init__(self, channel: str, end: str) -> None:
        super().__init__(f"a moderator has removed you from channel {channel!r} {end}")


class NotText(RoverError):
    """A member sent a binary message, and a channel accepts only text."""

    def __init__(self) -> None:
        super().__init__("the message is binary; send it as a text frame")


class MemberStalled(RoverError):
    """A member read no data for `ROVER_SEND_TIMEOUT_S` and was closed."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"no data read for {timeout_s:g} s; reconnect with `?after=<last id>`")


class TooManyMessages(RoverError):
    """A client sends messages too fast.

    Attributes:
        retry_after_s: seconds after which it may send the next one.
    """

    def __init__(self, rate_hz: float, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"a client may send {rate_hz:g} messages per second (`ROVER_MESSAGE_RATE`); try again "
            f"in {retry_after_s} s"
        )


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


class UploadError(RoverError):
    """An upload is refused or failed, or does not exist."""


class NotAnUpload(UploadError):
    """The body is not a multipart form with one file in the field `file`."""


class UploadTooBig(UploadError):
    """The file is larger than `ROVER_MAX_UPLOAD_BYTES`, or than the validator allows."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.headers = {"Upload-Limit": f"max-size={limit_bytes}"}
        super().__init__(
            f"the file is larger than {limit_bytes:,} bytes, the limit (ROVER_MAX_UPLOAD_BYTES, or "
            "that of the validator); split the sequence"
        )


class UploadInterrupted(UploadError):
    """The client disconnected before the body was complete. The data is discarded."""

    def __init__(self, received: int) -> None:
        self.received = received
        super().__init__(
            f"the upload was interrupted after {received:,} bytes and was discarded; "
            "send the file again"
        )


class UploadStalled(UploadInterrupted):
    """The client is connected, but sent no data for `ROVER_UPLOAD_TIMEOUT_S`."""

    def __init__(self, received: int, timeout_s: float) -> None:
        super().__init__(received)
        self.timeout_s = timeout_s
        self.args = (
            f"the client sent no data for {timeout_s:g} s after {received:,} bytes "
            "(ROVER_UPLOAD_TIMEOUT_S); the upload was discarded, send the file again",
        )


class UploadTooSlow(UploadInterrupted):
    """The client sends less than `ROVER_MIN_BODY_RATE`, averaged over the transfer."""

    def __init__(self, received: int, waited_s: float, min_rate: float) -> None:
        super().__init__(received)
        self.waited_s = waited_s
        self.min_rate = min_rate
        self.args = (
            f"the client sent {received:,} bytes in {waited_s:.1f} s, less than the limit of "
            f"{min_rate:,g} bytes/s (ROVER_MIN_BODY_RATE); the data was discarded, send it again "
            "over a faster connection",
        )


class UploadTimedOut(UploadInterrupted):
    """The body takes longer than `ROVER_BODY_TIMEOUT_S`."""

    def __init__(self, received: int, timeout_s: float) -> None:
        super().__init__(received)
        self.timeout_s = timeout_s
        self.args = (
            f"the client sent {received:,} bytes in {timeout_s:g} s and has not finished "
            "(ROVER_BODY_TIMEOUT_S); the data was discarded, send it again over a faster "
            "connection",
        )


class CommandsOff(UploadError):
    """This server does not check command files: `ROVER_COMMANDS` is `none:`."""

    def __init__(self) -> None:
        super().__init__(
            "this server does not check command files; set ROVER_COMMANDS to the URL of a validator"
        )


class UnknownUpload(UploadError):
    """No upload has that id."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"no upload has the id {upload_id!r}, or its report has expired (ROVER_KEPT_UPLOADS); "
            "send the file again"
        )


class UploadExists(UploadError):
    """An upload has that id already."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"an upload with the id {upload_id!r} exists; GET /uploads/{upload_id} has its report"
        )


class BadUploadId(UploadError):
    """The id that the client chose for an upload is not allowed."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the id {upload_id[:80]!r} is not allowed: must be 1 to 64 letters, digits, `-` or `_`"
        )


class WrongFileName(UploadError):
    """The validator does not check files with such a name."""

    def __init__(self, name: str, suffixes: Sequence[str]) -> None:
        self.name = name
        self.suffixes = suffixes
        super().__init__(
            f"the name of the file is {name[:80]!r}: must end in one of {', '.join(suffixes)}"
        )


class UploadEncoded(UploadError):
    """The body of an upload has a `Content-Encoding`."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(
            f"the body has the Content-Encoding {encoding[:80]!r}; send the file without one"
        )


PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#"
"""The beginning of the problem types of resumable uploads."""


class OffsetMismatch(UploadError):
    """A request does not continue a resumable upload where its file ends."""

    def __init__(self, provided: int, expected: int) -> None:
        self.headers = {"Upload-Offset": str(expected)}
        self.members = {
            "type": f"{PROBLEM_TYPES}mismatching-upload-offset",
            "expected-offset": expected,
            "provided-offset": provided,
        }
        super().__init__(
            f"the request begins at byte {provided:,}, and the file has {expected:,} bytes; "
            f"continue with Upload-Offset: {expected}"
        )


class LengthMismatch(UploadError):
    """A resumable upload has another length than the client stated."""

    def __init__(self, length: int, stated: int | None) -> None:
        self.members = {"type": f"{PROBLEM_TYPES}inconsistent-upload-length"}
        super().__init__(f"the file has {length:,} bytes, and the client stated {stated or 0:,}")


class UploadComplete(UploadError):
    """The file of a resumable upload is complete, or the upload has ended."""

    def __init__(self, upload_id: str) -> None:
        self.headers = {"Upload-Complete": "?1"}
        self.members = {"type": f"{PROBLEM_TYPES}completed-upload"}
        super().__init__(
            f"the upload {upload_id!r} accepts no more bytes; GET /uploads/{upload_id} has its "
            "report"
        )


class UploadPaused(UploadError):
    """A request of a resumable upload was interrupted. The bytes so far are kept."""

    def __init__(self, received: int) -> None:
        self.received = received
        self.headers = {"Upload-Offset": str(received), "Upload-Complete": "?0"}
        super().__init__(
            f"the request was interrupted; {received:,} bytes of the file are kept, continue with "
            f"Upload-Offset: {received}"
        )


class BadUploadHeader(UploadError):
    """A header of a resumable upload is missing or malformed."""

    def __init__(self, name: str, value: str | None, reason: str) -> None:
        self.name = name
        shown = "is missing" if value is None else f"is {value[:80]!r}"
        super().__init__(f"the header {name} {shown}: {reason}")


class NotAPart(UploadError):
    """The content type of a request is not that of a part of a file."""

    def __init__(self, media_type: str, expected: str) -> None:
        super().__init__(f"the Content-Type is {media_type[:80]!r}: must be {expected}")


class TusVersion(UploadError):
    """The client uses another version of tus."""

    headers: ClassVar = {"Tus-Version": "1.0.0"}

    def __init__(self, version: str) -> None:
        super().__init__(f"Tus-Resumable is {version[:80]!r}: must be 1.0.0")


class NotTheSender(AccessRefused):
    """Another person has begun the upload."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"the upload {upload_id!r} belongs to another sender")


class NameRequired(AccessRefused):
    """Two persons must release sequences, and the client has no name that others cannot state."""

    def __init__(self) -> None:
        super().__init__(
            "two persons must release a sequence (ROVER_RELEASE_PERSONS): send a token with your "
            "name, made with `rover token add`"
        )


class NoArtifact(UploadError):
    """The upload has no compiled product."""

    def __init__(self, upload_id: str, status: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"the upload {upload_id!r} has no artifact; its status is {status}")


class NotKept(UploadError):
    """The file of an upload is not kept: it was not accepted."""

    def __init__(self, upload_id: str, status: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the file of the upload {upload_id!r} is not kept: only accepted files are, and its "
            f"status is {status}"
        )


class TooLateToCancel(UploadError):
    """The upload ended before it could be cancelled."""

    def __init__(self, upload_id: str, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(f"too late: {outcome}; GET /uploads/{upload_id} has the report")


class NotQueued(UploadError):
    """The sequence of an upload is not on its way to the rover."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"the upload {upload_id!r} is not in the queue: accepted files enter it, if "
            "ROVER_UPLINK names an uplink"
        )


class NotNow(UploadError):
    """The state of a sequence does not allow an action, or the client has not seen its state."""

    def __init__(self, action: str, state: str, revision: int, seen: int | None = None) -> None:
        self.members = {"state": state, "revision": revision}
        if seen is None:
            reason = f"`{action}` is not possible: the sequence is {state}"
        else:
            reason = (
                f"the sequence has changed: it is {state} (revision {revision}, you have seen "
                f"{seen}); look at it again"
            )
        super().__init__(reason)


class SecondPersonRequired(UploadError):
    """The same person releases a sequence that another person must release too."""

    def __init__(self, by: str) -> None:
        super().__init__(
            f"{by} has released it already; another person must release it too "
            "(ROVER_RELEASE_PERSONS)"
        )


class FileChanged(UploadError):
    """A command file changed while it was checked."""

    def __init__(self) -> None:
        super().__init__(
            "the validator, not the file, is faulty: it changed the file that it checked, so that "
            "its verdict is about other bytes"
        )
