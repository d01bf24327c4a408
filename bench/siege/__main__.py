"""`python -m bench siege`: all attacks at once. With names, only those; `each`: one by one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from bench.machine import choose_cores
from bench.processes import BenchError, exit_on_signals
from bench.siege.attacks import ATTACKS
from bench.siege.report import HEAD, one_line, reached, table
from bench.siege.siege import besiege

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a siege; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench siege", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"each, or some of: {', '.join(ATTACKS)}")
    parser.add_argument("--seconds", type=float, help="(default 60; each: 8)")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - {*ATTACKS, "each"}:
        parser.error(f"no such attack: {', '.join(sorted(unknown))}")
    exit_on_signals()
    cores = choose_cores()
    try:
        if args.names == ["each"]:
            print(HEAD, flush=True)
            outcomes = []
            for name in ATTACKS:
                outcomes.append(besiege([name], args.seconds or 8.0, cores))
                print(one_line(outcomes[-1]), flush=True)
        else:
            outcomes = [besiege(args.names or list(ATTACKS), args.seconds or 60.0, cores)]
            print(table(outcomes[0]))
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    return 0 if reached(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
