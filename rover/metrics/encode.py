"""The text of `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric

OPEN_METRICS = "application/openmetrics-text"

process = ProcessCollector(registry=None)
"""CPU time, memory and file descriptors of this process, with the usual names; on Linux only."""


class Encoded(NamedTuple):
    """A response to Prometheus."""

    body: bytes
    content_type: str


class _Given(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def encode(families: Sequence[Metric], accept: str) -> Encoded:
    """The families and those of the process, as text. Run it in a thread.

    Args:
        families: of the mission.
        accept: the `Accept` header. OpenMetrics 1.0 is chosen if it is there, else the text format
            of Prometheus. Its parameters are ignored: prometheus-client raises for wrong ones, and
            all names are valid in each version.
    """
    encoder, content_type = choose_encoder(OPEN_METRICS if OPEN_METRICS in accept.lower() else "")
    return Encoded(encoder(_Given([*families, *_process_families()])), content_type)


def _process_families() -> Iterable[Metric]:
    try:
        return process.collect()
    except ValueError:  # the number of files is unlimited
        return ()
