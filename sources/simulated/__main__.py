"""Check and seal command sequences: `python -m sources.simulated check FILE...`.

`check` prints the findings in the format of compilers (`FILE:LINE:COLUMN: severity: message
[code]`) and exits with status 1 if a file is rejected. `seal` writes the checksum at the end of
each file. `table` prints the command dictionary, or the codes of findings, for docs/commands.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import anyio

from sources.base import Finding, SourceError, Verdict
from sources.simulated import dictionary, findings
from sources.simulated.sequence import seal
from sources.simulated.validator import SimulatedValidator


async def check(path: Path, validator: SimulatedValidator) -> bool:
    """Print the findings of a file; return whether it is accepted."""
    accepted = False
    async for report in validator.validate(path):
        if isinstance(report, Finding):
            location = ":".join(str(part) for part in (path, report.line, report.column) if part)
            hint = f"\n    {report.hint}" if report.hint else ""
            sys.stdout.write(
                f"{location}: {report.severity}: {report.message} [{report.code}]{hint}\n"
            )
        elif isinstance(report, Verdict):
            accepted = report.accepted
            sys.stdout.write(f"{path}: {report.detail}\n")
    return accepted


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sources.simulated", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="check sequences and print the findings")
    checking.add_argument("files", nargs="+", type=Path, metavar="FILE")
    checking.add_argument(
        "--rover", default="cosmic-1", help="name that @rover must have (default cosmic-1)"
    )
    sealing = commands.add_parser("seal", help="write the checksum at the end of each file")
    sealing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    printing = commands.add_parser("table", help="print a table of docs/commands.md")
    printing.add_argument("which", choices=["commands", "findings"])
    options = parser.parse_args(arguments)

    if options.command == "table":
        tables = {"commands": dictionary.table, "findings": findings.table}
        sys.stdout.write(tables[options.which]())
        return 0
    try:
        if options.command == "seal":
            for path in options.files:
                path.write_bytes(seal(path.read_bytes()))
            return 0
        validator = SimulatedValidator(rover=options.rover, pace_s=0)
        rejected = [path for path in options.files if not anyio.run(check, path, validator)]
        return 1 if rejected else 0
    except (SourceError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
