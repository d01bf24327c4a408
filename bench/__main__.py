"""Compare the server with its peers (the default), soak it with readers, or measure the page.

`siege` attacks the server, `access` measures the cost of the access check, `archive` that of
storing and reading years of telemetry, `recording` that of the log, and `messages` that of storing
and acknowledging messages. `fprime` compares the check of F Prime sequences with `fprime-seqgen`.
`images` measures downloads, large folders and video, and `commands` the intake and the check of
command files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from bench import access, archive, commands, images, messages, recording, sequences
from bench.extremes import Extremes
from bench.fanout import SCENARIOS, FanOut
from bench.load_generator import LoadGenerator
from bench.machine import choose_cores, facts, raise_file_limit
from bench.page import measure_page
from bench.peers import CHANNELS, STREAMS
from bench.processes import BenchError, exit_on_signals
from bench.report import Report
from bench.siege import __main__ as siege
from bench.soak import Soak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.machine import Cores

EXTREMES = ("stalled", "stalled-members", "joining")
EVERYTHING = (*(scenario.key for scenario in SCENARIOS), *EXTREMES)
SERVERS = tuple({**STREAMS, **CHANNELS})
QUICK = ("10hz", "200hz")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark that the command line asks for; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["siege"]:
        return siege.main(argv[1:])
    if argv[:1] == ["access"]:
        return access.main()
    if argv[:1] == ["archive"]:
        return archive.main(argv[1:])
    if argv[:1] == ["recording"]:
        return recording.main(argv[1:])
    if argv[:1] == ["messages"]:
        return messages.main(argv[1:])
    if argv[:1] == ["images"]:
        return images.main(argv[1:])
    if argv[:1] == ["commands"]:
        return commands.main(argv[1:])
    if argv[:1] == ["fprime"]:
        return sequences.main()
    args = _parse(argv)
    if sys.platform != "linux":
        print("bench: the load generator needs Linux (epoll and /proc)", file=sys.stderr)
        return 2
    exit_on_signals()
    if args.what == "page":
        return _page(args)
    cores = choose_cores()
    if cores.load is not None:
        os.sched_setaffinity(0, {cores.load})
    try:
        with tempfile.TemporaryDirectory(prefix="rover-bench-") as folder:
            generator = LoadGenerator(Path(folder), cores)
            return (
                _soak(args, generator, cores)
                if args.what == "soak"
                else _compare(args, generator, cores)
            )
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("compare", "soak", "page"),
        default="compare",
        help="print a comparison as Markdown (default), soak this server, or measure the CPU of "
        "the page in Chromium",
    )
    parser.add_argument("--quick", action="store_true", help="take under a minute; less exact")
    parser.add_argument(
        "--only", nargs="+", choices=EVERYTHING, help="the loads to measure (default: all)"
    )
    parser.add_argument(
        "--servers", nargs="+", choices=SERVERS, help="the servers to measure (default: all)"
    )
    parser.add_argument(
        "--repeats", type=int, help="rounds; the report shows their medians (default 3)"
    )
    parser.add_argument(
        "--window-s", type=float, help="seconds of each measurement (default 2.5; page: 10)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to FILE")
    soak = parser.add_argument_group("soak")
    soak.add_argument("--minutes", type=float, default=20, help="(default 20)")
    soak.add_argument("--readers", type=int, default=1000, help="(default 1000)")
    soak.add_argument("--rate-hz", type=float, default=10, help="events per second (default 10)")
    soak.add_argument(
        "--churn-hz", type=float, default=50, help="readers replaced per second (default 50)"
    )
    return parser.parse_args(argv)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _page(args: argparse.Namespace) -> int:
    try:
        print(measure_page(args.repeats or 3, args.window_s or 10.0, _log))
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    return 0


def _soak(args: argparse.Namespace, generator: LoadGenerator, cores: Cores) -> int:
    raise_file_limit()
    soak = Soak(generator, cores, args.minutes, args.readers, args.rate_hz, args.churn_hz, _log)
    return 0 if soak.run() else 1


def _compare(args: argparse.Namespace, generator: LoadGenerator, cores: Cores) -> int:
    started = monotonic()
    about = facts(cores)
    max_readers = raise_file_limit()
    chosen = args.only or (QUICK if args.quick else EVERYTHING)
    fanout = FanOut(
        generator,
        cores,
        scenarios=[scenario for scenario in SCENARIOS if scenario.key in chosen],
        peers=args.servers or SERVERS,
        max_readers=max_readers,
        repeats=args.repeats or (1 if args.quick else 3),
        window_s=args.window_s or (1.5 if args.quick else 2.5),
        log=_log,
    )
    results = fanout.run()
    extremes = Extremes(generator, cores, max_readers, _log)
    stalled = [extremes.stalled()] if "stalled" in chosen else []
    stalled += [extremes.stalled_members()] if "stalled-members" in chosen else []
    joining = extremes.joining() if "joining" in chosen else []
    rounds = f"{fanout.repeats} x {fanout.window_s:g} s"
    report = Report(
        fanout.scenarios,
        results,
        [one for one in stalled if one is not None],
        joining,
        facts={**about, "took": f"{monotonic() - started:.0f} s; median of {rounds}"},
    )
    print(report.markdown())
    if args.json:
        args.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
