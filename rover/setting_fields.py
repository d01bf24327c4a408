"""A field of `Settings`: the default, range and help text of one setting."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from rover.errors import SettingError
from sources.values.ranges import Range, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from dataclasses import Field

PREFIX = "ROVER_"

UNITS = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_days": "days", "_body_rate": "bytes/s"}
"""The units of numbers, by the end of the setting's name."""


def setting(
    default: Any,
    help: str,  # noqa: A002 # the usual name
    *,
    at_least: float = 1,
    at_most: float | None = None,
    choices: Sequence[str] = (),
    secret: bool = False,
    unset: str = "",
) -> Any:
    """A field of `Settings`.

    Args:
        default: also sets the type that a variable is converted to.
        help: for the table of settings.
        at_least: lower bound of a number.
        at_most: upper bound of a number.
        choices: allowed values of a text; empty for any text.
        secret: whether to hide the value in `repr`.
        unset: meaning of an empty default, for the table of settings. A variable must not be empty.
    """
    metadata = {
        "help": help,
        "at_least": at_least,
        "at_most": at_most,
        "choices": choices,
        "unset": unset,
    }
    return field(default=default, metadata=metadata, repr=not secret)


def variable_of(info: Field[Any]) -> str:
    """The name of the setting's environment variable."""
    return PREFIX + info.name.upper()


def unit_of(info: Field[Any]) -> str:
    """The unit of the setting; empty for text and plain counts."""
    return next((unit for end, unit in UNITS.items() if info.name.endswith(end)), "")


def range_of(info: Field[Any]) -> Range:
    """The allowed values of a setting that is a number."""
    return Range(info.metadata["at_least"], info.metadata["at_most"], unit_of(info))


def default_text(info: Field[Any]) -> str:
    """The default, for people; empty if an empty value is allowed."""
    default = info.default
    return info.metadata["unset"] or str(round(default, 3) if type(default) is float else default)


def check_setting(info: Field[Any], value: Any) -> None:
    """Check the value of a setting.

    Raises:
        SettingError: the value is out of range, or not one of the choices.
    """
    choices = info.metadata["choices"]
    if isinstance(info.default, int | float):
        if value not in range_of(info):
            raise SettingError(variable_of(info), plain(value), range_of(info).must_be())
    elif choices and value not in choices:
        reason = f"must be one of {', '.join(filter(None, choices))}"
        raise SettingError(variable_of(info), value, reason)


def read_setting(info: Field[Any], text: str) -> object:
    """The value of a setting from its environment variable.

    Raises:
        SettingError: the text is empty or not a number.
    """
    kind: Callable[[str], object] = type(info.default)
    if kind is not int and not text and default_text(info):  # Path("") is the current folder
        reason = f"must not be empty; leave it unset for the default, {default_text(info)}"
        raise SettingError(variable_of(info), text, reason)
    try:
        return int(text.replace("_", "")) if kind is int else kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise SettingError(variable_of(info), text, range_of(info).must_be(noun)) from None
