"""The settings of the server: name, default, unit, range and help text of each.

The environment variables (`ROVER_` and the field's name in capitals) and the table in
docs/settings.md are derived from these fields. A test checks that the table is up to date.
"""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rover.addresses import Proxies, host_name, origin_of, words
from rover.errors import SettingError
from sources.values.ranges import Range, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

logger = logging.getLogger("rover.settings")

PREFIX = "ROVER_"

CONFIG_VARIABLE = "ROVER_CONFIG"
"""The variable with the path of the configuration file, which is read before the settings."""

CLIENT_VARIABLES = frozenset({"ROVER_URL", "ROVER_TOKEN", "ROVER_TOKEN_FILE"})
"""Variables of commands that use a server, such as `rover tail`. They are no settings."""

NEAR_MISS = 0.8
"""Similarity, from 0 to 1, from which a name counts as a misspelled setting.

Other programs use names with this prefix too. `TELEMETRIE` has 0.84 of `TELEMETRY`, `DATABASE_URL`
0.5 of `DATA_DIR`.
"""

MIN_TOKEN_LENGTH = 16
"""Minimum number of characters of an access token."""

CHOICES = {
    "log": ("", "sqlite:", "memory:"),
    "log_format": ("text", "json"),
    "notify_level": ("yellow", "red"),
}
"""The values of settings that have only a few."""

DEFAULT_SOURCE = "`sim:`, or `none:` beside a real source"


