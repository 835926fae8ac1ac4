"""``medvlm evaluate leaderboard``: several runs in order, with ranks that respect ties."""

from __future__ import annotations

import argparse
from pathlib import Path


def build_leaderboard_parser() -> argparse.ArgumentParser:
    """The options of ``medvlm evaluate leaderboard``."""
    parser = argparse.ArgumentParser(
        prog="medvlm evaluate leaderboard",
        description="Rank runs; those that do not differ from the best share its rank.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders that evaluations wrote")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="write the page, with .md and .json beside it")
    parser.add_argument("--metric", help="accuracy, or a score of each record (token_f1, iou); by the questions")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def run_leaderboard(options: argparse.Namespace) -> str:
    """Rank runs; the board as text.

    Args:
        options: Of `build_leaderboard_parser`.

    Raises:
        ValueError: If ``--out`` is no HTML file, or nothing can be ranked.
    """
    from medvlm.evaluation.leaderboard import load_board
    from medvlm.evaluation.leaderboard_page import board_text, write_board

    if options.out is not None and options.out.suffix != ".html":
        raise ValueError(f"--out {options.out}: expected a name ending in .html; .md and .json are written beside it")
    board = load_board(options.runs, metric=options.metric, seed=options.seed)
    if options.out is None:
        return board_text(board)
    write_board(options.out, board)
    return f"{board_text(board)}\npage: {options.out}"
