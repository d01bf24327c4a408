"""The Grafana dashboard and the alerts of the docs, against the metrics of a mission."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rover.metrics import encode
from tests.test_metrics import mission

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[1] / "docs"
DASHBOARD: dict[str, Any] = json.loads((DOCS / "grafana" / "mission.json").read_bytes())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
ALERTS = re.findall(r"^ +expr: (.+)$", (DOCS / "monitoring.md").read_text(), re.MULTILINE)

BY_PROMETHEUS = {"job", "instance", "le"}
"""Labels that a scrape adds, and that of the buckets of a histogram."""

WIDTH = 24
"""Columns of Grafana's grid."""


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression and its legend."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m"), target["legendFormat"]
    yield from ((alert, "") for alert in ALERTS)


def selectors(expression: str) -> list[promql.VectorSelector]:
    """The parts of an expression that select metrics.

    Raises:
        ValueError: it is not PromQL.
    """
    found: list[promql.VectorSelector] = []

    def visit(part: promql.Expr) -> None:
        if isinstance(part, promql.MatrixSelector):
            found.append(part.vector_selector)
        elif isinstance(part, promql.VectorSelector):
            found.append(part)

    promql.walk(promql.parse(expression), visit)
    return found


async def labels_of(folder: Path) -> dict[str, set[str]]:
    """The names of the labels of each sample in `/metrics`; of all that a family may have."""
    async with mission(folder, log="sqlite:") as one:
        with one.comms.join("eva"):
            one.counts.responses[200] += 1
            one.counts.refusals[404, "UnknownImage"] += 1
            families = list(one.metrics.collect())
            labels: dict[str, set[str]] = {
                "rover_parameter_value": {"parameter", "source"},
                "rover_source_lost_total": {"source"},
            }
            text = encode(families, "").body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


async def test_each_expression_selects_metrics_and_labels_that_exist(tmp_path: Path) -> None:
    labels = await labels_of(tmp_path)
    seen = set()
    for expression, legend in expressions():
        found = selectors(expression)
        assert found, expression
        allowed = set(BY_PROMETHEUS)
        for selector in found:
            assert selector.name in labels, f"{selector.name} in {expression}"
            own = labels[selector.name] | BY_PROMETHEUS
            assert {matcher.name for matcher in selector.matchers.matchers} <= own, expression
            seen.add(selector.name)
            allowed |= own
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        names = {name.strip() for group in grouped for name in group.split(",")}
        assert names <= allowed, expression
        assert set(re.findall(r"{{(\w+)}}", legend)) <= (names or allowed), expression
    assert len(seen) > 25
    assert len(ALERTS) > 5


async def test_the_names_of_states_pools_and_levels_exist(tmp_path: Path) -> None:
    async with mission(tmp_path) as one:
        values = {
            value
            for family in one.metrics.collect()
            for sample in family.samples
            for value in sample.labels.values()
        }
    literal = re.compile(r'(?<!job)(?<!instance)(?<!parameter)(?:=|!=|=~)"([a-z|]+)"')
    for expression, _ in expressions():
        for match in literal.finditer(expression):
            assert set(match[1].split("|")) <= values, expression


def test_the_dashboard_has_the_fields_that_grafana_imports() -> None:
    assert isinstance(DASHBOARD["schemaVersion"], int)
    assert re.fullmatch(r"[a-z-]{1,40}", DASHBOARD["uid"])
    assert DASHBOARD["title"]
    assert "id" not in DASHBOARD  # else an import replaces the dashboard with that number
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert panel["type"] in ("row", "stat", "timeseries", "state-timeline")
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            ids = [target["refId"] for target in panel["targets"]]
            assert len(set(ids)) == len(ids) > 0
    used = set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps(DASHBOARD)))
    assert used == variables.keys()


def test_no_panel_overlaps_another() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    for place in places:
        assert place["x"] + place["w"] <= WIDTH
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above


def test_an_expression_that_is_not_promql_is_noticed() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        selectors("sum(rate(rover_events_total[5m])")
