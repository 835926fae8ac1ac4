"""Part c: preferences against findings that are not there: their share among the findings a report names.

The SFT model of ``configs/cxr_r1.yaml`` is the start and the reference of ``configs/dpo_reports.yaml``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medvlm.evaluation.records import Record
from tools.bench.learning_domains import SETS
from tools.bench.learning_runs import Bench
from tools.bench.learning_table import cells, estimate, markdown

STUDIES = 500
METRICS = ("hallucinated findings", "finding F1", "tokens")
HEADER = ("metric", "before", "95 %", "after", "95 %", "change", "95 % over patients", "change by seed", "n")

Answers = dict[int, list[Record]]


def measure(bench: Bench, seeds: Sequence[int]) -> dict[str, Any]:
    """Train, report on held-out studies before and after, and compare.

    Args:
        bench: Where.
        seeds: Of the runs.
    """
    before: Answers = {}
    after: Answers = {}
    for seed in seeds:
        start = bench.train(bench.recipe("cxr_r1", seed), last="sft") / "sft" / "model"
        tiny = ["stages.dpo.pairs.source=corrupted"] if bench.quick else []  # what tiny models write is never better
        recipe = bench.recipe("dpo_reports", seed, f"model.source={start}", *tiny)
        tuned = bench.train(recipe) / recipe.stages[-1].name / "model"
        place = bench.work / "answers" / f"seed{seed}"
        for arm, when, model in ((before, "before", start), (after, "after", tuned)):
            arm[seed] = bench.answers(model, SETS[0], ["report"], place / f"dpo-{when}.jsonl", limit=STUDIES)
    return summarise(before, after)


def summarise(before: Answers, after: Answers) -> dict[str, Any]:
    """Each metric before and after, and whether fewer findings are made up."""
    rows, found = [], {}
    for metric in METRICS:
        digits = 1 if metric == "tokens" else 3
        first, last, change = estimate(before, metric), estimate(after, metric), estimate(after, metric, before)
        found[metric] = {"before": first, "after": last, "change": change}
        shown = [*cells(first, digits)[:2], *cells(last, digits)[:2], *cells(change, digits, sign=True)]
        rows.append([metric, *shown, str(first.n)])
    gap = found["hallucinated findings"]["change"]
    verdict = "is lower in every seed" if gap.sure and gap.value < 0 else "is not clearly lower"
    said = f"The share of named findings that the reference does not have {verdict} after DPO ({gap.value:+.3f})."
    return {"estimates": found, "table": markdown(HEADER, rows), "said": said}
