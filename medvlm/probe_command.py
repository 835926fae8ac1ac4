"""``medvlm probe MODEL SET ROOT --out rates.json``: how often a model answers each question of a set right."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medvlm.set_argument import set_options


def main(argv: Sequence[str] | None = None) -> int:
    """Probe, write the rates, and pseudo-labels where they are asked for.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0.
    """
    arguments = _parser().parse_args(argv)
    from rich.progress import Progress

    from medvlm.training.probing import ProbeOptions, probe, summary
    from medvlm.training.pseudo import write_pseudo

    names = ("group", "temperature", "max_new_tokens", "batch", "seed")
    options = ProbeOptions(**{name: getattr(arguments, name) for name in names})
    samples = _samples(arguments)
    engine, pixels, name = _model(arguments)
    with Progress(disable=arguments.quiet, transient=True) as bar:
        task = bar.add_task("probing")
        results = probe(
            engine,
            samples,
            pixels,
            arguments.out,
            options,
            advance=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{summary(results)}\nrates: {arguments.out}")
    if arguments.pseudo is not None:
        counts = write_pseudo(arguments.pseudo, samples, results, threshold=arguments.threshold, model=name)
        said = ", ".join(f"{count:,} {why}" for why, count in counts.most_common())
        print(f"pseudo-labels: {said}: {arguments.pseudo}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm probe",
        description="Sample answers to every question of a set and write how many are right, as data.rates of a recipe "
        "reads it. Killed, it goes on; done, it is not done again.",
    )
    parser.add_argument("model", help="folder or hub id of a model")
    parser.add_argument("set", help="name of a set (medvlm convert sets)")
    parser.add_argument("root", type=Path, help="where the set is")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the rates")
    parser.add_argument("--split", default="train")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what the set's loader takes"
    )
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--group", type=int, default=8, help="samples a question (default 8)")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16, help="images answered together (default 16)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--reasoning", action="store_true", help="ask for reasoning; a model of ours says so itself")
    parser.add_argument(
        "--pseudo", type=Path, metavar="JSONL", help="also write the answers that most samples agree on"
    )
    parser.add_argument("--threshold", type=float, default=0.75, help="share that must agree on one (default 0.75)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _samples(arguments: argparse.Namespace) -> list[Any]:
    """The questions of the set."""
    from medvlm.datamodules.sets import load_set

    options = set_options(f"{arguments.set}.{text}" for text in arguments.option).get(arguments.set, {})
    samples = list(load_set(arguments.set, arguments.root, arguments.split, **{"absent": "skip", **options}))
    return samples[: arguments.limit]


def _model(arguments: argparse.Namespace) -> tuple[Any, Any, str]:
    """The engine, prepared pixels of an image, and what to call the model."""
    from medvlm.datamodules.cache import PixelCache
    from medvlm.generation.engine import Engine
    from medvlm.identity import identify
    from medvlm.models import load_vlm

    folder = Path(arguments.model)
    known = identify(folder) if folder.is_dir() else None
    reasoning = arguments.reasoning or (known is not None and known.reasoning)
    name = arguments.model if known is None else f"{known.name} {known.weights}"
    model, processor = load_vlm(arguments.model, device=arguments.device)
    return Engine(model, processor, reasoning=reasoning), PixelCache(processor.image_processor.pixels), name
