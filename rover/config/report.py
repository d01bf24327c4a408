"""Explains a configuration, and lists its mistakes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from rover.config.names import unknown_names
from rover.errors import SettingError
from rover.schemes import ALL_SCHEMES
from rover.setting_fields import unit_of
from rover.settings import Settings
from rover.supervise import source_key
from rover.telemetry.calibration import Points, Polynomial
from rover.telemetry.names import ParameterNames
from rover.telemetry.receivers import open_receivers
from rover.telemetry.translation import NameCollision
from sources.base import Limits, Parameter, SourceError
from sources.registry import open_source, open_store, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rover.config.config import Config
    from rover.config.sources import SourceConfig, TelemetryConfig
    from rover.telemetry.calibration import Calibration
    from rover.telemetry.translation import ParameterChange
    from sources.base import Source, SourceKind


@dataclass(slots=True)
class Report:
    """An explanation of a configuration.

    Attributes:
        lines: explain it.
        notes: possible mistakes: names that no source has.
        problems: mistakes with which a mission does not start.
    """

    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def report_on(config: Config) -> Report:
    """Explain a configuration. The sources are made, as at a start, but not entered."""
    complete = config.completed()
    report = Report([f"file: {config.path.absolute() if config.path else 'none'}"])
    raw: dict[str, list[str]] = {}
    published: set[str] = set()
    names = ParameterNames()
    for name, one in complete.telemetry.items():
        source = _add_source(report, "telemetry", name, one)
        report.lines.extend(f"  {line}" for line in _translation_lines(one))
        declared = list(getattr(source, "parameters", ()))
        raw[name] = [parameter.name for parameter in declared]
        publish_as = names.publish_as(name) if len(complete.telemetry) > 1 else None
        translation = config.translation(name, publish_as)
        try:
            translation.check(declared)
        except NameCollision as exc:
            report.problems.append(f"{source_key('telemetry', name)}: {exc}")
        parameters = translation.parameters(declared)
        published.update(parameter.name for parameter in parameters)
        if declared:
            report.lines.append(f"  parameters: {len(parameters):,} of {len(declared):,}")
    for name, camera in complete.camera.items():
        _add_source(report, "camera", name, camera)
    if complete.commands is not None:
        _add_source(report, "commands", "commands", complete.commands)
    if complete.uplink is not None:
        _add_source(report, "uplink", "uplink", complete.uplink)
    report.lines.extend(_settings_lines(config.settings))
    if config.settings.image_store:
        try:
            open_store(config.settings.image_store, "ROVER_IMAGE_STORE")
        except SourceError as exc:
            report.problems.append(str(exc))
    try:
        open_receivers(config.settings.notify)
    except SettingError as exc:
        report.problems.append(str(exc))
    for name, change in config.parameters.items():
        report.lines.append(f"parameters.{name}: {_change(change)}")
    for derived in config.derived:
        parameter = derived.parameter
        shown = {k: v for k, v in _values(parameter).items() if k != "kind" or v != "number"}
        report.lines.append(
            f"derived.{parameter.name}: {', '.join([derived.expression.text, *_pairs(shown)])}"
        )
    if all(raw.values()):  # otherwise names are learned from samples
        report.notes.extend(unknown_names(config, published, raw))
    return report


def _add_source(report: Report, kind: SourceKind, name: str, one: SourceConfig) -> Source | None:
    note = "" if one.setting else " (not configured)"
    try:
        source = open_source(kind, **one.location, schemes=ALL_SCHEMES)
    except SourceError as exc:
        report.problems.append(str(exc))
        source = None
    if getattr(source, "simulated", False):
        note += " (simulated)"
    report.lines.append(f"{source_key(kind, name)}: {redacted(one.url)}{note}")
    return source


def _translation_lines(one: TelemetryConfig) -> Iterable[str]:
    if one.prefix:
        yield f"prefix: {one.prefix}"
    if one.include != ("*",):
        yield f"include: {', '.join(one.include)}"
    if one.exclude:
        yield f"exclude: {', '.join(one.exclude)}"
    if one.rename:
        yield f"rename: {', '.join(f'{raw} to {name}' for raw, name in one.rename.items())}"


def _settings_lines(settings: Settings) -> Iterable[str]:
    for info in fields(Settings):
        value = getattr(settings, info.name)
        if value != info.default and not info.metadata["unset"]:
            shown = value if info.repr else "…"
            yield f"settings.{info.name}: {shown} {unit_of(info)}".rstrip()


def _change(change: ParameterChange) -> str:
    pairs = _pairs({**change.fields, **change.limits})
    calibration = [_calibration(change.calibration)] if change.calibration else []
    return ", ".join([*pairs, *calibration]) or "no changes"


def _values(parameter: Parameter) -> Mapping[str, Any]:
    """The values of a parameter that are not the defaults, without its name."""
    plain, limits = Parameter(parameter.name), Limits()
    return {
        info.name: getattr(given, info.name)
        for given, default in ((parameter, plain), (parameter.limits, limits))
        for info in fields(default)
        if info.name != "limits" and getattr(given, info.name) != getattr(default, info.name)
    }


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} {_shown(value)}" for key, value in values.items()]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        low, high = value
        return f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
    return str(value)


def _calibration(calibration: Calibration) -> str:
    match calibration:
        case Polynomial(coefficients):
            return f"polynomial {list(coefficients)}"
        case Points(raw, _):
            return f"calibrated by {len(raw):,} points from {raw[0]:g} to {raw[-1]:g}"
    return type(calibration).__name__
