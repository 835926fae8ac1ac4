"""``medvlm pairs``: make a file of preference pairs, by one of five ways, for training or for looking at."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from medvlm.study import Sample

WAYS = {
    "corrupted": "the reference report against itself made wrong (--how)",
    "sampled": "best against worst of answers that MODEL samples (--reward, --answers)",
    "rollouts": "best against worst of the rollouts of a GRPO stage (--rollouts, --by)",
    "disagreement": "RULE in short: right in one run and wrong in another (--right, --wrong: records)",
    "reflection": "Med-REFL in short: right chains against wrong ones, mended against spoilt (--rollouts, --by)",
}
SHOWN = 300


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    ways = "\n".join(f"  {name:<14}{text}" for name, text in WAYS.items())
    parser = argparse.ArgumentParser(
        prog="medvlm pairs",
        description=f"{__doc__}\n\nways:\n{ways}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--set", dest="name", required=True, help="name of the set whose training split is paired")
    parser.add_argument("--root", type=Path, required=True, help="where the set is")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="what its loader takes")
    parser.add_argument("--out", type=Path, required=True, help="the file to write (.jsonl)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--reasoning", action="store_true", help="answers carry their rationale between tags")
    parser.add_argument("--how", nargs="+", default=["side", "added", "denied", "size", "other"])
    parser.add_argument("--each", type=int, default=1, help="most pairs of a report")
    parser.add_argument("--model", help="folder or hub id of the model that samples")
    parser.add_argument("--answers", type=int, default=4, help="answers sampled for a question")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--reward", action="append", default=[], metavar="NAME=WEIGHT", help="finding_f1=1 if none")
    parser.add_argument("--rollouts", type=Path, help="rollouts folder of a GRPO stage")
    parser.add_argument("--by", default="reward", help="the total reward, or a part of it by name")
    parser.add_argument("--right", type=Path, help="records (JSONL) of the run whose answers are chosen")
    parser.add_argument("--wrong", type=Path, help="records of the run whose answers are rejected")
    parser.add_argument("--margin", type=float, default=0.1, help="least difference of two scores")
    parser.add_argument("--length", type=float, nargs=2, default=(0.8, 1.25), metavar=("LEAST", "MOST"))
    parser.add_argument("--device", default="cpu")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Make the pairs, write them, and print how many there are and what the first of each kind looks like."""
    options = build_parser().parse_args(argv)
    from medvlm.datamodules.sets import LoadReport, load_set
    from medvlm.preferences.pairs import write_pairs

    report = LoadReport()
    loader: dict[str, Any] = dict(map(_setting, options.option))
    samples = list(load_set(options.name, options.root, "train", report=report, **loader))
    pairs = _make(options, samples[: options.limit])
    count = write_pairs(options.out, samples, pairs)
    kinds = Counter(pair.how for pair in pairs)
    print(report.summary())
    print(f"{options.out}: {count} pairs ({', '.join(f'{how} {number}' for how, number in sorted(kinds.items()))})")
    for how in sorted(kinds):
        first = next(pair for pair in pairs if pair.how == how)
        print(f"\n{how}, {first.sample}\n  chosen   {first.chosen[:SHOWN]}\n  rejected {first.rejected[:SHOWN]}")
    return 0


def _make(options: argparse.Namespace, samples: Sequence[Sample]) -> list[Any]:
    """The pairs that the options ask for.

    Raises:
        ValueError: If the way needs an option that was not given.
        SampleError: If no pair is left.
    """
    if options.way == "corrupted":
        from medvlm.preferences.build import corrupted_pairs

        return corrupted_pairs(samples, options.how, reasoning=options.reasoning, each=options.each, seed=options.seed)
    if options.way == "disagreement":
        return _disagreeing(options, samples)
    from medvlm.preferences.choose import Window, chosen_pairs

    answers = _sampled(options, samples) if options.way == "sampled" else _rolled_out(options, samples)
    if options.way == "reflection":
        from medvlm.preferences.recipes import reflections

        return reflections(answers)
    pairs, left = chosen_pairs(answers, Window(options.margin, *options.length))
    print(left)
    return pairs


def _disagreeing(options: argparse.Namespace, samples: Sequence[Sample]) -> list[Any]:
    from medvlm.evaluation.records import read_records
    from medvlm.preferences.recipes import disagreements

    pairs = disagreements(read_records(_need(options, "right")), read_records(_need(options, "wrong")))
    known = {sample.id for sample in samples}
    return [pair for pair in pairs if pair.sample in known] if options.limit else pairs


def _rolled_out(options: argparse.Namespace, samples: Sequence[Sample]) -> dict[str, list[Any]]:
    from medvlm.preferences.choose import read_rollouts

    known = {sample.id for sample in samples}
    found = read_rollouts(_need(options, "rollouts"), by=options.by)
    return {name: answers for name, answers in found.items() if name in known or not options.limit}


def _sampled(options: argparse.Namespace, samples: Sequence[Sample]) -> dict[str, list[Any]]:
    from medvlm.datamodules.batches import group_by_image
    from medvlm.datamodules.cache import PixelCache
    from medvlm.generation.engine import Engine
    from medvlm.models import load_vlm
    from medvlm.stages import PairSettings
    from medvlm.training.pairing import sampled_answers

    model, processor = load_vlm(_need(options, "model"), device=options.device)
    rewards = {name: float(weight) for name, weight in map(_setting, options.reward)} or {"finding_f1": 1.0}
    numbers = {"answers": options.answers, "max_new_tokens": options.max_new_tokens, "rewards": rewards}
    settings = PairSettings(source="sampled", **numbers)
    pixels = PixelCache(processor.image_processor.pixels)
    engine = Engine(model, processor, reasoning=options.reasoning)
    return sampled_answers(engine, group_by_image(samples), pixels, settings, batch=16, seed=options.seed)


def _need(options: argparse.Namespace, name: str) -> Any:
    """An option that this way cannot do without."""
    value = getattr(options, name)
    if value is None:
        raise ValueError(f"{options.way} needs --{name}; `medvlm pairs --help` says what it is.")
    return value


def _setting(item: str) -> tuple[str, Any]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ValueError(f"expected KEY=VALUE, got {item!r}.")
    return key, yaml.safe_load(value)