def setting(
    default: Any,
    help: str,  # noqa: A002 # the usual name
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    secret: bool = False,
    unset: str = "",
) -> Any:
    """A field of `Settings`.

    Args:
        default: also sets the type that a variable is converted to.
        help: for the table of settings.
        unit: of the value; empty for text and for plain counts.
        at_least: lower bound of a number.
        at_most: upper bound of a number.
        secret: whether to hide the value in `repr`.
        unset: what an empty default means, for the table of settings. A variable must not be empty.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "at_least": at_least,
        "at_most": at_most,
        "unset": unset,
    }
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one mission control, validated when created.

    Raises:
        SettingError: a value is empty, malformed or out of range.
    """

    telemetry: str = setting("", "source URL of the telemetry", unset=DEFAULT_SOURCE)
    camera: str = setting("", "source URL of the camera", unset=DEFAULT_SOURCE)
    commands: str = setting(
        "", "source URL of the validator for command files", unset=DEFAULT_SOURCE
    )
    uplink: str = setting(
        "", "source URL of the uplink, which sends accepted command files", unset="`none:`"
    )
    release_persons: int = setting(
        1,
        "number of persons who must release a sequence before it is sent; 2 requires named tokens",
        at_least=1,
        at_most=2,
    )
    light_time_s: float = setting(
        0.0, "one-way light time to the rover", unit="s", at_least=0, at_most=10**6
    )
    light_time_parameter: str = setting(
        "", "telemetry parameter with the one-way light time in seconds, instead"
    )
    answer_timeout_s: float = setting(
        60.0,
        "time after the light time there and back in which the rover must answer a sequence",
        unit="s",
        at_least=1,
        at_most=10**7,
    )
    uplink_timeout_s: float = setting(
        60.0,
        "time after which it is unknown whether the uplink has sent a sequence",
        unit="s",
        at_least=0.1,
        at_most=86_400,
    )
    data_dir: Path = setting(
        Path("rover-data"), "folder for accepted command files and for unfinished transfers"
    )
    log: str = setting(
        "",
        "where the mission is recorded: `sqlite:` in the data folder, or `memory:`, which a "
        "restart forgets",
        unset="`sqlite:`; `memory:` in an app of your own",
    )
    keep_days: float = setting(
        3650.0, "time for which the recorded telemetry is kept", unit="days", at_least=0.01
    )
    keep_bytes: int = setting(
        20 * 2**30,
        "maximum size of `mission.db`; the oldest telemetry is deleted within seconds",
        unit="bytes",
        at_least=2**20,
    )
    keep_image_bytes: int = setting(
        2 * 2**30,
        "maximum size of the kept images of a camera that has no files of them; 0 keeps none",
        unit="bytes",
        at_least=0,
    )
    image_store: str = setting(
        "",
        "bucket that kept images are copied to, `s3://BUCKET/PREFIX`; their files are deleted only "
        "when `ROVER_KEEP_IMAGE_BYTES` is reached",
    )
    thumbnail_bytes: int = setting(
        256 * 2**20,
        "maximum size of the kept smaller copies of images; 0 keeps none",
        unit="bytes",
        at_least=0,
    )
    tokens: str = setting(
        "",
        "comma-separated shared tokens of at least 16 characters; without these and without named "
        "tokens (`rover token add`), only clients on this machine are served",
        secret=True,
    )
    session_s: float = setting(
        7 * 86_400.0,
        "time after which a signed-in browser must sign in again",
        unit="s",
        at_least=60,
        at_most=90 * 86_400,
    )
    session_idle_s: float = setting(
        12 * 3_600.0,
        "time without a request after which a signed-in browser must sign in again",
        unit="s",
        at_least=60,
    )
    hosts: str = setting(
        "",
        "comma-separated host names of this server, in addition to localhost; other names are "
        "refused while `ROVER_TOKENS` is not set",
    )
    trusted_proxies: str = setting(
        "",
        "comma-separated proxies whose `X-Forwarded-For` is believed: addresses, networks such as "
        "`10.0.0.0/8`, `unix` for Unix sockets; `*` for all, and networks larger than `/8` (IPv6: "
        "`/7`), require tokens",
    )
    allowed_origins: str = setting(
        "",
        "comma-separated origins of other sites whose pages may connect; `*` allows all, without "
        "the sessions of browsers",
    )
    notify: str = setting(
        "",
        "URLs that get a message when an alarm is raised, becomes more severe or ends: webhooks "
        "(`https:`), and services that Apprise knows",
        secret=True,
    )
    notify_level: str = setting(
        "yellow", "least severe level of alarms that `ROVER_NOTIFY` gets: `yellow` or `red`"
    )
    log_format: str = setting("text", "format of the log lines of `rover serve`: `text` or `json`")
    heartbeat_s: float = setting(
        15.0, "maximum silence of a stream before a heartbeat", unit="s", at_least=0.05, at_most=300
    )
    send_timeout_s: float = setting(
        30.0, "time without reading data after which a client is aborted", unit="s", at_least=0.1
    )
    retry_ms: int = setting(
        2000, "time that a disconnected client waits before it reconnects", unit="ms", at_least=0
    )
    drain_s: float = setting(
        1.0,
        "time for downloads and uploads to finish at shutdown",
        unit="s",
        at_least=0,
        at_most=60,
    )
    client_share: float = setting(
        1 / 3,
        "part of each limit below that one client may use: a token, an address, or an IPv6 network "
        "(/64); 1 turns shares off",
        at_least=0.001,
        at_most=1,
    )
    max_connections: int = setting(
        12_000,
        "maximum number of connections; beyond it, only health checks and clients with a token are "
        "served",
        at_least=1,
    )
    max_readers: int = setting(
        10_000, "maximum number of telemetry clients; more get 503", at_least=1
    )
    telemetry_events: int = setting(
        20_000, "telemetry events kept for new and resuming clients", at_least=1
    )
    telemetry_bytes: int = setting(
        16 * 2**20, "bytes of telemetry events kept", unit="bytes", at_least=1024
    )
    max_views: int = setting(
        32, "maximum number of combinations of `fields` and `hz` in use", at_least=1
    )
    history_bytes: int = setting(
        64 * 2**20,
        "bytes of past samples, compressed, if they are in memory (`ROVER_LOG=memory:`)",
        unit="bytes",
        at_least=65536,
    )
    max_sample_bytes: int = setting(
        64 * 2**10,
        "size limit of a sample; a larger one is reported and dropped",
        unit="bytes",
        at_least=256,
    )
    max_ingest_bytes: int = setting(
        2**20, "size limit of one request that sends telemetry", unit="bytes", at_least=256
    )
    max_ingests: int = setting(
        192, "maximum number of requests being received that send telemetry or JSON", at_least=1
    )
    max_channels: int = setting(200, "maximum number of comms channels", at_least=1)
    max_members: int = setting(
        1_500, "maximum number of members of one channel; more get 1013", at_least=1
    )
    max_subscriptions: int = setting(
        10_000,
        "maximum number of channels that all members together listen to beside their own",
        at_least=1,
    )
    max_message_bytes: int = setting(
        16 * 2**10, "size limit of a comms message", unit="bytes", at_least=64, at_most=16 * 2**20
    )
    message_rate: float = setting(
        10.0,
        "messages per second that one member may send; the server reads faster ones later",
        at_least=0.1,
    )
    message_burst: int = setting(
        30, "messages that one member may send at once, before `ROVER_MESSAGE_RATE`", at_least=1
    )
    room_events: int = setting(1_000, "newest messages of each channel kept in memory", at_least=1)
    room_bytes: int = setting(
        2**20,
        "bytes of the newest messages of each channel kept in memory",
        unit="bytes",
        at_least=1024,
    )
    keep_comms_days: float = setting(
        0.0,
        "time for which messages are kept; 0 keeps them up to the limits of number and bytes",
        unit="days",
        at_least=0,
    )
    keep_comms_messages: int = setting(
        100_000, "messages of each channel that the data folder keeps", at_least=1
    )
    keep_comms_bytes: int = setting(
        256 * 2**20,
        "bytes of messages of each channel that the data folder keeps",
        unit="bytes",
        at_least=1024,
    )
    welcome_events: int = setting(
        50, "newest messages that a new member of a channel receives", at_least=0
    )
    max_upload_bytes: int = setting(
        64 * 2**20, "size limit of a command file", unit="bytes", at_least=1
    )
    max_uploads: int = setting(
        24, "maximum number of uploads being received or checked", at_least=1
    )
    max_checks: int = setting(
        8, "maximum number of command files being checked; others wait in a queue", at_least=1
    )
    resume_s: float = setting(
        86_400.0,
        "time without a request after which a resumable upload fails",
        unit="s",
        at_least=1,
    )
    upload_timeout_s: float = setting(
        30.0, "time without data after which an upload is aborted", unit="s", at_least=0.1
    )
    min_body_rate: float = setting(
        100.0,
        "average rate below which the body of a request is refused, after 10 s",
        unit="bytes/s",
        at_least=1,
    )
    body_timeout_s: float = setting(
        3600.0,
        "total time to receive the body of a request, at any rate",
        unit="s",
        at_least=1,
    )
    kept_uploads: int = setting(
        5_000, "finished uploads of which the record is kept", at_least=1, at_most=100_000
    )
    audit_bytes: int = setting(
        16 * 2**20,
        "size of `audit.jsonl` in the data folder from which a new file begins",
        unit="bytes",
        at_least=64 * 2**10,
    )
    audit_files: int = setting(
        4, "audit files kept, including `audit.jsonl`; 0 turns the audit log off", at_least=0
    )
    metrics_parameters: int = setting(
        1_000,
        "maximum number of parameters whose values `/metrics` has; 0 for none",
        at_least=0,
        at_most=100_000,
    )
    max_viewers: int = setting(200, "maximum number of viewers of videos; more get 503", at_least=1)
    spool_images: int = setting(
        32, "images kept on disk, if the camera has no files of them", at_least=1
    )
    spool_bytes: int = setting(
        8 * 2**30,
        "maximum size of these images; the oldest are deleted",
        unit="bytes",
        at_least=2**20,
    )
    stalled_image_s: float = setting(
        120.0,
        "seconds that a response waits for the next byte of an image that arrives",
        unit="s",
        at_least=1,
        at_most=86_400,
    )
    max_image_bytes: int = setting(
        4 * 2**30,
        "size limit of an image that arrives; a larger one is aborted",
        unit="bytes",
        at_least=1024,
    )

    def __post_init__(self) -> None:
        for info in fields(self):
            _check(info, getattr(self, info.name))
        for origin in filter(None, map(str.strip, self.allowed_origins.split(","))):
            if origin != "*":
                try:
                    origin_of(origin)
                except ValueError as exc:
                    reason = "must be an origin such as https://lab.example, without a path"
                    raise SettingError("ROVER_ALLOWED_ORIGINS", origin, reason) from exc
        self._check_tokens()
        self._check_hosts()
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                reason = f"must be one of {', '.join(filter(None, choices))}"
                raise SettingError(PREFIX + name.upper(), value, reason)

    def _check_tokens(self) -> None:
        if not self.tokens:
            return
        tokens = [token.strip() for token in self.tokens.split(",")]
        if not all(tokens):
            reason = "must not have empty entries; remove the extra comma"
            raise SettingError("ROVER_TOKENS", "…", reason)
        if any(len(token) < MIN_TOKEN_LENGTH for token in tokens):
            reason = f"must be tokens of at least {MIN_TOKEN_LENGTH} characters"
            raise SettingError("ROVER_TOKENS", "…", reason)

    def _check_hosts(self) -> None:
        for host in words(self.hosts):
            try:
                host_name(host)
            except ValueError:
                reason = "must be a host name such as rover.lab.example, without a port"
                raise SettingError("ROVER_HOSTS", host, reason) from None
        try:
            Proxies(self.trusted_proxies)
        except ValueError as exc:
            reason = "must be an address, a network such as 10.0.0.0/8, unix, or *"
            raise SettingError("ROVER_TRUSTED_PROXIES", str(exc), reason) from None

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Self:
        """The settings from `ROVER_…` environment variables, with defaults for unset variables.

        Variables of other programs that start with `ROVER_` are ignored, with a warning.

        Args:
            environ: the variables; those of this process by default.
            defaults: values of unset variables, by the name of the setting.

        Raises:
            SettingError: a value is malformed or out of range, or a name looks like a misspelled
                setting.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + info.name.upper(): info for info in fields(cls)}
        values = dict(defaults or {})
        foreign: list[str] = []
        for name, text in environ.items():
            if name in known:
                values[known[name].name] = _read(name, text, known[name])
            elif name in CLIENT_VARIABLES:
                if name == "ROVER_TOKEN" and not values.get("tokens", environ.get("ROVER_TOKENS")):
                    logger.warning("ignoring ROVER_TOKEN: the server's tokens are in ROVER_TOKENS")
            elif name.startswith(PREFIX) and name != CONFIG_VARIABLE:
                if near := closest(
                    name, (*known, CONFIG_VARIABLE)
                ):  # the value is hidden: it may be a secret
                    raise SettingError(name, "…", f"no such setting; did you mean {near}?")
                foreign.append(name)
        if foreign:
            logger.warning("ignoring %s: no such setting", ", ".join(sorted(foreign)))
        return cls(**values)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known setting that `name` nearly equals, or `None`. All names start with the prefix."""
    rests = [one.removeprefix(PREFIX) for one in known]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), rests, 1, NEAR_MISS)
    return PREFIX + near[0] if near else None


