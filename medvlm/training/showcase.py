"""What a run leaves for a person to look at: one page with its table, its curves, and examples with their images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medvlm.datamodules.readers import read_image
from medvlm.evaluation.page import BANNER, Example, PageFinding, ResultRow, write_page
from medvlm.evaluation.page_rollouts import RolloutCard
from medvlm.evaluation.records import Record, read_records
from medvlm.identity import PHANTOM_SETS
from medvlm.intensity import choose_recipe
from medvlm.recipes import default_recipes
from medvlm.settings import Recipe
from medvlm.stages import GRPOStage, PreferenceStage, Stage
from medvlm.study import ImageRef, MedvlmError
from medvlm.training.diagnosis import Finding, diagnose
from medvlm.training.rewards.scoring import RewardSet
from medvlm.training.rollout_cards import rollout_cards
from medvlm.training.rollout_files import Group
from medvlm.training.trainer import read_metrics

CURVES = {
    "loss": "loss",
    "reward": "reward",
    "entropy": "entropy",
    "zero_variance": "no variance",
    "all_right": "all right",
    "all_wrong": "all wrong",
    "length": "answer tokens",
    "truncated": "cut answers",
    "clipped_share": "clipped tokens",
    "sampler_gap": "sampler gap",
    "grad_norm": "gradient norm",
    "resampled": "resampled groups",
    "pair_accuracy": "pairs in order",
    "margin": "margin",
    "logp_chosen": "logp of chosen",
    "logp_rejected": "logp of rejected",
    "distinct": "distinct",
    "normal": "says normal",
}
"""Metrics that have a chart where rewards or pairs are learned from, and its name; reward parts follow the reward."""
ALARMED = ("reward", "distinct", "normal")
THUMBNAIL = 168
EXAMPLES = 12


def write_showcase(
    recipe: Recipe,
    summary: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    images: Mapping[str, Sequence[ImageRef]],
    notes: Sequence[str],
    trained: Mapping[str, Sequence[ImageRef]] | None = None,
) -> Path:
    """Write ``index.html`` into the run's folder.

    Args:
        recipe: The recipe that was run.
        summary: Rows of the results by name.
        names: What each row is, in words.
        images: Images of each test question, by its id.
        notes: What a reader must know.
        trained: Images of training questions, by their ids; without it they are looked for where the rollouts say.
    """
    last = recipe.stages[-1].name
    curves = {stage.name: read_metrics(recipe.folder / stage.name) for stage in recipe.stages}
    rows = [
        ResultRow(names[name], row["accuracy"], _end(row["low"]), _end(row["high"]), row["n"], main=name == last)
        for name, row in summary.items()
        if "accuracy" in row
    ]
    return write_page(
        recipe.folder / "index.html",
        recipe.name,
        rows,
        {
            f"{stage.name}: {name}": points
            for stage in recipe.stages
            for name, points in (*_charts(curves[stage.name]), *_validated(curves[stage.name], stage))
        },
        list(_examples(recipe.folder / last / "records" / "real.jsonl", images, recipe.stages[-1])),
        notes,
        banner=BANNER if set(recipe.data.sets) & set(PHANTOM_SETS) else "Research software. Not for clinical use.",
        subtitle=recipe.purpose,
        metric="Accuracy on held-out questions",
        marks={f"{stage}: {name}": steps for stage in curves for name, steps in _marks(curves[stage])},
        findings=[
            PageFinding(stage, finding.level, finding.text)
            for stage, found in findings(recipe).items()
            for finding in found
        ],
        rollouts=[card for stage in curves for card in _rollouts(recipe.folder / stage / "rollouts", trained or {})],
    )


def _end(value: float | None) -> float:
    """An end of an interval as the page takes it: NaN where there is none."""
    return math.nan if value is None else value


def findings(recipe: Recipe) -> dict[str, list[Finding]]:
    """What the metrics of each GRPO and preference stage that has begun say.

    Args:
        recipe: The recipe that was run.
    """
    stages = [stage.name for stage in recipe.stages if isinstance(stage, GRPOStage | PreferenceStage)]
    curves = {name: read_metrics(recipe.folder / name) for name in stages}
    return {name: diagnose(found) for name, found in curves.items() if found}


def _charts(metrics: Mapping[str, list[tuple[float, float]]]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Charts of a stage: name in words, points; the page thins them."""
    parts = {name: f"reward: {name.removeprefix('reward/')}" for name in metrics if name.startswith("reward/")}
    wanted = {"loss": CURVES["loss"], "reward": CURVES["reward"]} | parts | CURVES
    whole = "reward" in metrics or "pair_accuracy" in metrics
    for metric, name in wanted.items() if whole else [("loss", CURVES["loss"])]:
        if len(points := metrics.get(metric, [])) > 1:
            yield name, points


def _validated(
    metrics: Mapping[str, list[tuple[float, float]]], stage: Stage
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Charts of the number by which a stage is validated, and of the accuracy."""
    watched = [] if stage.validation is None else [stage.validation.metric, "accuracy"]
    for name in dict.fromkeys(watched):
        if len(points := metrics.get(f"validation/{name}", [])) > 1:
            yield f"validation {name}", points


def _marks(metrics: Mapping[str, list[tuple[float, float]]]) -> Iterator[tuple[str, list[float]]]:
    """Steps with a collapse alarm, on the charts that show why, and steps that were skipped."""
    alarms = [step for step, value in metrics.get("alarm", []) if value]
    skipped = [step for step, value in metrics.get("skipped", []) if value]
    yield from ((CURVES[name], alarms) for name in ALARMED)
    yield from ((CURVES[name], skipped) for name in ("loss", "grad_norm"))


def _rollouts(folder: Path, trained: Mapping[str, Sequence[ImageRef]]) -> Iterator[RolloutCard]:
    """Cards of a stage's rollouts, each image read once."""
    seen: dict[ImageRef, NDArray[Any] | None] = {}

    def look(group: Group) -> NDArray[Any] | None:
        refs = trained.get(group.sample) or [ImageRef(Path(path), volume=Path(path).is_dir()) for path in group.images]
        for ref in refs[:1]:
            if ref not in seen:
                seen[ref] = thumbnail(ref)
            return seen[ref]
        return None

    yield from rollout_cards(folder, look)


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


def picture(ref: ImageRef, size: int = 256) -> NDArray[Any]:
    """What the model is shown, ``(3, H, W)`` in 0..1; the middle slice of a volume.

    Args:
        ref: An image.
        size: Its height and width.
    """
    image = read_image(ref.path, modality=ref.modality)
    pixels = choose_recipe(image, default_recipes((size, size), slices=3)).apply(image)
    return pixels[len(pixels) // 2] if pixels.ndim == 4 else pixels


def thumbnail(ref: ImageRef) -> NDArray[Any] | None:
    """A small picture, ``(H, W)`` where it is gray; None for an image that is gone or cannot be shown.

    Args:
        ref: An image.
    """
    try:
        pixels = picture(ref, THUMBNAIL)
    except (MedvlmError, OSError):
        return None
    return pixels[0] if np.array_equal(pixels[0], pixels[1]) and np.array_equal(pixels[0], pixels[2]) else pixels
