"""``medvlm evaluate``: score a saved model, or a file of predictions, on a set; one record a question on disk."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from medvlm.study import MedvlmError, Sample


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
    parser.add_argument("--protocol", help="by name; that of the set if not given")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what the set's loader takes"
    )
    parser.add_argument("--out", type=Path, help="folder of records and scores; run again to go on")
    parser.add_argument("--baselines", nargs="*", help="majority, blank and shuffled of a model; majority of a file")
    parser.add_argument(
        "--compat", nargs="*", default=[], metavar="MODE", help="score as papers did too: llava_med, ..."
    )
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--batch", type=int, default=16, help="images answered together")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def build_compare_parser() -> argparse.ArgumentParser:
    """The options of ``medvlm evaluate compare``."""
    parser = argparse.ArgumentParser(prog="medvlm evaluate compare", description="Win, tie or loss of a run, in words.")
    parser.add_argument("first", type=Path, help="folder (or file of records) that an evaluation wrote")
    parser.add_argument("others", type=Path, nargs="+", help="one or more to compare it with")
    parser.add_argument("--metric", help="accuracy, or a score of each record (token_f1, iou); by the questions")
    parser.add_argument("--common", action="store_true", help="compare the questions that both have")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["compare"]:
        return _answered(lambda: run_compare(build_compare_parser().parse_args(arguments[1:])))
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
    options.name = options.name or options.protocol
    if options.predictions is not None:
        options.baselines = options.baselines or []
        options.out = options.out or options.predictions.with_suffix(".scored")
        if others := sorted(set(options.baselines) - {"majority"}):
            raise ValueError(f"baselines {', '.join(others)} need a model; a file of predictions has majority alone")
    elif options.out is None:
        raise ValueError("a model needs a folder for its records: --out FOLDER")
    elif options.baselines is None:
        options.baselines = ["majority", "blank", "shuffled"]


def run_compare(options: argparse.Namespace) -> str:
    """Compare a run with others; the verdicts as text."""
    from medvlm.evaluation.comparison import compare_runs, load_run

    first, others = load_run(options.first), [load_run(path) for path in options.others]
    verdicts = compare_runs(first, others, metric=options.metric, common=options.common, seed=options.seed)
    return "\n".join(verdict.to_text() for verdict in verdicts)


def run_predictions(options: argparse.Namespace) -> str:
    """Match, grade, score a file of predictions; the score as text."""
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.evaluation.baselines import majority_records
    from medvlm.evaluation.compat import add_modes
    from medvlm.evaluation.predictions import match, read_predictions, score_predictions, write_scored
    from medvlm.evaluation.protocols import get_protocol
    from medvlm.evaluation.scoring import compare

    def load(split: str, report: LoadReport | None = None) -> list[Sample]:
        return list(load_set(options.name, options.root, split, report=report, **loader_options))

    def others() -> dict[str, list[str]]:
        splits = [split for split in ("train", "validate", "test") if split != options.split]
        found = {}
        for split in splits:
            with contextlib.suppress(OSError, ValueError):  # not every set has every split on every disk
                found[split] = [sample.id for sample in load(split)]
        return found

    protocol, report = get_protocol(options.protocol or options.name), LoadReport()
    loader_options: dict[str, Any] = dict(_pair(item) for item in options.option)
    given = read_predictions(options.predictions)
    samples = load(options.split, report)
    matched = match(given, samples, others)
    score, records = score_predictions(samples, matched, protocol, source=options.predictions.name, seed=options.seed)
    if "majority" in options.baselines:
        baseline = majority_records(load("train"), samples, protocol)
        score = compare(score, records, {"majority": baseline}, seed=options.seed)
    score = add_modes(score, options.compat, samples, records, protocol=protocol.name, seed=options.seed)
    write_scored(options.out, score, records)
    return f"{score.to_text()}\n{report.summary()}\nrecords: {options.out}"


def run(options: argparse.Namespace) -> str:
    """Load, ask, score; the score as text."""
    from medvlm.datamodules.cache import PixelCache
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.evaluation.compat import add_modes
    from medvlm.evaluation.predictions import write_score
    from medvlm.evaluation.protocols import get_protocol
    from medvlm.evaluation.records import read_records
    from medvlm.evaluation.runner import evaluate_with_baselines, plain_loop
    from medvlm.generation.engine import Engine
    from medvlm.identity import identify
    from medvlm.models import load_vlm

    protocol = get_protocol(options.protocol or options.name)
    loader_options: dict[str, Any] = dict(_pair(item) for item in options.option)
    report = LoadReport()
    samples = list(load_set(options.name, options.root, options.split, report=report, **loader_options))
    train = []
    if "majority" in options.baselines:
        train = list(load_set(options.name, options.root, "train", **loader_options))
    folder = Path(options.model)
    reasoning = identify(folder).reasoning if folder.is_dir() else False
    model, processor = load_vlm(options.model, device=options.device)
    engine = Engine(model, processor, reasoning=reasoning)
    score = evaluate_with_baselines(
        engine,
        samples[: options.limit],
        PixelCache(processor.image_processor.pixels),
        protocol,
        options.out,
        baselines=options.baselines,
        train=train,
        seed=options.seed,
        batch=options.batch,
        max_new_tokens=options.max_new_tokens,
        loop=partial(plain_loop, progress=not options.quiet),
    )
    if options.compat:
        latest = {record.id: record for record in read_records(options.out / "real.jsonl")}
        asked = samples[: options.limit]
        records = [latest[sample.id] for sample in asked]
        score = add_modes(score, options.compat, asked, records, protocol=protocol.name, seed=options.seed)
        write_score(options.out, score)
    return f"{score.to_text()}\n{report.summary()}\nrecords: {options.out}"


def _pair(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"--option looks like key=value, got {item!r}.")
    return key, yaml.safe_load(value)
