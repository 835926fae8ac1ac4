"""``medvlm report STUDIES --out DIR``: reports for a folder of studies; run again, it does what is missing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medvlm.options import add_repair


def main(argv: Sequence[str] | None = None) -> int:
    """Write reports and say how many.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0, or 1 if a study failed.
    """
    arguments = _parser().parse_args(argv)
    from medvlm.reporting import write_reports

    summary = write_reports(
        arguments.studies,
        arguments.out,
        model=arguments.model,
        limit=arguments.limit,
        batch=arguments.batch,
        repair=arguments.repair,
        paths=arguments.paths,
        progress=not arguments.quiet,
        forms=arguments.write,
        devices=_devices(arguments),
        engine=arguments.engine,
        part=arguments.shard,
        max_new_tokens=arguments.max_new_tokens,
        min_confidence=arguments.min_confidence,
        priors=not arguments.no_priors,
        budget=arguments.budget,
    )
    print(
        f"{summary.done} reported, {summary.kept} there already, {summary.skipped} skipped, {summary.failed} failed: "
        f"{Path(arguments.out) / 'index.html'}"
    )
    return 1 if summary.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm report",
        description="Write a radiology report for every study in a folder: one JSON each, and studies.csv of what was "
        "done, skipped and failed, with reasons. Run again, it does only what is missing. Not for clinical use.",
    )
    parser.add_argument("studies", help="folder of DICOM, NIfTI and pictures, a DICOMDIR, or a list (CSV, JSONL)")
    parser.add_argument("--out", required=True, help="folder of the reports")
    parser.add_argument("--model", help="folder or Hub name; else $MEDVLM_MODEL, else the newest under checkpoints/")
    parser.add_argument("--limit", type=_positive, help="most studies reported now")
    parser.add_argument("--batch", type=_positive, default=8, help="studies answered together (default 8)")
    add_repair(parser)
    parser.add_argument(
        "--write",
        nargs="+",
        default=[],
        metavar="FORM",
        help="beside the JSON: html, pdf, sr, tid1500, encapsulated, capture, seg (DICOM), fhir, hl7",
    )
    parser.add_argument(
        "--max-new-tokens", type=_positive, help="where an answer is cut; what its kind needs if not given"
    )
    parser.add_argument("--min-confidence", type=float, default=0.0, help="withhold reports that are less sure, 0 to 1")
    parser.add_argument("--no-priors", action="store_true", help="look for no earlier studies of the same patient")
    parser.add_argument("--budget", type=_positive, default=16384, help="most tokens of contexts answered together")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--devices", nargs="+", metavar="DEVICE", help="one worker process each: cuda:0 cuda:1, or cpu cpu"
    )
    where.add_argument("--workers", type=_positive, metavar="N", help="so many worker processes, on whatever is there")
    parser.add_argument("--engine", choices=("here", "pool", "ray"), help="what runs the workers (default pool)")
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="the i-th of n parts of the studies, for job arrays"
    )
    parser.add_argument("--schema", action=_Schema, nargs=0, help="print the JSON Schema of a report, and end")
    parser.add_argument("--paths", action="store_true", help="name files in studies.csv (paths may name patients)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


class _Schema(argparse.Action):
    """Prints the schema and ends, as ``--version`` does: neither studies nor a folder is needed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from medvlm.reporting.schema import schema_text

        print(schema_text(), end="")
        parser.exit()


def _devices(arguments: argparse.Namespace) -> Sequence[str]:
    """One entry a worker; none where reports are made in this process."""
    return arguments.devices or ["auto"] * (arguments.workers or 0)


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 2/8")
    return int(index), int(count)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value
