"""Reports of a set that also asks questions: the findings in them beside those of reports written without looking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medvlm.evaluation.contrasts import FINDING_F1, contrast, value_of
from medvlm.evaluation.records import Record
from medvlm.evaluation.sections.section import Cell, Section
from medvlm.evaluation.statistics import mean_interval

_ABOUT = (
    "Finding F1 of each report by the rule labeler, mean over reports; 1 where neither side has a finding. Differences "
    "are paired by report, p is adjusted for all baselines (Holm)."
)


def report_baselines(
    records: Sequence[Record], others: Mapping[str, Sequence[Record]], *, seed: int = 0
) -> Section | None:
    """The reports of the model and of its baselines; None where reports are all there is, or there are none.

    Args:
        records: Those of the model.
        others: Those of each baseline, for the same questions.
        seed: Seed of the intervals.

    Raises:
        ValueError: If a baseline has other reports.
    """
    reports = [record for record in records if record.kind == "report"]
    theirs = {name: [record for record in baseline if record.kind == "report"] for name, baseline in others.items()}
    theirs = {name: baseline for name, baseline in theirs.items() if baseline}
    if not reports or len(reports) == len(records) or not theirs:
        return None
    values = [value_of(record, FINDING_F1) or 0.0 for record in reports]
    ours = mean_interval(values, [record.cluster for record in reports], seed=seed)
    rows: list[tuple[Cell, ...]] = [("the model", ours, None, None, None)]
    for other in contrast(reports, theirs, seed=seed):
        p = "-" if other.p_holm is None else f"{other.p_holm:.4f}"  # three decimals would print 0.000
        rows.append((other.name, other.accuracy, other.difference, p, f"{other.changed:.0%}"))
    columns = ("reports of", "finding F1", "model minus baseline", "p", "reports that change")
    return Section("report_baselines", "Reports against their baselines", _ABOUT, columns, tuple(rows))
