"""Accuracy on the CT phantom against tokens: one small training a compressor and budget, all else equal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medvlm.config import load_config
from medvlm.training.finish import run_recipe
from tools.bench.compression_cost import KEEP, compressor_of

SLICES = 32
EVERY = 1024  # 32 slices of 4 x 8 tokens
SHARE, TENTH = 0.95, EVERY // 10


@dataclass(frozen=True, slots=True)
class Training:
    """What every training has in common.

    Attributes:
        work: Folder of the data and the runs; what is finished there is not done again.
        patients: Patients of the phantom.
        steps: Training steps.
        images: Volumes a step.
        seed: Start of the weights and of the order.
    """

    work: Path
    patients: int
    steps: int
    images: int
    seed: int


def measure_accuracy(training: Training, kinds: Sequence[str], budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy on the held-out patients, first with every token, then of each compressor at each budget."""
    rows = [_train(training, KEEP, EVERY)]
    for kind in kinds:
        rows += [_train(training, kind, tokens) for tokens in sorted(budgets) if kind != KEEP]
    return rows


def keeping(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row with every token."""
    return next(row for row in rows if row["kind"] == KEEP)


def share_of(row: Mapping[str, Any], every: Mapping[str, Any]) -> float:
    """Accuracy as a share of that with every token; 0 where that is 0."""
    share: float = row["accuracy"] / every["accuracy"] if every["accuracy"] else 0.0
    return share


def verdict(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether a compressor keeps 95 % of keep-everything's accuracy at a tenth of its tokens.

    Accuracy above the most frequent answer is compared too: 95 % of an accuracy that guessing reaches says nothing.
    """
    every = keeping(rows)
    small = [row for row in rows if row["kind"] != KEEP and row["tokens"] <= TENTH]
    best = max(small, key=lambda row: row["accuracy"], default=None)
    if best is None:
        return {"kept": False, "words": f"no budget was at most {TENTH} tokens, a tenth of {EVERY}"}
    share, floor = share_of(best, every), every["majority"]
    words = (
        f"{best['kind']} keeps {share:.1%} of {every['accuracy']:.3f} with {best['tokens']} of {EVERY} tokens "
        f"(wanted {SHARE:.0%}); above the most frequent answer ({floor:.3f}) are {best['accuracy'] - floor:+.3f} and "
        f"{every['accuracy'] - floor:+.3f}"
    )
    return {"kept": share >= SHARE and every["accuracy"] > floor, "share": share, "best": best["kind"], "words": words}


def _train(training: Training, kind: str, tokens: int) -> dict[str, Any]:
    """One run of the shipped CT recipe with this compressor; what it prints goes to standard error."""
    name = f"{kind}_{tokens}"
    settings: dict[str, Any] = {
        "name": f"s{training.steps}_p{training.patients}_i{training.images}_r{training.seed}_{name}",
        "output": str(training.work),
        "seed": training.seed,
        "data.root": str(training.work / f"thorax_{training.patients}"),
        "data.cache": str(training.work / f"pixels_{training.patients}"),
        "data.make": {"patients": training.patients, "size": 64, "modality": "ct", "shape": [SLICES, 64, 64]},
        "data.options": {"modality": "ct", "kinds": ["closed", "report"], "miner": "exact"},
        "model.encoder": {"name": "siglip_tiny", "image_size": 64, "patch_size": 8},
        "model.projector": {"kind": "spatial_pool", "pool": [2, 1]},
        "model.compressor": compressor_of(kind, tokens, SLICES),
        "model.decoder.max_position_embeddings": 4096,
        "stages.sft.steps": training.steps,
        "stages.sft.images": training.images,
        "evaluate.baselines": ["majority"],
        "evaluate.batch": 8,
        "trainer.threads": 1,
        "trainer.tensorboard": False,
        "trainer.progress": False,
    }
    changes = [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}" for key, value in settings.items()]
    with redirect_stdout(sys.stderr):
        summary = run_recipe(load_config("ct_report", [change.removesuffix("\n...") for change in changes]))
    row = summary["sft"]
    return {
        "kind": kind,
        "tokens": tokens,
        **{key: row[key] for key in ("accuracy", "low", "high", "n")},
        "majority": summary["majority"]["accuracy"],
    }
