"""``medvlm evaluate``: score a saved model, or a file of predictions, on a set; one record a question on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from medvlm.evaluation.command_answering import add_answering, read_answering
from medvlm.evaluation.command_compare import build_compare_parser, run_compare
from medvlm.evaluation.command_leaderboard import build_leaderboard_parser, run_leaderboard
from medvlm.evaluation.command_probes import add_probes, check_chosen, list_probes
from medvlm.evaluation.command_protocols import build_protocols_parser, run_protocols
from medvlm.evaluation.command_run import run, run_predictions
from medvlm.study import MedvlmError


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="medvlm evaluate", description=__doc__)
    parser.add_argument("model", nargs="?", help="folder or hub id of a model")
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE", help="JSONL of id and prediction, instead of a model"
    )
    parser.add_argument("--set", dest="name", help="vqa_rad, slake, rexvqa, jsonl, thorax, ...; that of the protocol")
    parser.add_argument("--root", type=Path, required=True, help="where the set is")
    parser.add_argument("--split", default="test")
    parser.add_argument("--protocol", help="by name, or your own .yaml file; that of the set if not given")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what the set's loader takes"
    )
    parser.add_argument("--out", type=Path, help="folder of records and scores; run again to go on")
    parser.add_argument("--baselines", nargs="*", help="of majority, position, blank, shuffled, wrong; all of a model")
    parser.add_argument(
        "--compat", nargs="*", default=[], metavar="MODE", help="score as papers did too: llava_med, ..."
    )
    add_probes(parser)
    parser.add_argument(
        "--report-metrics",
        nargs="*",
        default=[],
        metavar="NAME[=PLACE]",
        help="report scores of weights in a folder or a judge's .jsonl file: chexbert, radcliq, green, ...",
    )
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--partial", action="store_true", help="score a split of another size than the released one")
    parser.add_argument("--batch", type=int, default=16, help="images answered together")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_answering(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["compare"]:
        return _answered(lambda: run_compare(build_compare_parser().parse_args(arguments[1:])))
    if arguments[:1] == ["leaderboard"]:
        return _answered(lambda: run_leaderboard(build_leaderboard_parser().parse_args(arguments[1:])))
    if arguments[:1] == ["protocols"]:
        return _answered(lambda: run_protocols(build_protocols_parser().parse_args(arguments[1:])))
    if arguments == ["--probes"]:
        return _answered(list_probes)
    return _answered(lambda: _run_checked(build_parser().parse_args(arguments)))


def _run_checked(options: argparse.Namespace) -> str:
    _check(options)
    return run(options) if options.predictions is None else run_predictions(options)


def _answered(command: Callable[[], str]) -> int:
    """Print what a command says, or why it could not; the exit status."""
    try:
        print(command())
    except (MedvlmError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together, and fill in those that follow from others.

    Raises:
        ValueError: If something is absent or too much; the message names it.
    """
    if (options.model is None) == (options.predictions is None):
        raise ValueError("name a model, or --predictions FILE, not both")
    if options.name is None and options.protocol is None:
        raise ValueError("name the set (--set slake), or with predictions the protocol (--protocol slake)")
    check_chosen(options)
    if options.report_metrics:
        from medvlm.evaluation.report_metrics.asked import read_asked

        read_asked(options.report_metrics)
    read_answering(options)
    if options.predictions is not None:
        options.baselines = options.baselines or []
        options.out = options.out or options.predictions.with_suffix(".scored")
        if others := sorted(set(options.baselines) - {"majority", "position"}):
            raise ValueError(f"baselines {', '.join(others)} need a model; a file has position and majority alone")
    elif options.out is None:
        raise ValueError("a model needs a folder for its records: --out FOLDER")
