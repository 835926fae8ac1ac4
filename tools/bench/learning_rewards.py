"""Part b: one reward at a time, and the metric that it should move.

Each family has the start and the settings in which there is something to learn; those of reports and boxes were found
on seed 0 and on held-out patients whose answers are not in the table. Reports start from the recipe's first stage,
which misses findings. Boxes were never shown: the start first imitates exact boxes, so briefly that it hardly tells
findings apart; taught for longer it gains nothing from GRPO. Format is to be found again by a start that was taught to
answer without tags, of which it keeps few.

What a reward pays is not always the metric of the tables: that of boxes is a soft F1, for which one wide box over both
lungs is better than a guessed side (the share of boxes that are hit shows it); that of reports counts a healthy patient
as much as any other. All stand beside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvlm.settings import Recipe
from tools.bench.learning_domains import SETS
from tools.bench.learning_runs import Bench
from tools.bench.learning_table import Arm, Estimate, cells, estimate, markdown

STUDIES = 250  # held-out studies that are answered before and after
LONGEST = 24  # tokens that a report may have for nothing; the start writes about 42
POOL = {"pool": "rl"}


@dataclass(frozen=True, slots=True)
class Family:
    """A reward and what it should move.

    Attributes:
        name: What it is called in tables and folders.
        rewards: Of the GRPO stage.
        metric: Which metric it is for.
        up: Whether a higher metric is what the reward asks for.
        kind: Form of the answers that are trained and tested.
        tokens: Most new tokens.
        beside: Metrics that show what else changed.
        start: The stage of the recipe whose model is trained on.
        stage: Settings of the GRPO stage where they are not those of `STAGE`.
        teach: Settings of an SFT stage before GRPO that makes the start of this family.
        reasoning: Whether that stage shows reasoning in tags.
    """

    name: str
    rewards: Mapping[str, Any]
    metric: str
    kind: str
    tokens: int
    up: bool = True
    beside: tuple[str, ...] = ()
    start: str = "sft"
    stage: Mapping[str, Any] = field(default_factory=dict)
    teach: Mapping[str, Any] = field(default_factory=dict)
    reasoning: bool = True


STAGE = {"steps": 16, "images": 24, "micro_tokens": 4096, "lr": 2.0e-4, "decay": "none", "mu": 2, "evaluate": False}
"""What length and format need; the others need more answers, and other settings to learn from them."""
FAMILIES = (
    Family("accuracy", {"accuracy": 1.0}, "accuracy", "closed", 16, stage={"steps": 40, "images": 48}),
    Family(
        "finding F1",
        {"finding_f1": 1.0},
        "finding F1",
        "report",
        64,
        beside=("F1 a report", "hallucinated findings", "tokens"),
        start="read",
        stage={"steps": 50, "images": 48, "micro_tokens": 8192, "lr": 1.0e-4, "warmup": 5, "decay": "cosine"},
    ),
    Family(
        "box IoU",
        {"box_iou": 1.0},
        "mean IoU",
        "box",
        40,
        beside=("box F1", "IoU above 0.5"),
        stage={"steps": 40, "images": 48, "micro_tokens": 8192, "warmup": 5, "decay": "cosine", "temperature": 0.7},
        teach={"steps": 60, "images": 32, "lr": 1.0e-3, "decay": "cosine"},
    ),
    Family(
        "length",
        {"length": {"weight": 1.0, "options": {"longest": LONGEST}}},
        "tokens",
        "report",
        64,
        up=False,
        beside=("finding F1",),
    ),
    Family(
        "format",
        {"format": 1.0},
        "format",
        "closed",
        16,
        beside=("accuracy",),
        teach={"weak": True, "steps": 6, "lr": 3.0e-4},
        reasoning=False,
    ),
)
HEADER = ("reward", "metric", "before", "after", "change", "95 % over patients", "change by seed", "n")


def measure(bench: Bench, seeds: Sequence[int], families: Sequence[Family] = FAMILIES) -> dict[str, Any]:
    """Train each family from its start of each seed, answer before and after, and compare.

    Args:
        bench: Where.
        seeds: Of the runs.
        families: Which.
    """
    arms: dict[str, tuple[dict[int, Any], dict[int, Any]]] = {family.name: ({}, {}) for family in families}
    for seed in seeds:
        run = bench.train(bench.recipe("cxr_r1", seed), last="sft")
        for family in families:
            start = _start(bench, seed, family, run / family.start / "model")
            tuned = bench.train(recipe(bench, seed, family, start, "grpo")) / "grpo" / "model"
            for arm, when, model in zip(arms[family.name], ("before", "after"), (start, tuned), strict=True):
                place = bench.work / "answers" / f"seed{seed}" / f"reward-{_slug(family)}-{when}.jsonl"
                arm[seed] = bench.answers(model, SETS[0], [family.kind], place, limit=STUDIES)
    return summarise(arms, families)


def _slug(family: Family) -> str:
    return family.name.lower().replace(" ", "_")


def _start(bench: Bench, seed: int, family: Family, source: Path) -> Path:
    """The model from which GRPO starts: that of the recipe, or what the family's extra stage made of it."""
    if not family.teach:
        return source
    return bench.train(recipe(bench, seed, family, source, "teach")) / "teach" / "model"


def recipe(bench: Bench, seed: int, family: Family, source: Path, stage: str) -> Recipe:
    """The recipe of a family's only stage.

    Args:
        bench: Where.
        seed: Of the run.
        family: Which.
        source: The model that is trained on.
        stage: ``grpo``, or ``teach`` for the stage that makes the family's start.
    """
    common = {"name": stage, "kinds": [family.kind]}
    if stage == "teach":
        settings = {**STAGE, **common, "objective": "sft", "where": {"pool": "sft"}, **family.teach}
        del settings["mu"]
    else:
        settings = {**STAGE, **family.stage, **common, "objective": "grpo", "where": POOL, "rewards": family.rewards}
        settings["max_new_tokens"] = family.tokens
    return bench.recipe(
        "cxr_r1",
        seed,
        f"name={stage}",
        f"model.source={source}",
        f"stages={json.dumps([settings])}",
        f"reasoning={json.dumps(family.reasoning or stage == 'grpo')}",
        f"data.options.kinds=[{family.kind}]",
        place=f"reward_{_slug(family)}",
    )


def summarise(arms: Mapping[str, tuple[Arm, Arm]], families: Sequence[Family]) -> dict[str, Any]:
    """Each metric before and after, its change, and whether every reward moved its own."""
    rows, said, found = [], [], {}
    for family in families:
        before, after = arms[family.name]
        for metric in (family.metric, *family.beside):
            change = estimate(after, metric, before)
            found[f"{family.name}: {metric}"] = {
                "before": estimate(before, metric),
                "after": estimate(after, metric),
                "change": change,
            }
            digits = 1 if metric == "tokens" else 3
            first, last = (cells(estimate(arm, metric), digits)[0] for arm in (before, after))
            name = family.name if metric == family.metric else ""
            rows.append([name, metric, first, last, *cells(change, digits, sign=True), str(change.n)])
        said.append(f"{family.name} {_moved(found[f'{family.name}: {family.metric}']['change'], up=family.up)}")
    return {"estimates": found, "table": markdown(HEADER, rows), "said": "Own metric: " + "; ".join(said) + "."}


def _moved(change: Estimate, *, up: bool) -> str:
    if not change.sure:
        return "not clearly moved"
    return "moved as asked" if (change.value > 0) == up else "moved the other way"
