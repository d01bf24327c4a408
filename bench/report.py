"""The report of a comparison, as Markdown and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.table import CHANNEL_REFERENCES, LEGEND, STREAM_REFERENCES, fanout_table
from bench.targets import targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.extremes import Joining, Stalled
    from bench.fanout import Results, Scenario


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one comparison.

    Attributes:
        scenarios: the measured loads.
        results: the figures under those loads.
        stalled: the measurements with stalled readers; may be empty.
        joining: the measurements while thousands connect; may be empty.
        facts: descriptions of the machine and of the run, by name.
    """

    scenarios: Sequence[Scenario]
    results: Results
    stalled: Sequence[Stalled]
    joining: Sequence[Joining]
    facts: Mapping[str, str]

    def markdown(self) -> str:
        """Tables, hard cases, targets and facts, in this order."""
        return "\n\n".join(self._parts())

    def _parts(self) -> Iterator[str]:
        for channel, references in ((False, STREAM_REFERENCES), (True, CHANNEL_REFERENCES)):
            if scenarios := [s for s in self.scenarios if s.channel is channel]:
                yield fanout_table(scenarios, self.results, references)
        if self.scenarios:
            yield LEGEND
        extremes = [*self.stalled, *self.joining]
        for title, found in (
            ("Hard cases:", extremes),
            ("Targets:", list(targets(self.results, self.stalled, self.joining))),
            ("Measured on:", [f"{name}: {value}" for name, value in self.facts.items()]),
        ):
            if found:
                yield "\n".join([title, "", *(f"- {one}" for one in found)])

    def as_json(self) -> dict[str, Any]:
        """All figures as JSON values; the names contain the units."""
        return {
            "facts": dict(self.facts),
            "fanout": {
                scenario.key: {
                    peer: asdict(figures)
                    for peer in scenario.peers
                    if (figures := self.results.figures(scenario.key, peer))
                }
                for scenario in self.scenarios
            },
            "stalled": [asdict(one) for one in self.stalled],
            "joining": [asdict(one) for one in self.joining],
            "targets": [
                {**asdict(target), "met": target.met}
                for target in targets(self.results, self.stalled, self.joining)
            ],
        }
