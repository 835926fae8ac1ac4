"""How a contrastive stage is scored: findings by name and by description, and reports found among all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from medvlm.descriptors import DESCRIPTORS, NAMES
from medvlm.evaluation.labeler import FINDINGS, label_report
from medvlm.evaluation.ranking import found_at, mean_auroc
from medvlm.evaluation.statistics import Interval, mean_interval
from medvlm.files import write_whole
from medvlm.stages import Stage
from medvlm.study import Sample
from medvlm.training.run import Run
from medvlm.zeroshot import Aligned, SharedSpace

RECALLS = (1, 5, 10)
FEWEST = 5  # positive and negative cases of a finding that is scored


@dataclass(frozen=True, slots=True)
class Ranking:
    """Zero-shot scores on held-out studies.

    Attributes:
        pairs: Studies with their reports.
        scores: Each score by name, with its interval over patients; means over findings first.
        chance: What each would be by guessing; NaN where that depends on the labels.
    """

    pairs: int
    scores: Mapping[str, Interval]
    chance: Mapping[str, float]

    def values(self) -> dict[str, float]:
        """All numbers by name."""
        return {name: interval.value for name, interval in self.scores.items()}

    def to_json(self) -> dict[str, Any]:
        """All numbers by name, and both ends of their intervals; null where one patient gives none."""
        ends = {
            name: [None if math.isnan(end) else end for end in (one.low, one.high)] for name, one in self.scores.items()
        }
        return {"n": self.pairs, "report": self.values(), "intervals": ends}


def score_alignment(run: Run, stage: Stage) -> Ranking:
    """Score the model of a contrastive stage on the held-out split; labels come from the reports, by rules.

    The scores are left in the stage's ``records/ranking.json``.

    Raises:
        SampleError: If a held-out image cannot be read.
    """
    folder = run.recipe.folder / stage.name
    aligned = Aligned.load(folder / "model")
    samples = run.data(stage, "fit", run.held_out).samples[run.held_out]
    chosen: Mapping[object, Sample] = {sample.images: sample for sample in samples if sample.kind == "report"}
    studies = list(chosen.values())[: run.recipe.evaluate.limit]
    pixels = [[run.pixels(image) for image in sample.images] for sample in studies]
    patients = [sample.group or sample.id for sample in studies]
    ranking = rank(aligned, pixels, [sample.answer for sample in studies], patients)
    write_whole(folder / "records" / "ranking.json", json.dumps(ranking.to_json(), indent=1))
    return ranking


def rank(
    aligned: SharedSpace, images: Sequence[Sequence[Tensor]], reports: Sequence[str], patients: Sequence[str]
) -> Ranking:
    """Score a model on images and their reports.

    Args:
        aligned: The model.
        images: Prepared pixels of each study.
        reports: The report of each.
        patients: Whose study it is; a patient's are resampled together.
    """
    stated = [label_report(report) for report in reports]
    truth = {name: [states.get(name) == "present" for states in stated] for name in FINDINGS}
    scored = [name for name in FINDINGS if FEWEST <= sum(truth[name]) <= len(reports) - FEWEST]
    embedded = aligned.images(images)
    named = _scores(aligned, embedded, {name: [NAMES[name]] for name in scored})
    described = _scores(aligned, embedded, {name: DESCRIPTORS[name] for name in scored})
    similarity = aligned.retrieve(embedded, reports).cpu()
    found = _finding_scores(named, described, truth, patients) if scored else {}
    chance = {name: math.nan if "accuracy" in name else 0.5 for name in found}
    for k in (k for k in RECALLS if k <= len(reports)):
        name = f"report recall@{k} of {len(reports)}"
        found[name], chance[name] = mean_interval(found_at(similarity, k), patients), k / len(reports)
    for name in scored:
        key = f"AUROC by description, {name}"
        found[key], chance[key] = mean_auroc(described[name], truth[name], patients), 0.5
    return Ranking(len(reports), found, chance)


def _finding_scores(
    named: Mapping[str, Tensor],
    described: Mapping[str, Tensor],
    truth: Mapping[str, Sequence[bool]],
    patients: Sequence[str],
) -> dict[str, Interval]:
    """Means over findings."""
    wanted = torch.tensor([truth[name] for name in named])
    by_name, by_description = torch.stack(list(named.values())), torch.stack(list(described.values()))
    right = by_description.gt(0.5).eq(wanted).float().mean(0)
    return {
        "zero-shot AUROC by name": mean_auroc(by_name, wanted, patients),
        "zero-shot AUROC by description": mean_auroc(by_description, wanted, patients),
        "zero-shot accuracy by description": mean_interval(right, patients),
    }


def _scores(aligned: SharedSpace, embedded: Tensor, observations: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Probability of each finding in each image."""
    if not observations:
        return {}
    rows = [[finding.probability for finding in row] for row in aligned.explain(embedded, observations)]
    return dict(zip(observations, torch.tensor(rows).T, strict=True))


def ranking_table(name: str, ranking: Ranking) -> Table:
    """The scores as a table to print."""
    table = Table(title=f"{name}: zero-shot on {ranking.pairs} held-out studies")
    table.add_column("score")
    for column in ("value", "95 % over patients", "chance"):
        table.add_column(column, justify="right")
    for score, one in ranking.scores.items():
        chance = "" if math.isnan(ranking.chance[score]) else f"{ranking.chance[score]:.3f}"
        table.add_row(score, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", chance)
    return table
