"""``medvlm evaluate``: score a saved model on a set, with its baselines, one record a question on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from medvlm.study import MedvlmError


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="medvlm evaluate", description=__doc__)
    parser.add_argument("model", help="folder or hub id of a model")
    parser.add_argument("--set", dest="name", required=True, help="vqa_rad, slake, rexvqa, jsonl or thorax")
    parser.add_argument("--root", type=Path, required=True, help="where the set is")
    parser.add_argument("--split", default="test")
    parser.add_argument("--protocol", help="by name; that of the set if not given")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what the set's loader takes"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of records and scores; run again to go on")
    parser.add_argument("--baselines", nargs="*", default=["majority", "blank", "shuffled"])
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--batch", type=int, default=16, help="images answered together")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = build_parser().parse_args(argv)
    try:
        print(run(options))
    except (MedvlmError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> str:
    """Load, ask, score; the score as text."""
    from medvlm.datamodules.cache import PixelCache
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.evaluation.protocols import get_protocol
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
    return f"{score.to_text()}\n{report.summary()}\nrecords: {options.out}"


def _pair(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"--option looks like key=value, got {item!r}.")
    return key, yaml.safe_load(value)
