"""How a contrastive stage is scored: findings by name and by description, and reports found among all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from rich.table import Table
from torch import Tensor

from medvlm.descriptors import DESCRIPTORS, NAMES
from medvlm.evaluation.labeler import FINDINGS, label_report
from medvlm.evaluation.ranking import auroc, recall_at
from medvlm.stages import Stage
from medvlm.study import Sample
from medvlm.training.run import Run
from medvlm.zeroshot import Aligned

RECALLS = (1, 5, 10)
FEWEST = 5  # positive and negative cases of a finding that is scored


@dataclass(frozen=True, slots=True)
class Ranking:
    """Zero-shot scores on held-out studies.

    Attributes:
        pairs: Studies with their reports.
        by_name: AUROC of each finding that occurs, asked for by its name.
        by_description: The same, asked for by its observations.
        accuracy: Share of right calls at one half by description, of each finding.
        recall: Share of images whose report is among the k most similar, by k.
    """

    pairs: int
    by_name: dict[str, float]
    by_description: dict[str, float]
    accuracy: dict[str, float]
    recall: dict[int, float]

    def values(self) -> dict[str, float]:
        """All numbers by name, means over findings first."""
        found = {
            f"zero-shot {what}": fmean(values.values())
            for what, values in (
                ("AUROC by name", self.by_name),
                ("AUROC by description", self.by_description),
                ("accuracy by description", self.accuracy),
            )
            if values
        }
        found |= {f"report recall@{k} of {self.pairs}": value for k, value in self.recall.items()}
        return found | {f"AUROC by description, {name}": value for name, value in self.by_description.items()}


def score_alignment(run: Run, stage: Stage) -> Ranking:
    """Score the model of a contrastive stage on the held-out split; labels come from the reports, by rules.

    Raises:
        SampleError: If a held-out image cannot be read.
    """
    aligned = Aligned.load(run.recipe.folder / stage.name / "model")
    samples = run.data(stage, "fit", run.held_out).samples[run.held_out]
    chosen: Mapping[object, Sample] = {sample.images: sample for sample in samples if sample.kind == "report"}
    studies = list(chosen.values())[: run.recipe.evaluate.limit]
    pixels = [[run.pixels(image) for image in sample.images] for sample in studies]
    return rank(aligned, pixels, [sample.answer for sample in studies])


def rank(aligned: Aligned, images: Sequence[Sequence[Tensor]], reports: Sequence[str]) -> Ranking:
    """Score a model on images and their reports.

    Args:
        aligned: The model.
        images: Prepared pixels of each study.
        reports: The report of each.
    """
    stated = [label_report(report) for report in reports]
    truth = {name: [states.get(name) == "present" for states in stated] for name in FINDINGS}
    scored = [name for name in FINDINGS if FEWEST <= sum(truth[name]) <= len(reports) - FEWEST]
    embedded = aligned.images(images)
    by_name = _scores(aligned, embedded, {name: [NAMES[name]] for name in scored})
    described = _scores(aligned, embedded, {name: DESCRIPTORS[name] for name in scored})
    similarity = aligned.retrieve(embedded, reports)
    return Ranking(
        len(reports),
        {name: auroc(by_name[name], truth[name]) for name in scored},
        {name: auroc(described[name], truth[name]) for name in scored},
        {name: float((described[name].gt(0.5) == torch.tensor(truth[name])).float().mean()) for name in scored},
        {k: recall_at(similarity.cpu(), k) for k in RECALLS if k <= len(reports)},
    )


def _scores(aligned: Aligned, embedded: Tensor, observations: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """Probability of each finding in each image."""
    if not observations:
        return {}
    rows = [[finding.probability for finding in row] for row in aligned.explain(embedded, observations)]
    return dict(zip(observations, torch.tensor(rows).T, strict=True))


def ranking_table(name: str, ranking: Ranking) -> Table:
    """The scores as a table to print."""
    table = Table(title=f"{name}: zero-shot on {ranking.pairs} held-out studies (chance: AUROC 0.5)")
    table.add_column("score")
    table.add_column("value", justify="right")
    for score, value in ranking.values().items():
        table.add_row(score, f"{value:.3f}")
    return table
