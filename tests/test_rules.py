"""The rules of the contracts that the server checks for each source."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from sources.base import (
    Finding,
    Image,
    Limits,
    Parameter,
    Progress,
    Sample,
    Severity,
    Step,
    Verdict,
)
from sources.rules import (
    chunk_mistake,
    dictionary_mistake,
    image_mistake,
    report_mistake,
    sample_mistake,
    steps_mistake,
)

T = 1_790_000_000.0
ANY: Any = None


def limited(yellow: Any = (None, None), red: Any = (None, None)) -> list[Parameter]:
    return [Parameter("a", limits=Limits(yellow, red))]


def parameter(**attributes: Any) -> list[Parameter]:
    return [Parameter(**{"name": "a", **attributes})]


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        (None, "telemetry.parameters"),
        ({"a": 1}, "telemetry.parameters"),
        ("abc", "telemetry.parameters"),
        (iter([]), "telemetry.parameters"),
        (["a"], "telemetry.parameters"),
        (parameter(unit=None), "telemetry.parameters"),
        (parameter(unit=5), "telemetry.parameters"),
        (parameter(description=b"x"), "telemetry.parameters"),
        (parameter(name=5), "telemetry.names"),
        (parameter(name=""), "telemetry.names"),
        (parameter(name="\ud800"), "telemetry.names"),
        (parameter(name="late"), "telemetry.names"),
        ([Parameter("a"), Parameter("a")], "telemetry.names"),
        (parameter(kind="float"), "telemetry.kinds"),
        (parameter(kind=None), "telemetry.kinds"),
        (parameter(kind=[]), "telemetry.kinds"),
        (parameter(limits=(0, 1)), "telemetry.limits"),
        (parameter(limits=None), "telemetry.limits"),
        (parameter(kind="text", limits=Limits((0, 1))), "telemetry.limits"),
        (limited((2, 1)), "telemetry.limits"),
        (limited((1, 1)), "telemetry.limits"),
        (limited((math.nan, 1)), "telemetry.limits"),
        (limited((0, math.inf)), "telemetry.limits"),
        (limited(("0", "1")), "telemetry.limits"),
        (limited((0, True)), "telemetry.limits"),
        (limited(red=(0, 10**400)), "telemetry.limits"),
        (limited(5), "telemetry.limits"),
        (limited((1, 2, 3)), "telemetry.limits"),
        (limited((0, 1), (0.5, 2)), "telemetry.red"),
        (limited((0, 1), (None, 0.5)), "telemetry.red"),
        (parameter(period_s=0), "telemetry.period"),
        (parameter(period_s="1"), "telemetry.period"),
        (parameter(period_s=math.nan), "telemetry.period"),
    ],
)
def test_a_mistake_in_a_dictionary_names_its_rule(parameters: Any, rule: str) -> None:
    mistake = dictionary_mistake(parameters)
    assert mistake is not None
    assert mistake.rule == rule
    assert len(mistake.text) < 400


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        (Parameter("a", "°C", limits=Limits((0, 1), (-1, 2)), period_s=0.1),),
        limited(red=(None, 20)),
        limited(red=(0, None), yellow=(None, 5)),
        [Parameter(f"p{n}") for n in range(5_000)],
    ],
)
def test_a_valid_dictionary_has_no_mistake(parameters: Any) -> None:
    assert dictionary_mistake(parameters) is None


@pytest.mark.parametrize(
    ("sample", "names"),
    [
        ({"t": T, "a": 1}, "Sample"),
        ((T, {"a": 1}), "Sample"),
        (None, "Sample"),
        (Sample(ANY, {}), "t=None"),
        (Sample("2026-11-28", {}), "t="),  # type: ignore[arg-type] # wrong on purpose
        (Sample(math.nan, {}), "t=nan"),
        (Sample(-math.inf, {}), "t=-inf"),
        (Sample(True, {}), "t=True"),
        (Sample(T * 1000, {}), "t=1790000000000.0"),
        (Sample(10**400, {}), "t=1000"),
        (Sample(T, ANY), "values=None"),
        (Sample(T, [("a", 1)]), "values=["),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_mistake_in_a_sample_is_named(sample: Any, names: str) -> None:
    mistake = sample_mistake(sample)
    assert mistake is not None
    assert names in mistake.text


IMAGE = Image("a.png", "image/png", size=10, received=5, revision="1", taken_at=T)


@pytest.mark.parametrize(
    "attributes",
    [
        {"id": 5},
        {"id": ""},
        {"id": "x" * 300},
        {"id": ".."},
        {"id": "a\0b"},
        {"id": "\udcff"},
        {"content_type": None},
        {"content_type": "png"},
        {"content_type": "image/png\r\nX: y"},
        {"size": -1},
        {"size": "10"},
        {"size": 10.0},
        {"received": None},
        {"received": 11},
        {"complete": None},
        {"revision": None},
        {"taken_at": "now"},
        {"received_at": math.nan},
        {"width": 0},
        {"sha256": "abc"},
        {"path": "/tmp/a.png"},  # noqa: S108
        {"metadata": None},
        {"metadata": {"pointing": b"north"}},
        {"metadata": {"exposure": math.inf}},
    ],
    ids=str,
)
def test_a_mistake_in_an_image_names_the_attribute(attributes: dict[str, Any]) -> None:
    mistake = image_mistake(replace(IMAGE, **attributes))
    assert mistake is not None
    (attribute,) = attributes
    assert attribute in mistake.text
    assert len(mistake.text) < 400


def test_a_valid_image_has_no_mistake() -> None:
    assert image_mistake(IMAGE) is None
    assert image_mistake(replace(IMAGE, content_type="text/plain; charset=utf-8")) is None
    assert image_mistake({"id": "a"}) is not None


@pytest.mark.parametrize(
    "chunk",
    ["text", memoryview(b"x"), bytearray(b"x"), b"", bytes(2**20 + 1)],
    ids=["str", "memoryview", "bytearray", "empty", "too large"],
)
def test_a_wrong_chunk_is_a_mistake(chunk: Any) -> None:
    assert chunk_mistake(chunk) is not None
    assert chunk_mistake(b"x") is None


@pytest.mark.parametrize(
    "report",
    [
        "text",
        None,
        Progress(ANY, 0.5, ""),
        Progress("s", math.nan, ""),
        Progress("s", ANY, ""),
        Progress("s", 0.5, "", skipped=ANY),
        Progress("s", 0.5, ANY),
        Finding("fatal", "x", "y"),  # type: ignore[arg-type] # wrong on purpose
        Finding(Severity.ERROR, "x", ANY),
        Finding(Severity.ERROR, "x", "\ud800"),
        Finding(Severity.ERROR, "x", "y", line=0),
        Finding(Severity.ERROR, "x", "y", column=1),
        Verdict(ANY, 0, 0, "done"),
        Verdict(True, ANY, 0, "done"),
        Verdict(True, 0, -1, "done"),
        Verdict(True, 0, 0, ANY),
        Verdict(True, 0, 0, "done", summary=ANY),
        Verdict(True, 0, 0, "done", summary={"x": math.nan}),
        Verdict(True, 0, 0, "done", artifact="text"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_wrong_report_of_a_validator_is_a_mistake(report: Any) -> None:
    assert report_mistake(report) is not None


@pytest.mark.parametrize("steps", [None, "abc", ["s"], [Step("s", ANY)], [Step("s", "S")] * 2])
def test_wrong_steps_are_a_mistake(steps: Any) -> None:
    assert steps_mistake(steps) is not None
    assert steps_mistake([Step("s", "S")]) is None
