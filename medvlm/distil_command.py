"""``medvlm distil SET ROOT --out chains.jsonl``: verified reasoning of a stronger model, as data for SFT."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medvlm.set_argument import set_options

if TYPE_CHECKING:
    from medvlm.study import ImageRef
    from medvlm.training.handles import Handle

SHOWN_SIZE, SHOWN_SLICES = 512, 8


def main(argv: Sequence[str] | None = None) -> int:
    """Ask for chains, keep those that are right, and say what became of the others.

    Args:
        argv: Arguments; those of the process without it.

    Returns:
        0.
    """
    arguments = _parser().parse_args(argv)
    samples = _samples(arguments)
    from rich.progress import Progress

    with Progress(disable=arguments.quiet, transient=True) as bar:
        row = bar.add_task("reasoning")
        counts = _work(arguments, samples, lambda done, total: bar.update(row, completed=done, total=total))
    print(f"{said(counts)}\nchains: {arguments.out}")
    return 0


def _work(arguments: argparse.Namespace, samples: Sequence[Any], advance: Any) -> Counter[str]:
    """Distil, or search with an intern."""
    from medvlm.training.distil import DistilOptions, distil
    from medvlm.training.mentor import SearchOptions, mentored

    teacher, common = _teacher(arguments), {"form": arguments.format, "advance": advance}
    if arguments.intern is None:
        names = ("tries", "keep", "hint", "batch", "seed")
        return distil(
            teacher,
            samples,
            arguments.out,
            DistilOptions(**{name: getattr(arguments, name) for name in names}),
            **common,
        )
    intern, search = _engine(arguments.intern, arguments), SearchOptions(tries=arguments.tries, seed=arguments.seed)
    return mentored(teacher, intern, samples, arguments.out, search, **common)


def said(counts: Counter[str]) -> str:
    """What came of the questions, in words.

    Examples:
        >>> said(Counter({"kept": 3, "without": 1, "hinted": 1, "wrong answer": 5}))
        '3 chains kept (1 hinted), 1 questions without one; rejected: 5 wrong answer'
    """
    hinted = f" ({counts['hinted']} hinted)" if counts["hinted"] else ""
    rejected = Counter({why: count for why, count in counts.items() if why not in ("kept", "hinted", "without")})
    reasons = ", ".join(f"{count:,} {why}" for why, count in rejected.most_common()) or "none"
    return f"{counts['kept']:,} chains kept{hinted}, {counts['without']:,} questions without one; rejected: {reasons}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="medvlm distil",
        description="Ask a stronger model to reason about every question of a set, and keep the chains that lead to "
        "the right answer (STaR), as a JSONL set to train on. With --intern, build them step by step instead: of the "
        "teacher's proposals the one from which the intern succeeds most. Killed, it goes on. An endpoint is shown the "
        "images and the questions: what may not leave this machine must not be asked there.",
    )
    parser.add_argument("set", help="name of a set (medvlm convert sets)")
    parser.add_argument("root", type=Path, help="where the set is")
    parser.add_argument("--out", type=Path, required=True, help="JSONL file of the chains")
    teacher = parser.add_mutually_exclusive_group(required=True)
    teacher.add_argument("--model", help="the teacher: folder or hub id of a model")
    teacher.add_argument("--endpoint", metavar="URL", help="the teacher: an OpenAI-compatible address (http://HOST/v1)")
    parser.add_argument("--name", help="name of the model at the endpoint")
    parser.add_argument("--key", default="OPENAI_API_KEY", metavar="VARIABLE", help="environment variable with its key")
    parser.add_argument("--cache", type=Path, help="folder where the endpoint's answers are kept")
    parser.add_argument(
        "--intern", metavar="MODEL", help="folder or hub id of the weaker model of a Mentor-Intern search"
    )
    parser.add_argument(
        "--format", choices=("think", "plain"), default="think", help="chains as thoughts, or in the open"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what the set's loader takes"
    )
    parser.add_argument("--limit", type=int, help="most questions")
    parser.add_argument("--tries", type=int, default=4, help="most chains a question (default 4); the intern's tries")
    parser.add_argument("--keep", type=int, default=1, help="chains a question that are enough (default 1)")
    parser.add_argument("--hint", action="store_true", help="tell the answer where all tries failed (rationalisation)")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16, help="questions asked together (default 16)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--reasoning", action="store_true", help="the models think between tags; ours say so themselves"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _samples(arguments: argparse.Namespace) -> list[Any]:
    """The questions of the set."""
    from medvlm.datamodules.sets import load_set

    options = set_options(f"{arguments.set}.{text}" for text in arguments.option).get(arguments.set, {})
    samples = load_set(arguments.set, arguments.root, arguments.split, **{"absent": "skip", **options})
    return list(samples)[: arguments.limit]


def _teacher(arguments: argparse.Namespace) -> Handle:
    """The model that writes, or proposes steps.

    Raises:
        ValueError: If an endpoint comes without the name of its model.
    """
    if arguments.model is not None:
        return _engine(arguments.model, arguments)
    from medvlm.endpoint import Endpoint
    from medvlm.training.handles import EndpointHandle

    if not arguments.name:
        raise ValueError("--endpoint needs --name, the model's name there")
    endpoint = Endpoint(arguments.endpoint, arguments.name, key=arguments.key, cache=arguments.cache)
    return EndpointHandle(
        endpoint, shown, arguments.temperature, arguments.max_new_tokens, workers=min(8, arguments.batch)
    )


def _engine(name: str, arguments: argparse.Namespace) -> Handle:
    """A model in memory."""
    from medvlm.datamodules.cache import PixelCache
    from medvlm.evaluation.answerer import weights_hash
    from medvlm.generation.engine import Engine
    from medvlm.identity import identify
    from medvlm.models import load_vlm
    from medvlm.training.handles import EngineHandle

    folder = Path(name)
    reasoning = arguments.reasoning or (folder.is_dir() and identify(folder).reasoning)
    model, processor = load_vlm(name, device=arguments.device)
    engine, pixels = Engine(model, processor, reasoning=reasoning), PixelCache(processor.image_processor.pixels)
    return EngineHandle(engine, pixels, weights_hash(model), arguments.temperature, arguments.max_new_tokens)


def shown(ref: ImageRef) -> list[str]:
    """An image as data URIs: the picture, or some slices of a volume from first to last.

    Args:
        ref: An image; its pixels leave with no name and no header.
    """
    from medvlm.datamodules.readers import read_image
    from medvlm.evaluation.png import png
    from medvlm.intensity import choose_recipe
    from medvlm.recipes import default_recipes

    image = read_image(ref.path, modality=ref.modality, region=ref.region)
    pixels = choose_recipe(image, default_recipes((SHOWN_SIZE, SHOWN_SIZE), slices=SHOWN_SLICES)).apply(image)
    return [png(one) for one in (pixels if pixels.ndim == 4 else [pixels])]
