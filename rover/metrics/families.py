"""Metric families of prometheus-client, from numbers by label values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from prometheus_client import Metric

    from rover.counts import Histogram

Values = float | Mapping[Any, float]
"""One number, or numbers by the value of the label, or by those of several labels."""


def gauge(name: str, text: str, values: Values, *labels: str) -> Metric:
    """A number that goes up and down."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def counter(name: str, text: str, values: Values, *labels: str) -> Metric:
    """A number that only goes up. The name ends in `_total`."""
    return _filled(CounterMetricFamily(name, text, labels=labels), values)


def histogram(name: str, text: str, values: Histogram) -> Metric:
    """The number of values up to each bound."""
    bounds = [*map(str, values.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(values.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets, values.total)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    if not isinstance(values, Mapping):
        family.add_metric([], values)
        return family
    for key, value in values.items():
        family.add_metric([key] if isinstance(key, str) else key, value)
    return family
