"""Part b: one reward at a time, from the same SFT start, and the metric that it should move.

The start knows answers and reports in tags. Two families need another one: boxes were never shown, so the start first
imitates boxes of an atlas (weak: nobody looked at the image); format is to be found again by a start that was taught to
answer without tags, of which it keeps few.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    teach: Mapping[str, Any] = field(default_factory=dict)
    reasoning: bool = True


FAMILIES = (
    Family("accuracy", {"accuracy": 1.0}, "accuracy", "closed", 16),
    Family("finding F1", {"finding_f1": 1.0}, "finding F1", "report", 64, beside=("hallucinated findings", "tokens")),
    Family("box IoU", {"box_iou": 1.0}, "mean IoU", "box", 40, teach={"weak": True, "steps": 60, "lr": 1.0e-3}),
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
STAGE = {"steps": 16, "images": 24, "micro_tokens": 4096, "lr": 2.0e-4, "decay": "none", "mu": 2, "evaluate": False}
HEADER = ("reward", "metric", "before", "after", "change", "95 % over patients", "change by seed", "n")


def measure(bench: Bench, seeds: Sequence[int], families: Sequence[Family] = FAMILIES) -> dict[str, Any]:
    """Train each family from the SFT start of each seed, answer before and after, and compare.

    Args:
        bench: Where.
        seeds: Of the runs.
        families: Which.
    """
    arms: dict[str, tuple[dict[int, Any], dict[int, Any]]] = {family.name: ({}, {}) for family in families}
    for seed in seeds:
        sft = bench.train(bench.recipe("cxr_r1", seed), last="sft") / "sft" / "model"
        for family in families:
            start = _start(bench, seed, family, sft)
            tuned = bench.train(_recipe(bench, seed, family, start, "grpo")) / "grpo" / "model"
            for arm, when, model in zip(arms[family.name], ("before", "after"), (start, tuned), strict=True):
                place = bench.work / "answers" / f"seed{seed}" / f"reward-{_slug(family)}-{when}.jsonl"
                arm[seed] = bench.answers(model, SETS[0], [family.kind], place, limit=STUDIES)
    return summarise(arms, families)


def _slug(family: Family) -> str:
    return family.name.lower().replace(" ", "_")


def _start(bench: Bench, seed: int, family: Family, sft: Path) -> Path:
    """The model from which GRPO starts: the SFT model, or what its extra stage made of it."""
    if not family.teach:
        return sft
    return bench.train(_recipe(bench, seed, family, sft, "teach")) / "teach" / "model"


def _recipe(bench: Bench, seed: int, family: Family, source: Path, stage: str) -> Any:
    common = {"name": stage, "kinds": [family.kind]}
    grpo = {**STAGE, **common, "objective": "grpo", "where": POOL, "rewards": family.rewards}
    teach = {**STAGE, **common, "objective": "sft", "where": {"pool": "sft"}, **family.teach}
    settings = teach if stage == "teach" else {**grpo, "max_new_tokens": family.tokens}
    for name in ("mu",) if stage == "teach" else ():
        del settings[name]
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
