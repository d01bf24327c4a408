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
    │   └── UpgradeWithBody     the server may have dropped the body          400
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
    ├── SubprotocolRefused      the server has none of the subprotocols        1008
    ├── UpgradeRequired         the URL is that of a WebSocket                426
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
        ├── OtherReleaseTime     it was released for another time             409
        ├── ReleaseTimePast      its release time has passed                  400
        ├── FileChanged         a file changed while it was checked           `FAILED` event
        ├── NotWritten          the disk is full, or fails                    507
        ├── BadUploadHeader     a header of a resumable upload is wrong       400
        ├── NotAPart            a request to append has another content type  415
        ├── TusVersion          the client uses another version of tus        412
        ├── ChecksumMismatch    a request has another checksum than stated    460
        ├── OffsetMismatch      a request does not continue at the end        409
        ├── LengthMismatch      the file has another length than stated       400
        ├── UploadComplete      the upload accepts no more bytes              400
        ├── UploadEnded         a resumable upload ended incomplete           410
        └── UploadPaused        a request was interrupted, its bytes are kept 408

Numbers below 1000 are HTTP status codes, the others are WebSocket close codes.

`sources.base.SourceError` is the other root. `rover.asgi.problems` maps both to responses.
"""

from rover.errors.access import (
    ENDED,
    AccessEnded,
    AccessRefused,
    BackendFailed,
    CookieRefused,
    FormRefused,
    ScopeRequired,
    SessionEnded,
    TokenError,
    TokenRequired,
    TokensUnavailable,
    TokensUnreadable,
    TooManyFailures,
    WrongToken,
)
from rover.errors.base import (
    BadBody,
    BadQuery,
    ConfigError,
    Draining,
    FormatMissing,
    MalformedEventId,
    NoDataYet,
    NotStarted,
    PoolFull,
    RoverError,
    SettingError,
    UpgradeWithBody,
)
from rover.errors.commands import (
    PROBLEM_TYPES,
    BadUploadHeader,
    BadUploadId,
    ChecksumMismatch,
    CommandsOff,
    FileChanged,
    LengthMismatch,
    NameRequired,
    NoArtifact,
    NotAnUpload,
    NotAPart,
    NotKept,
    NotNow,
    NotQueued,
    NotTheSender,
    NotWritten,
    OffsetMismatch,
    OtherReleaseTime,
    ReleaseTimePast,
    SecondPersonRequired,
    TooLateToCancel,
    TusVersion,
    UnknownUpload,
    UploadComplete,
    UploadEncoded,
    UploadEnded,
    UploadError,
    UploadExists,
    UploadInterrupted,
    UploadPaused,
    UploadStalled,
    UploadTimedOut,
    UploadTooBig,
    UploadTooSlow,
    WrongFileName,
)
from rover.errors.comms import (
    ChannelRefused,
    MemberStalled,
    MessageConflict,
    MessageForbidden,
    MessageRefused,
    MessageTooBig,
    MessageTypeRefused,
    NotText,
    Removed,
    Replaced,
    SubprotocolRefused,
    TooManyMessages,
    UnknownMessage,
    UpgradeRequired,
)
from rover.errors.images import (
    NoThumbnail,
    RevisionGone,
)
from rover.errors.ingest import (
    BatchRefused,
    IngestError,
    IngestTooBig,
    NotIngesting,
    UnknownMediaType,
)
from rover.errors.record import (
    FolderInUse,
    ImportFailed,
    LogDamaged,
    MissionRecorded,
    NotAMission,
    ReaderMissing,
    UnknownAlarm,
)

__all__ = [
    "ENDED",
    "PROBLEM_TYPES",
    "AccessEnded",
    "AccessRefused",
    "BackendFailed",
    "BadBody",
    "BadQuery",
    "BadUploadHeader",
    "BadUploadId",
    "BatchRefused",
    "ChannelRefused",
    "ChecksumMismatch",
    "CommandsOff",
    "ConfigError",
    "CookieRefused",
    "Draining",
    "FileChanged",
    "FolderInUse",
    "FormRefused",
    "FormatMissing",
    "ImportFailed",
    "IngestError",
    "IngestTooBig",
    "LengthMismatch",
    "LogDamaged",
    "MalformedEventId",
    "MemberStalled",
    "MessageConflict",
    "MessageForbidden",
    "MessageRefused",
    "MessageTooBig",
    "MessageTypeRefused",
    "MissionRecorded",
    "NameRequired",
    "NoArtifact",
    "NoDataYet",
    "NoThumbnail",
    "NotAMission",
    "NotAPart",
    "NotAnUpload",
    "NotIngesting",
    "NotKept",
    "NotNow",
    "NotQueued",
    "NotStarted",
    "NotText",
    "NotTheSender",
    "NotWritten",
    "OffsetMismatch",
    "OtherReleaseTime",
    "PoolFull",
    "ReaderMissing",
    "ReleaseTimePast",
    "Removed",
    "Replaced",
    "RevisionGone",
    "RoverError",
    "ScopeRequired",
    "SecondPersonRequired",
    "SessionEnded",
    "SettingError",
    "SubprotocolRefused",
    "TokenError",
    "TokenRequired",
    "TokensUnavailable",
    "TokensUnreadable",
    "TooLateToCancel",
    "TooManyFailures",
    "TooManyMessages",
    "TusVersion",
    "UnknownAlarm",
    "UnknownMediaType",
    "UnknownMessage",
    "UnknownUpload",
    "UpgradeRequired",
    "UpgradeWithBody",
    "UploadComplete",
    "UploadEncoded",
    "UploadEnded",
    "UploadError",
    "UploadExists",
    "UploadInterrupted",
    "UploadPaused",
    "UploadStalled",
    "UploadTimedOut",
    "UploadTooBig",
    "UploadTooSlow",
    "WrongFileName",
    "WrongToken",
]
