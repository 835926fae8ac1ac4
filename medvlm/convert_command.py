"""``medvlm convert check DATA.jsonl``: test data of one's own before training on it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Print every problem of a file by its line.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0 for a clean file, 1 for one with errors.
    """
    parser = argparse.ArgumentParser(prog="medvlm convert", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="read every record and image of a JSONL file and list all problems by line")
    check.add_argument("data", help="a file in the format of medvlm.datamodules.sets.jsonl")
    arguments = parser.parse_args(argv)
    from medvlm.datamodules.sets.check import check_jsonl

    report = check_jsonl(arguments.data)
    print("\n".join(report.lines()))
    return 1 if report.errors else 0
