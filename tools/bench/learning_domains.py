"""Part a: GRPO against SFT continued for the same compute, where they learned and where they did not.

The claim of the papers: reinforcement learning keeps more of what it learned out of domain than imitation (MedVLM-R1,
arXiv 2502.19634: 55 to 78 on MRI, CT and X-ray after MRI alone). Here both start from the same SFT model, see the same
patients, and take the same compute; the test patients are the same on every set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from medvlm.evaluation.records import Record
from tools.bench.learning_runs import Bench, TestSet
from tools.bench.learning_table import Estimate, cells, estimate, markdown

PORTABLE = {"exposure": 0.25, "blur": 2.5, "rotation": 8, "magnification": 1.1, "collimation": 0.06}
OTHER_MAKER = {"gamma": 1.5, "exposure": 0.5, "blur": 1.0}
SETS = (
    TestSet("radiographs", about="in domain: the scanner of training"),
    TestSet("portable", {"scanner": PORTABLE}, about="dim, blurred, turned by up to 8 degrees, nearer, with shutters"),
    TestSet("other_maker", {"scanner": OTHER_MAKER}, about="another look-up table, half the dose"),
    TestSet("ct_slices", {"modality": "slice"}, {"modality": "slice"}, "coronal CT slices of the same patients"),
)
MODELS = ("sft", "sft_continued", "grpo")
HEADER = ("test set", "model", "accuracy", "95 % over patients", "by seed", "n", "patients")


def measure(bench: Bench, seeds: Sequence[int]) -> dict[str, Any]:
    """Train, answer, and compare.

    Args:
        bench: Where.
        seeds: Of the runs.

    Returns:
        Estimates by test set and model, and the table.
    """
    records: dict[tuple[str, str], dict[int, list[Record]]] = {}
    for seed in seeds:
        folder = bench.train(bench.recipe("cxr_r1", seed))
        for test in SETS:
            for model in MODELS:
                path = bench.work / "answers" / f"seed{seed}" / f"{test.name}-{model}.jsonl"
                found = bench.answers(folder / model / "model", test, ["closed"], path)
                records.setdefault((test.name, model), {})[seed] = found
    return summarise(records)


def summarise(records: dict[tuple[str, str], dict[int, list[Record]]]) -> dict[str, Any]:
    """Accuracies, GRPO minus SFT continued on each set, and whether the claim holds."""
    found: dict[str, dict[str, Estimate]] = {}
    for test in SETS:
        arms = {model: records[test.name, model] for model in MODELS}
        found[test.name] = {model: estimate(arms[model], "accuracy") for model in MODELS}
        found[test.name]["grpo - sft_continued"] = estimate(arms["grpo"], "accuracy", arms["sft_continued"])
        found[test.name]["grpo - sft"] = estimate(arms["grpo"], "accuracy", arms["sft"])
    usual = {test.name: _usual(next(iter(records[test.name, "sft"].values()))) for test in SETS}
    return {"estimates": found, "majority": usual, "table": _table(found, usual), "said": _said(found)}


def _usual(records: Sequence[Record]) -> float:
    """Accuracy of always giving the most frequent answer."""
    return Counter(record.reference.lower() for record in records).most_common(1)[0][1] / len(records)


def _table(found: dict[str, dict[str, Estimate]], usual: dict[str, float]) -> str:
    rows = []
    for name, models in found.items():
        rows.append([name, "most frequent answer", f"{usual[name]:.3f}", "", "", "", ""])
        for model, one in models.items():
            rows.append([name, model, *cells(one, sign=" - " in model), str(one.n), str(one.clusters)])
    return markdown(HEADER, rows)


def _said(found: dict[str, dict[str, Estimate]]) -> str:
    """The claim in words, set by set."""
    words = []
    for test in SETS:
        gap = found[test.name]["grpo - sft_continued"]
        verdict = ("better" if gap.value > 0 else "worse") if gap.sure else "not clearly different"
        words.append(f"{test.name} ({test.about}): GRPO is {verdict} ({gap.value:+.3f})")
    out = [found[test.name]["grpo - sft_continued"] for test in SETS[1:]]
    holds = all(gap.sure and gap.value > 0 for gap in out)
    claim = "holds" if holds else "does not hold" if not any(gap.sure and gap.value > 0 for gap in out) else "is mixed"
    return "; ".join(words) + f". That GRPO generalises better out of domain than SFT of equal compute {claim} here."
