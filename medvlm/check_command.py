"""``medvlm convert check DATA.jsonl``: test data of one's own before training on it."""

from __future__ import annotations

import argparse
from typing import Any


def add(parsers: argparse._SubParsersAction[Any]) -> None:
    """Describe the verb's arguments.

    Args:
        parsers: Where ``medvlm convert`` keeps its verbs.
    """
    parser = parsers.add_parser(
        "check", help="read every record and image of a JSONL file and list all problems by line"
    )
    parser.add_argument("data", help="a file in the format of medvlm.datamodules.sets.jsonl")


def run(arguments: argparse.Namespace) -> int:
    """Print every problem of a file by its line.

    Args:
        arguments: What :func:`add` describes.

    Returns:
        0 for a clean file, 1 for one with errors.
    """
    from medvlm.datamodules.sets.check import check_jsonl

    report = check_jsonl(arguments.data)
    print("\n".join(report.lines()))
    return 1 if report.errors else 0
