"""A plugin of pytest that prints, after all else, the tests that were skipped or did not finish."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.programs import PACKAGES, reason_for

if TYPE_CHECKING:
    from collections.abc import Iterable


class LastLines:
    """The tests of a run that have finished, and the reasons of those that were skipped."""

    def __init__(self) -> None:
        self._collected: set[str] = set()
        self._finished: set[str] = set()
        self._reasons: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collected.update(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        self._collected.update(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when not in ("setup", "call"):  # teardown, or the process ended
            self._finished.add(report.nodeid)
        if report.skipped and isinstance(report.longrepr, tuple):
            self._reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or config.getoption("collectonly"):
            return
        if left := self._collected - self._finished:
            reporter.write_line(f"tests that did not finish: {len(left)}")
            files = Counter(nodeid.partition("::")[0] for nodeid in left)
            for file, count in sorted(files.items()):
                reporter.write_line(f"{count:>5}  {file}")
        if self._reasons:
            reporter.write_line(f"tests skipped: {self._reasons.total()}")
            for reason, count in self._reasons.most_common():
                reporter.write_line(f"{count:>5}  {reason}")
        lacking = {
            name for program, name in PACKAGES.items() if reason_for(program) in self._reasons
        }
        if packages := " ".join(sorted(lacking)):
            reporter.write_line(f"To run those of missing programs: apt-get install {packages}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LastLines())
