"""Check data of your own: ``python tools/convert.py check DATA.jsonl``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from medvlm.datamodules.sets.check import check_jsonl


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 for a clean file, 1 for one with errors.

    Args:
        argv: Arguments; those of the process without it.
    """
    parser = argparse.ArgumentParser(prog="convert", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="read every record and image of a JSONL file and list all problems by line")
    check.add_argument("data", help="a file in the format of medvlm.datamodules.sets.jsonl")
    arguments = parser.parse_args(argv)
    try:
        report = check_jsonl(arguments.data)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(report.lines()))
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main())
