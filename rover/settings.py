"""The settings of the server: name, default, unit, range and help text of each.

The environment variables (`ROVER_` and the field's name in capitals) and the table in
docs/settings.md are derived from these fields. A test checks that the table is up to date.
"""

from __future__ import annotations

import difflib
import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rover.addresses import Proxies, host_name, origin_of, words
from rover.errors import SettingError
from rover.setting_fields import PREFIX, check_setting, read_setting, setting, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger("rover.settings")

CONFIG_VARIABLE = "ROVER_CONFIG"
"""The variable with the path of the configuration file, which is read before the settings."""

CLIENT_VARIABLES = frozenset({"ROVER_URL", "ROVER_TOKEN", "ROVER_TOKEN_FILE"})
"""Variables of commands that use a server, such as `rover tail`. They are not settings."""

NEAR_MISS = 0.8
"""Similarity, from 0 to 1, from which a name counts as a misspelled setting.

Other programs use names with this prefix too. `TELEMETRIE` has 0.84 of `TELEMETRY`, `DATABASE_URL`
0.5 of `DATA_DIR`.
"""

MIN_TOKEN_LENGTH = 16
"""Minimum number of characters of an access token."""

DEFAULT_SOURCE = "`sim:`, or `none:` beside a real source"


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
        at_most=2,
    )
    light_time_s: float = setting(0.0, "one-way light time to the rover", at_least=0, at_most=10**6)
    light_time_parameter: str = setting(
        "", "telemetry parameter with the one-way light time in seconds, instead"
    )
    answer_timeout_s: float = setting(
        60.0,
        "time after the light time there and back in which the rover must answer a sequence",
        at_most=10**7,
    )
    uplink_timeout_s: float = setting(
        60.0,
        "time after which it is unknown whether the uplink has sent a sequence",
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
        choices=("", "sqlite:", "memory:"),
        unset="`sqlite:`; `memory:` in an app of your own",
    )
    keep_days: float = setting(
        3650.0, "time for which the recorded telemetry is kept", at_least=0.01
    )
    keep_bytes: int = setting(
        20 * 2**30,
        "maximum size of `mission.db`; the oldest telemetry is deleted within seconds",
        at_least=2**20,
    )
    keep_image_bytes: int = setting(
        2 * 2**30,
        "maximum size of the kept images of a camera that has no files of them; 0 keeps none",
        at_least=0,
    )
    image_store: str = setting(
        "",
        "bucket that kept images are copied to, `s3://BUCKET/PREFIX`; their files are deleted "
        "only when `ROVER_KEEP_IMAGE_BYTES` is reached",
    )
    thumbnail_bytes: int = setting(
        256 * 2**20, "maximum size of the kept smaller copies of images; 0 keeps none", at_least=0
    )
    tokens: str = setting(
        "",
        "comma-separated shared tokens of at least 16 characters; without these and without "
        "named tokens (`rover token add`), only clients on this machine are served",
        secret=True,
    )
    session_s: float = setting(
        7 * 86_400.0,
        "time after which a signed-in browser must sign in again",
        at_least=60,
        at_most=90 * 86_400,
    )
    session_idle_s: float = setting(
        12 * 3_600.0,
        "time without a request after which a signed-in browser must sign in again",
        at_least=60,
    )
    hosts: str = setting(
        "",
        "comma-separated host names of this server, in addition to localhost; other names are "
        "refused while `ROVER_TOKENS` is not set",
    )
    trusted_proxies: str = setting(
        "",
        "comma-separated proxies whose `X-Forwarded-For` is believed: addresses, networks such "
        "as `10.0.0.0/8`, `unix` for Unix sockets; `*` for all, and networks larger than `/8` "
        "(IPv6: `/7`), require tokens",
    )
    allowed_origins: str = setting(
        "",
        "comma-separated origins of other sites whose pages may connect; `*` allows all, "
        "without the sessions of browsers",
    )
    notify: str = setting(
        "",
        "URLs that get a message when an alarm is raised, becomes more severe or ends: "
        "webhooks (`https:`), and services that Apprise knows",
        secret=True,
    )
    notify_level: str = setting(
        "yellow",
        "least severe level of alarms that `ROVER_NOTIFY` gets: `yellow` or `red`",
        choices=("yellow", "red"),
    )
    log_format: str = setting(
        "text",
        "format of the log lines of `rover serve`: `text` or `json`",
        choices=("text", "json"),
    )
    heartbeat_s: float = setting(
        15.0, "maximum silence of a stream before a heartbeat", at_least=0.05, at_most=300
    )
    send_timeout_s: float = setting(
        30.0, "time without reading data after which a client is aborted", at_least=0.1
    )
    retry_ms: int = setting(
        2000, "time that a disconnected client waits before it reconnects", at_least=0
    )
    drain_s: float = setting(
        1.0, "time for downloads and uploads to finish at shutdown", at_least=0, at_most=60
    )
    client_share: float = setting(
        1 / 3,
        "part of each limit below that one client may use: a token, an address, or an IPv6 "
        "network (/64); 1 turns shares off",
        at_least=0.001,
        at_most=1,
    )
    max_connections: int = setting(
        12_000,
        "maximum number of connections; beyond it, only health checks and clients with a token "
        "are served",
    )
    max_readers: int = setting(10_000, "maximum number of telemetry clients; more get 503")
    telemetry_events: int = setting(20_000, "telemetry events kept for new and resuming clients")
    telemetry_bytes: int = setting(16 * 2**20, "bytes of telemetry events kept", at_least=1024)
    max_views: int = setting(32, "maximum number of combinations of `fields` and `hz` in use")
    history_bytes: int = setting(
        64 * 2**20,
        "bytes of past samples, compressed, if they are in memory (`ROVER_LOG=memory:`)",
        at_least=65536,
    )
    max_sample_bytes: int = setting(
        64 * 2**10, "size limit of a sample; a larger one is reported and dropped", at_least=256
    )
    max_ingest_bytes: int = setting(
        2**20, "size limit of one request that sends telemetry", at_least=256
    )
    max_ingests: int = setting(
        192, "maximum number of requests being received that send telemetry or JSON"
    )
    max_channels: int = setting(200, "maximum number of comms channels")
    max_members: int = setting(1_500, "maximum number of members of one channel; more get 1013")
    max_subscriptions: int = setting(
        10_000,
        "maximum number of channels that all members together listen to in addition to their own",
    )
    max_message_bytes: int = setting(
        16 * 2**10, "size limit of a comms message", at_least=64, at_most=16 * 2**20
    )
    message_rate: float = setting(
        10.0,
        "messages per second that one member may send; the server reads faster ones later",
        at_least=0.1,
    )
    message_burst: int = setting(
        30, "messages that one member may send at once, before `ROVER_MESSAGE_RATE`"
    )
    room_events: int = setting(1_000, "newest messages of each channel kept in memory")
    room_bytes: int = setting(
        2**20, "bytes of the newest messages of each channel kept in memory", at_least=1024
    )
    keep_comms_days: float = setting(
        0.0,
        "time for which messages are kept; 0 keeps them up to the limits of number and bytes",
        at_least=0,
    )
    keep_comms_messages: int = setting(
        100_000, "messages of each channel that the data folder keeps"
    )
    keep_comms_bytes: int = setting(
        256 * 2**20, "bytes of messages of each channel that the data folder keeps", at_least=1024
    )
    welcome_events: int = setting(
        50, "newest messages that a new member of a channel receives", at_least=0
    )
    max_upload_bytes: int = setting(64 * 2**20, "size limit of a command file")
    max_uploads: int = setting(24, "maximum number of uploads being received or checked")
    max_checks: int = setting(
        8, "maximum number of command files being checked; others wait in a queue"
    )
    resume_s: float = setting(
        86_400.0, "time without a request after which a resumable upload fails"
    )
    upload_timeout_s: float = setting(
        30.0, "time without data after which an upload is aborted", at_least=0.1
    )
    min_body_rate: float = setting(
        100.0, "average rate below which the body of a request is refused, after 10 s"
    )
    body_timeout_s: float = setting(
        3600.0, "total time to receive the body of a request, at any rate"
    )
    kept_uploads: int = setting(
        5_000, "finished uploads of which the record is kept", at_most=100_000
    )
    audit_bytes: int = setting(
        16 * 2**20,
        "size of `audit.jsonl` in the data folder from which a new file begins",
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
    max_viewers: int = setting(200, "maximum number of viewers of videos; more get 503")
    spool_images: int = setting(32, "images kept on disk, if the camera has no files of them")
    spool_bytes: int = setting(
        8 * 2**30, "maximum size of these images; the oldest are deleted", at_least=2**20
    )
    stalled_image_s: float = setting(
        120.0,
        "seconds that a response waits for the next byte of an image that arrives",
        at_most=86_400,
    )
    max_image_bytes: int = setting(
        4 * 2**30, "size limit of an image that arrives; a larger one is aborted", at_least=1024
    )

    def __post_init__(self) -> None:
        for info in fields(self):
            check_setting(info, getattr(self, info.name))
        self._check_origins()
        self._check_tokens()
        self._check_hosts()

    def _check_origins(self) -> None:
        for origin in words(self.allowed_origins):
            try:
                if origin != "*":
                    origin_of(origin)
            except ValueError as exc:
                reason = "must be an origin such as https://lab.example, without a path"
                raise SettingError("ROVER_ALLOWED_ORIGINS", origin, reason) from exc

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
        known = {variable_of(info): info for info in fields(cls)}
        values = dict(defaults or {})
        foreign: list[str] = []
        for name, text in environ.items():
            if name in known:
                values[known[name].name] = read_setting(known[name], text)
            elif name in CLIENT_VARIABLES:
                if name == "ROVER_TOKEN" and not values.get("tokens", environ.get("ROVER_TOKENS")):
                    logger.warning("ignoring ROVER_TOKEN: the server's tokens are in ROVER_TOKENS")
            elif name.startswith(PREFIX) and name != CONFIG_VARIABLE:
                if near := closest(name, (*known, CONFIG_VARIABLE)):
                    # the value may be a secret
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
