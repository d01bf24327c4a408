"""Every setting: its name, default, unit and help in one place.

The environment names (`ROVER_` and the field's name in capitals) and the table in the README come
from here; a test fails when one is undocumented.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rover.errors import SettingError
from sources.values.ranges import Range, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "ROVER_"


def setting(
    default: Any,
    help: str,  # noqa: A002 # the word for it in every settings table
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    secret: bool = False,
) -> Any:
    """A field of `Settings` with what people and checks need to know of it."""
    about = {"help": help, "unit": unit, "at_least": at_least, "at_most": at_most, "secret": secret}
    return field(default=default, metadata=about, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one mission control runs. Checked when made.

    Raises:
        SettingError: a value is out of its range; the error names it and the range.
    """

    telemetry: str = setting("sim:", "where telemetry comes from; a source URL")
    camera: str = setting("sim:", "where pictures come from; a source URL")
    commands: str = setting("sim:", "what checks command files; a source URL")
    data_dir: Path = setting(
        Path("rover-data"), "folder for accepted command files and for what is on its way"
    )
    tokens: str = setting(
        "",
        "comma-separated access tokens; without any, only loopback clients are answered",
        secret=True,
    )
    allowed_origins: str = setting(
        "", "comma-separated origins of other sites whose pages may connect; `*` is all"
    )
    heartbeat_s: float = setting(
        15.0, "a silent stream gets a sign of life this often", unit="s", at_least=0.05, at_most=300
    )
    send_timeout_s: float = setting(
        30.0, "a reader that takes no byte for so long is closed", unit="s", at_least=0.1
    )
    retry_ms: int = setting(
        2000, "how long a reader waits before it connects again", unit="ms", at_least=0
    )
    drain_s: float = setting(
        1.0, "grace for downloads and uploads at shutdown", unit="s", at_least=0, at_most=60
    )
    max_readers: int = setting(20_000, "telemetry readers at once; more get 503", at_least=1)
    telemetry_events: int = setting(
        20_000, "telemetry events kept for late and returning readers", at_least=1
    )
    telemetry_bytes: int = setting(
        16 * 2**20, "bytes of telemetry events kept", unit="bytes", at_least=1024
    )
    max_views: int = setting(
        32, "different combinations of `fields` and `hz` in use at once", at_least=1
    )
    history_samples: int = setting(
        100_000, "samples kept by time, for plots and questions", at_least=1
    )
    history_bytes: int = setting(
        64 * 2**20, "bytes of samples kept by time", unit="bytes", at_least=1024
    )
    max_sample_bytes: int = setting(
        64 * 2**10, "a larger sample is dropped and reported", unit="bytes", at_least=256
    )
    max_ingest_bytes: int = setting(
        2**20, "most that a device may send at once", unit="bytes", at_least=256
    )
    max_channels: int = setting(200, "comms channels at once", at_least=1)
    max_members: int = setting(500, "members of one channel; more get 1013", at_least=1)
    max_message_bytes: int = setting(
        16 * 2**10, "longest comms message", unit="bytes", at_least=64, at_most=16 * 2**20
    )
    room_events: int = setting(1_000, "messages kept in each channel", at_least=1)
    room_bytes: int = setting(
        2**20, "bytes of messages kept in each channel", unit="bytes", at_least=1024
    )
    welcome_events: int = setting(
        50, "messages that a new member of a channel is shown", at_least=0
    )
    max_upload_bytes: int = setting(64 * 2**20, "largest command file", unit="bytes", at_least=1)
    max_uploads: int = setting(8, "uploads received or checked at once", at_least=1)
    upload_timeout_s: float = setting(
        30.0, "an upload that sends nothing for so long is given up", unit="s", at_least=0.1
    )
    kept_uploads: int = setting(200, "reports of past uploads kept", at_least=1)
    spool_pictures: int = setting(
        32, "arriving pictures kept on disk, where the camera has no file of them", at_least=1
    )
    max_picture_bytes: int = setting(
        4 * 2**30, "an arriving picture larger than this is broken off", unit="bytes", at_least=1024
    )

    def __post_init__(self) -> None:
        for about in fields(self):
            _check(about, getattr(self, about.name))
        for origin in filter(None, map(str.strip, self.allowed_origins.split(","))):
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", origin):
                reason = "an origin looks like https://lab.example, without a path"
                raise SettingError("ROVER_ALLOWED_ORIGINS", origin, reason)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """The settings that the environment's `ROVER_…` variables spell; the rest by default.

        Raises:
            SettingError: a value cannot be read, or a name is not one of ours (a typo is no
                silent default).
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + about.name.upper(): about for about in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in environ.items():
            if name in known:
                values[known[name].name] = _read(name, text, known[name])
            elif name.startswith(PREFIX) and (near := difflib.get_close_matches(name, known, 1)):
                # its value is not shown: it may be a secret
                raise SettingError(name, "…", f"no such setting; did you mean {near[0]}?")
        return cls(**values)


def _read(name: str, text: str, about: Field[Any]) -> object:
    kind: Callable[[str], object] = type(about.default)
    if kind is not int and not text and str(about.default):  # an empty path would be this folder
        raise SettingError(name, text, f"must not be empty; unset it for {about.default}")
    try:
        return kind(text.replace("_", "")) if kind is int else kind(text)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise SettingError(name, text, _range(about).must_be(number)) from None


def _check(about: Field[Any], value: Any) -> None:
    name = PREFIX + about.name.upper()
    allowed = _range(about)
    if allowed.at_least is None and allowed.at_most is None:
        if not isinstance(value, Path) and not value and about.default:
            raise SettingError(name, "", f"must not be empty; unset it for {about.default}")
        return
    if value not in allowed:
        raise SettingError(name, plain(value), allowed.must_be())


def _range(about: Field[Any]) -> Range:
    return Range(*(about.metadata[key] for key in ("at_least", "at_most", "unit")))


def settings_table() -> str:
    """Every setting as a Markdown table, for the README."""
    rows = ["| variable | default | what it is |", "| --- | --- | --- |"]
    for about in fields(Settings):
        unit = about.metadata["unit"]
        default = f"`{about.default}`" if str(about.default) else "none"
        rows.append(
            f"| `{PREFIX}{about.name.upper()}` | {default}{' ' + unit if unit else ''} "
            f"| {about.metadata['help']} |"
        )
    return "\n".join(rows)
