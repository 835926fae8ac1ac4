"""Part d: GRPO on CT volumes, from the summaries that runs of ``configs/ct_r1.yaml`` leave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from medvlm.training.finish import run_recipe
from tools.bench.learning_runs import Bench
from tools.bench.learning_table import markdown

HEADER = ("model", "accuracy", "by seed", "95 % over patients, by seed", "n", "CPU s by seed")


def measure(bench: Bench, seeds: Sequence[int]) -> dict[str, Any]:
    """Run the recipe with each seed, unless its summary is there, and collect.

    Args:
        bench: Where.
        seeds: Of the runs.
    """
    folders = []
    for seed in seeds:
        recipe = bench.recipe("ct_r1", seed)
        if not (recipe.folder / "summary.json").is_file():
            run_recipe(recipe)
        folders.append(recipe.folder)
    return collect(folders)


def collect(folders: Sequence[Path]) -> dict[str, Any]:
    """The rows of several summaries beside each other.

    Args:
        folders: Of finished runs, one a seed.

    Raises:
        ValueError: If one has no summary, or they have no model in common.
    """
    if missing := [str(folder) for folder in folders if not (folder / "summary.json").is_file()]:
        raise ValueError(f"{', '.join(missing)}: no summary.json, so no finished run; run the recipe to its end.")
    runs = [json.loads((folder / "summary.json").read_text(encoding="utf-8")) for folder in folders]
    names = [name for name in runs[0] if all("accuracy" in run.get(name, {}) for run in runs)]
    if not names:
        raise ValueError("The summaries have no model with an accuracy in common; give runs of one recipe.")
    models = {name: [run[name] for run in runs] for name in names}
    table = markdown(HEADER, [_row(name, entries) for name, entries in models.items()])
    return {"models": models, "table": table, "said": _said(models)}


def _row(name: str, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        name,
        f"{fmean(entry['accuracy'] for entry in entries):.3f}",
        ", ".join(f"{entry['accuracy']:.3f}" for entry in entries),
        ", ".join("-" if entry["low"] is None else f"{entry['low']:.3f} to {entry['high']:.3f}" for entry in entries),
        str(entries[0]["n"]),
        ", ".join(f"{entry['cpu_seconds']:.0f}" if "cpu_seconds" in entry else "-" for entry in entries),
    ]


def _said(models: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """GRPO against its start, where both are there."""
    if not {"sft", "grpo"} <= models.keys():
        return f"Models: {', '.join(models)}."
    gains = [
        after["accuracy"] - before["accuracy"] for before, after in zip(models["sft"], models["grpo"], strict=True)
    ]
    return f"GRPO minus its SFT start by seed: {', '.join(f'{gain:+.3f}' for gain in gains)}."
