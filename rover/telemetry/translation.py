"""From the samples and parameters of one source to those of the mission.

include, exclude ─▶ rename ─▶ prefix ─▶ calibration ─▶ dictionary of the configuration
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from rover.errors import RoverError
from rover.telemetry.values import Unusable
from sources.base import Parameter, Sample
from sources.values.dictionary import Dictionary

if TYPE_CHECKING:
    from rover.telemetry.calibration import Calibration
    from sources.base import Value

logger = logging.getLogger("rover.telemetry")

MAX_NAMES = 10_000
"""Maximum number of names that are translated; values with further names are refused."""


class NameCollision(RoverError):
    """A parameter gets a name that another one has.

    Attributes:
        parameter: its name in its source.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        self.parameter = parameter
        super().__init__(f"{parameter}: {reason}; rename or exclude one of them")


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """The settings of a parameter in the configuration, which replace those of its source.

    Attributes:
        fields: new values of attributes of `Parameter`.
        limits: new values of attributes of `Limits`.
        calibration: applies to each value, before the limits; `None` for none.
    """

    fields: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    def apply(self, parameter: Parameter) -> Parameter:
        """The parameter with these changes. A calibrated integer becomes a number."""
        fields = dict(self.fields)
        if self.calibration is not None and parameter.kind == "integer":
            fields.setdefault("kind", "number")
        return replace(parameter, **fields, limits=replace(parameter.limits, **self.limits))


class _Name(NamedTuple):
    """How a name of the source is translated.

    Attributes:
        name: in the mission; `None` if the parameter is left out.
        calibration: of its values.
        refusal: why it is left out; empty if it is excluded on purpose.
    """

    name: str | None
    calibration: Calibration | None = None
    refusal: str = ""


class Translation:
    """The names, dictionary entries and calibrations of one source.

    Two parameters of the source never become one: the second with the same name is refused.

    Args:
        prefix: put before the names, with a dot; empty for none.
        include: patterns of the names that are kept, as `battery.*`; `*` also matches dots.
        exclude: patterns of the names that are left out.
        rename: new names, by the source's own name; the prefix is put before them too.
        publish_as: the name in the mission, by the prefixed name; by default the same.
        changes: by the name in the mission.
        taken: names that no parameter of this source may get.

    Attributes:
        learned: parameters in `changes` of which a value has arrived, by name.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        include: Sequence[str] = ("*",),
        exclude: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        publish_as: Callable[[str], str] | None = None,
        changes: Mapping[str, ParameterChange] | None = None,
        taken: Collection[str] = (),
    ) -> None:
        self._prefix = f"{prefix}." if prefix else ""
        self._include = include
        self._exclude = exclude
        self._rename = rename or {}
        self._publish_as = publish_as
        self._changes = changes or {}
        self._taken = taken
        self._names: dict[str, _Name] = {}  # by the source's own name
        self._owners: dict[str, str] = {}  # the source's own name, by the prefixed name
        self.learned: dict[str, Parameter] = {}

    @property
    def is_identity(self) -> bool:
        """Whether all samples and parameters stay as they are."""
        return not (
            self._prefix
            or self._exclude
            or self._rename
            or self._publish_as
            or self._changes
            or self._taken
            or "*" not in self._include
        )

    def check(self, declared: Iterable[Parameter]) -> None:
        """Check the names that the source declares.

        Raises:
            NameCollision: two parameters get the same name.
        """
        for parameter in declared:
            if refusal := self._translate(parameter.name).refusal:
                raise NameCollision(parameter.name, refusal)

    def parameters(self, declared: Iterable[Parameter]) -> list[Parameter]:
        """The dictionary of the source as it is in the mission.

        It also has the parameters that only the configuration describes, from their first value on.
        """
        found: dict[str, Parameter] = {}
        for parameter in declared:
            name = self._translate(parameter.name).name
            if name is not None:
                found[name] = self._changed(replace(parameter, name=name))
        return list({**found, **self.learned, **found}.values())

    def sample(self, sample: Sample) -> tuple[Sample, Sequence[Unusable]]:
        """The sample as it is in the mission, and why values are left out.

        Values that are excluded on purpose have no reason.
        """
        values: dict[str, Value] = {}
        refused: list[Unusable] = []
        for raw, value in sample.values.items():
            known = self._names.get(raw)
            name, calibration, refusal = known or self._learn(raw, value)
            if refusal:
                refused.append(Unusable(str(raw), refusal))
            elif name is not None:
                if calibration is not None:
                    calibrated = _calibrated(calibration, value)
                    if isinstance(calibrated, str):
                        refused.append(Unusable(name, calibrated))
                        continue
                    value = calibrated
                values[name] = value
        return Sample(sample.t, values), refused

    def _learn(self, raw: str, value: Value) -> _Name:
        found = self._translate(raw)
        name = found.name
        if name is not None and name in self._changes and name not in self.learned:
            dictionary = Dictionary()
            dictionary.learn({name: 0.0 if value is None else value})
            self.learned[name] = self._changed(dictionary.parameters[0])
        return found

    def _translate(self, raw: Any) -> _Name:
        known = self._names.get(raw)
        if known is not None:
            return known
        if not isinstance(raw, str):  # a source may yield anything; the value is refused later
            return _Name(raw)
        if len(self._names) >= MAX_NAMES:
            return _Name(None, refusal=f"the source has more than {MAX_NAMES:,} names")
        found = self._names[raw] = self._named(raw)
        if found.refusal:
            logger.warning("telemetry: %s is left out: %s", raw, found.refusal)
        return found

    def _named(self, raw: str) -> _Name:
        included = any(fnmatchcase(raw, pattern) for pattern in self._include)
        if not included or any(fnmatchcase(raw, pattern) for pattern in self._exclude):
            return _Name(None)
        name = self._prefix + self._rename.get(raw, raw)
        owner = self._owners.setdefault(name, raw)
        if owner != raw:
            return _Name(None, refusal=f"{owner} of the same source already has the name {name}")
        if self._publish_as is not None:
            name = self._publish_as(name)
        if name in self._taken:
            return _Name(None, refusal=f"a derived parameter has the name {name}")
        change = self._changes.get(name)
        return _Name(name, change.calibration if change else None)

    def _changed(self, parameter: Parameter) -> Parameter:
        change = self._changes.get(parameter.name)
        return change.apply(parameter) if change else parameter


def _calibrated(calibration: Calibration, value: Any) -> float | str | None:
    """The calibrated value, or the reason why there is none."""
    if value is None:
        return None
    if isinstance(value, bool | str | Mapping):
        return f"a value with a calibration must be a number, not {value!r:.80}"
    try:
        raw = float(value)
    except (TypeError, ValueError, OverflowError):
        return f"a value with a calibration must be a number, not {value!r:.80}"
    result = calibration.apply(raw)
    if math.isfinite(raw) and not math.isfinite(result):
        return f"the calibrated value of {raw:g} is not finite"
    return result
