"""``medvlm convert deidentify IN OUT``: DICOM files without what names the patient in metadata."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(parsers: argparse._SubParsersAction[Any]) -> None:
    """Describe the verb's arguments.

    Args:
        parsers: Where ``medvlm convert`` keeps its verbs.
    """
    parser = parsers.add_parser(
        "deidentify",
        help="copy DICOM files without what names the patient",
        description="Copy DICOM files without what names the patient: PS3.15 Basic Profile with modified dates. What "
        "may show a name in its pixels is set apart under OUT/quarantine, and is NOT de-identified. Pixels are not "
        "searched: a person must look at the images before they leave the house. The same command goes on where it "
        "stopped.",
    )
    parser.add_argument("source", metavar="IN", type=Path, help="a DICOM file or a folder; never written to")
    parser.add_argument("out", metavar="OUT", type=Path, help="a folder outside of IN")
    parser.add_argument(
        "--key-file", type=Path, help="secret that makes new UIDs, IDs and dates; OUT.key if not given, made if absent"
    )
    parser.add_argument(
        "--keep-characteristics",
        action="store_true",
        help="keep age (at most 90), sex, size, weight, smoking, pregnancy",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """De-identify and say what was done, what was set apart, and what was not done.

    Args:
        arguments: What :func:`add` describes.

    Returns:
        0 if every file was clean, 1 if one was set apart, refused or could not be read.
    """
    from medvlm.deidentify_folder import check_folders, deidentify_folder
    from medvlm.deidentify_values import read_key

    check_folders(arguments.source, arguments.out)
    key_file = arguments.key_file or arguments.out.with_name(f"{arguments.out.name}.key")
    made = not key_file.exists()
    summary = deidentify_folder(
        arguments.source,
        arguments.out,
        read_key(key_file),
        keep_characteristics=arguments.keep_characteristics,
        progress=not arguments.quiet,
    )
    for path, reason in summary.problems:
        print(f"{path}: {reason}", file=sys.stderr)
    print("\n".join(summary.lines()))
    if made:
        print(f"A new key was written to {key_file}.")
    return 0 if summary.clean else 1
