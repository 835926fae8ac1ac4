"""What a run leaves for a person to look at: one page with its table, its curves, and examples with their images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medvlm.datamodules.readers import read_image
from medvlm.evaluation.page import BANNER, Example, ResultRow, write_page
from medvlm.evaluation.records import Record, read_records
from medvlm.identity import PHANTOM_SETS
from medvlm.intensity import choose_recipe
from medvlm.recipes import default_recipes
from medvlm.settings import Recipe
from medvlm.stages import GRPOStage, Stage
from medvlm.study import ImageRef
from medvlm.training.rewards.scoring import RewardSet
from medvlm.training.trainer import read_metrics

CURVES = ("loss", "reward", "reward/accuracy", "entropy", "length", "zero_variance", "truncated", "normal")
EXAMPLES = 12


def write_showcase(
    recipe: Recipe,
    summary: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    images: Mapping[str, Sequence[ImageRef]],
    notes: Sequence[str],
) -> Path:
    """Write ``index.html`` into the run's folder.

    Args:
        recipe: The recipe that was run.
        summary: Rows of the results by name.
        names: What each row is, in words.
        images: Images of each test question, by its id.
        notes: What a reader must know.
    """
    last = recipe.stages[-1].name
    rows = [
        ResultRow(names[name], row["accuracy"], _end(row["low"]), _end(row["high"]), row["n"], main=name == last)
        for name, row in summary.items()
        if "accuracy" in row
    ]
    return write_page(
        recipe.folder / "index.html",
        recipe.name,
        rows,
        dict(_curves(recipe)),
        list(_examples(recipe.folder / last / "records" / "real.jsonl", images, recipe.stages[-1])),
        notes,
        banner=BANNER if set(recipe.data.sets) & set(PHANTOM_SETS) else "Research software. Not for clinical use.",
        subtitle=recipe.purpose,
        metric="Accuracy on held-out questions",
    )


def _end(value: float | None) -> float:
    """An end of an interval as the page takes it: NaN where there is none."""
    return math.nan if value is None else value


def _curves(recipe: Recipe) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """The curves of every stage; the page thins them."""
    for stage in recipe.stages:
        metrics = read_metrics(recipe.folder / stage.name)
        for name in CURVES:
            if len(points := metrics.get(name, [])) > 1:
                yield f"{stage.name}: {name}", points


def reward_of(record: Record, stage: Stage) -> float | None:
    """What a GRPO stage would have paid for an answer; None for other stages, and where no reward applies."""
    if not isinstance(stage, GRPOStage):
        return None
    columns = {name: [getattr(record, name)] for name in ("id", "kind", "question", "options", "categories")}
    columns |= {"answer": [record.reference], "extra": [{}]}
    _, (total,) = RewardSet(stage.rewards, on_error="skip").score([record.text], columns, stage.steps)
    return None if record.correct is None or total.isnan() else float(total)


def _examples(path: Path, images: Mapping[str, Sequence[ImageRef]], stage: Stage) -> Iterator[Example]:
    """Right and wrong answers in turn, one an image."""
    if not path.is_file():
        return
    seen: set[Sequence[ImageRef]] = set()
    for record in _in_turn(read_records(path)):
        refs = tuple(images.get(record.id, ()))
        if not refs or refs in seen or len(seen) == EXAMPLES:
            continue
        seen.add(refs)
        yield Example(
            question=record.question,
            reference=record.reference,
            completion=record.text,
            correct=record.correct,
            reward=reward_of(record, stage),
            options=record.options,
            chosen=record.value,
            image=picture(refs[0]),
            caption=", ".join(f"{key}: {value}" for key, value in record.categories.items() if key != "organ"),
        )


def _in_turn(records: Sequence[Record]) -> Iterator[Record]:
    """Records alternating between right and wrong ones while both last."""
    right = [record for record in records if record.correct]
    wrong = [record for record in records if not record.correct]
    for index in range(max(len(right), len(wrong))):
        yield from right[index : index + 1]
        yield from wrong[index : index + 1]


def picture(ref: ImageRef) -> np.ndarray[Any, Any]:
    """What the model is shown, ``(3, H, W)`` in 0..1; the middle slice of a volume."""
    image = read_image(ref.path)
    pixels = choose_recipe(image, default_recipes((256, 256), slices=3)).apply(image)
    return pixels[len(pixels) // 2] if pixels.ndim == 4 else pixels
