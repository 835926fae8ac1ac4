"""``medvlm evaluate compare``: win, tie or loss of a run against others, in words."""

from __future__ import annotations

import argparse
from pathlib import Path


def build_compare_parser() -> argparse.ArgumentParser:
    """The options of ``medvlm evaluate compare``."""
    parser = argparse.ArgumentParser(prog="medvlm evaluate compare", description="Win, tie or loss of a run, in words.")
    parser.add_argument("first", type=Path, help="folder (or file of records) that an evaluation wrote")
    parser.add_argument("others", type=Path, nargs="+", help="one or more to compare it with")
    parser.add_argument("--metric", help="accuracy, or a score of each record (token_f1, iou); by the questions")
    parser.add_argument("--common", action="store_true", help="compare the questions that both have")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def run_compare(options: argparse.Namespace) -> str:
    """Compare a run with others; the verdicts as text."""
    from medvlm.evaluation.comparison import compare_runs, load_run

    first, others = load_run(options.first), [load_run(path) for path in options.others]
    verdicts = compare_runs(first, others, metric=options.metric, common=options.common, seed=options.seed)
    return "\n".join(verdict.to_text() for verdict in verdicts)
