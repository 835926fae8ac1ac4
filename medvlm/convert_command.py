"""``medvlm convert VERB ...``: doors to data; each verb is a module ``medvlm/<verb>_command.py``, imported if used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

VERBS = {
    "check": "list every problem of a JSONL file of your own, by line",
    "show": "draw what a model will see of a file, with the numbers",
    "deidentify": "copy DICOM files without what names the patient",
    "audit": "find what training and test sets share",
    "shard": "write a set as shards for streaming",
    "sets": "list the sets: licence, access, counts",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb: its module's ``add(parsers)`` describes the arguments, its ``run(arguments)`` does the work.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        The verb's exit code; 2 for a wrong command line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="medvlm convert", description="Doors to data. Not for clinical use.")
    parsers = parser.add_subparsers(dest="verb", required=True)
    chosen = words[0] if words and words[0] in VERBS else None
    module = importlib.import_module(f"medvlm.{chosen}_command") if chosen else None
    for verb, purpose in VERBS.items():
        if module is not None and verb == chosen:
            module.add(parsers)
        else:
            parsers.add_parser(verb, help=purpose)
    arguments = parser.parse_args(words)
    code: int = module.run(arguments) if module is not None else 2
    return code