def _read(name: str, text: str, info: Field[Any]) -> object:
    kind: Callable[[str], object] = type(info.default)
    if kind is not int and not text and default_text(info):  # Path("") is the current folder
        raise SettingError(
            name, text, f"must not be empty; leave it unset for the default, {default_text(info)}"
        )
    try:
        return kind(text.replace("_", "")) if kind is int else kind(text)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise SettingError(name, text, range_of(info).must_be(number)) from None


def _check(info: Field[Any], value: Any) -> None:
    name = PREFIX + info.name.upper()
    allowed = range_of(info)
    if allowed.at_least is None and allowed.at_most is None:
        if not isinstance(value, Path) and not value and info.default:
            raise SettingError(
                name, "", f"must not be empty; leave it unset for the default, {info.default}"
            )
        return
    if value not in allowed:
        raise SettingError(name, plain(value), allowed.must_be())


def range_of(info: Field[Any]) -> Range:
    """The numbers that a setting may have."""
    return Range(*(info.metadata[key] for key in ("at_least", "at_most", "unit")))


def default_text(info: Field[Any]) -> str:
    """The default, for people; empty if an empty value is allowed."""
    return info.metadata["unset"] or _short(info.default)


def _short(value: object) -> str:
    """The value, with at most three digits after the point."""
    return str(round(value, 3) if isinstance(value, float) else value)


def settings_table() -> str:
    """Every setting as a Markdown table, for docs/settings.md."""
    rows = [
        "| variable | default | what it is |",
        "| --- | --- | --- |",
        f"| `{CONFIG_VARIABLE}` | `rover.toml`, if it exists | configuration file, with all other "
        "settings and more |",
    ]
    for info in fields(Settings):
        unit = info.metadata["unit"]
        default = info.metadata["unset"] or (
            f"`{default_text(info)}`" if default_text(info) else "none"
        )
        rows.append(
            f"| `{PREFIX}{info.name.upper()}` | {default}{' ' + unit if unit else ''} "
            f"| {info.metadata['help']} |"
        )
    return "\n".join(rows)
