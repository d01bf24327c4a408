"""Which files a validator checks, and against what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from rover.errors import UploadTooBig
from sources.base import CommandDictionary, HasDictionary, LimitsNames, LimitsSize, SourceError
from sources.rules.mistake import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rover.guard import Guard
    from sources.base import CommandValidator

MAX_SUFFIXES = 100

FAULTY = "the validator made a mistake:"


@dataclass(frozen=True, slots=True)
class Accepts:
    """Which files a validator checks.

    Attributes:
        max_bytes: maximum size of a file: the limit of the server, or of the validator if that is
            smaller.
        suffixes: ends of the names of files, in lower case; empty for any name.
        dictionary: the reference of the check, as clients see it; `None` if unknown.
    """

    max_bytes: int
    suffixes: tuple[str, ...]
    dictionary: Mapping[str, Any] | None

    @classmethod
    def of(cls, guard: Guard, validator: CommandValidator, max_upload_bytes: int) -> Self:
        """What the validator states about itself.

        Args:
            guard: calls the validator.
            validator: the validator.
            max_upload_bytes: the limit of the server.

        Raises:
            SourceError: a property raises, or has a wrong type.
        """
        return cls(
            min(max_upload_bytes, guard.read("max_bytes", _max_bytes, validator, max_upload_bytes)),
            guard.read("suffixes", _suffixes, validator),
            guard.read("dictionary", _dictionary, validator),
        )

    def allows(self, name: str) -> bool:
        """Whether the validator checks a file with this name."""
        return not self.suffixes or name.lower().endswith(self.suffixes)

    def check_size(self, size: int | None) -> None:
        """Check a stated size in bytes; `None` if it is unknown.

        Raises:
            UploadTooBig: it is over the limit.
        """
        if size is not None and size > self.max_bytes:
            raise UploadTooBig(self.max_bytes)

    def as_json(self) -> dict[str, Any]:
        """The limits as clients see them."""
        return {"max_bytes": self.max_bytes, "suffixes": list(self.suffixes)}


def _max_bytes(validator: CommandValidator, default: int) -> int:
    if not isinstance(validator, LimitsSize):
        return default
    value: object = validator.max_bytes
    if type(value) is not int or value < 1:
        raise SourceError(
            f"{FAULTY} max_bytes={shown(value)}: must be a whole number of at least 1"
        )
    return value


def _suffixes(validator: CommandValidator) -> tuple[str, ...]:
    if not isinstance(validator, LimitsNames):
        return ()
    value: object = validator.suffixes
    if (
        not isinstance(value, list | tuple)
        or len(value) > MAX_SUFFIXES
        or not all(isinstance(one, str) and 1 < len(one) <= 32 and one[0] == "." for one in value)
    ):
        raise SourceError(f"{FAULTY} suffixes={shown(value)}: must be a list such as ['.rcs']")
    return tuple(suffix.lower() for suffix in value)


def _dictionary(validator: CommandValidator) -> Mapping[str, Any] | None:
    if not isinstance(validator, HasDictionary):
        return None
    value: object = validator.dictionary
    if not isinstance(value, CommandDictionary):
        raise SourceError(f"{FAULTY} dictionary={shown(value)}: must be a CommandDictionary")
    return {"name": str(value.name)[:200], "sha256": str(value.sha256)[:64]}
