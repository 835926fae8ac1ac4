"""Accuracy on the CT phantom against tokens: every compressor goes on from one model that was shown every token.

A model learns to see by averaged slices (``SHORT`` tokens, which is quick) and then reads every token of every slice.
Its encoder, projector and decoder are the start of each run, keep-everything's too: equal steps on equal volumes with
the same seed, only the compressor is new. Where this favours anyone, it is keep-everything, which came last before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medvlm.config import load_config
from medvlm.models import load_vlm
from medvlm.settings import Recipe
from medvlm.training.build import build_model
from medvlm.training.finish import run_recipe
from medvlm.training.run import prepare, save_model, train_stage
from tools.bench.compression_cost import KEEP, compressor_of

SHAPE = (16, 48, 48)
"""Voxels of a volume; 16 slices, none left out and none repeated."""
SLICES = SHAPE[0]
SHORT = 64
SHARE = 0.95
FINDINGS = "rule_chexpert_micro_f1"


@dataclass(frozen=True, slots=True)
class Training:
    """What every training has in common.

    Attributes:
        work: Folder of the data and the runs; what is finished there is not done again.
        patch: Pixels a side of a patch; 12 gives 16 tokens a slice (256 in all), 6 gives 64 (1024 in all).
        patients: Patients of the phantom.
        first: Steps of learning to see by averaged slices; a third as many before them teach the words.
        every: Steps from there with every token, which give the common start.
        steps: Steps of each run from that start.
        images: Volumes a step.
        limit: Most held-out volumes; None takes all.
        seed: Start of the weights and of the order.
    """

    work: Path
    patch: int
    patients: int
    first: int
    every: int
    steps: int
    images: int
    limit: int | None
    seed: int

    @property
    def tokens(self) -> int:
        """Tokens of all slices."""
        return SLICES * (SHAPE[1] // self.patch) ** 2

    def name(self, *parts: object) -> str:
        """Name of a run: what it depends on, and which it is."""
        start = f"k{self.patch}_p{self.patients}_f{self.first}_e{self.every}_i{self.images}_r{self.seed}"
        return "_".join([start, *map(str, parts)])

    def recipe(self, name: str, stages: Sequence[Mapping[str, Any]], model: Mapping[str, Any]) -> Recipe:
        """The shipped CT recipe at this bench's size, with other stages."""
        settings: dict[str, Any] = {
            "name": name,
            "output": str(self.work),
            "seed": self.seed,
            "reports": 0,
            "data.root": str(self.work / f"thorax_{self.patients}"),
            "data.cache": str(self.work / f"pixels_{self.patients}"),
            "data.make": {"patients": self.patients, "size": 64, "modality": "ct", "shape": list(SHAPE)},
            "data.options": {"modality": "ct", "kinds": ["closed", "report"], "miner": "exact", "per_image": 4},
            "model.encoder": {
                "name": "siglip_tiny",
                "image_size": SHAPE[1],
                "patch_size": self.patch,
                "width": 96,
                "layers": 2,
            },
            "model.projector": {"kind": "linear"},
            "model.decoder.max_position_embeddings": 4096,
            **{f"model.{key}": value for key, value in model.items()},
            "stages": [{"objective": "sft", "images": self.images, "micro_tokens": 8192, **stage} for stage in stages],
            "evaluate": {"baselines": ["majority", "blank"], "batch": 32, "limit": self.limit, "max_new_tokens": 64},
            "trainer": {"threads": 1, "tensorboard": False, "progress": False},
        }
        changes = [f"{key}={yaml.safe_dump(value, default_flow_style=True).strip()}" for key, value in settings.items()]
        return load_config("ct_r1", [change.removesuffix("\n...") for change in changes])


def measure_accuracy(training: Training, kinds: Sequence[str], budgets: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy and finding F1 on the held-out patients, first with every token, then of each compressor and budget.

    What the runs print goes to standard error.
    """
    wanted = [
        (KEEP, training.tokens),
        *((kind, tokens) for kind in kinds if kind != KEEP for tokens in sorted(budgets)),
    ]
    with redirect_stdout(sys.stderr):
        start = _start(training)
        return [_train(training, start, kind, tokens) for kind, tokens in wanted]


def keeping(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row with every token."""
    return next(row for row in rows if row["kind"] == KEEP)


def share_of(row: Mapping[str, Any], every: Mapping[str, Any]) -> float:
    """Accuracy as a share of that with every token; 0 where that is 0."""
    share: float = row["accuracy"] / every["accuracy"] if every["accuracy"] else 0.0
    return share


def unseen(every: Mapping[str, Any]) -> float:
    """The accuracy that needs no image: of the most frequent answer, or of keep-everything shown a blank volume."""
    return max(float(every["majority"]), float(every["blind"]))


def verdict(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether a compressor keeps 95 % of keep-everything's accuracy at a tenth of its tokens.

    Keep-everything's whole interval must lie above what needs no image (the most frequent answer, and the same model
    shown a blank volume): 95 % of an accuracy that guessing reaches says nothing. What is left above that is said too.
    """
    every = keeping(rows)
    tenth = every["tokens"] // 10
    small = [row for row in rows if row["kind"] != KEEP and row["tokens"] <= tenth]
    best = max(small, key=lambda row: row["accuracy"], default=None)
    if best is None:
        return {"kept": False, "words": f"no budget was at most {tenth} tokens, a tenth of {every['tokens']}"}
    share, floor = share_of(best, every), unseen(every)
    above = (best["accuracy"] - floor) / (every["accuracy"] - floor) if every["accuracy"] > floor else 0.0
    words = (
        f"{best['kind']} keeps {share:.1%} of {every['accuracy']:.3f} with {best['tokens']} of {every['tokens']} "
        f"tokens (wanted {SHARE:.0%}); above what needs no image ({floor:.3f}) are "
        f"{best['accuracy'] - floor:+.3f} and {every['accuracy'] - floor:+.3f}, {above:.1%}"
    )
    learned = every["low"] > floor
    return {"kept": share >= SHARE and learned, "share": share, "above": above, "best": best["kind"], "words": words}


def _start(training: Training) -> Path:
    """Train the common start, unless that is done; the folder of its model."""
    rate: dict[str, Any] = {"lr": 1.5e-3, "warmup": 10, "weight_decay": 0.05}
    words = {"name": "words", "kinds": ["report"], "steps": training.first // 3 + 1, "decay": "none", **rate}
    read = {"name": "read", "kinds": ["report"], "steps": training.first, **rate}
    pooled = {"compressor": compressor_of("slices_pool", SHORT, SLICES)}
    recipe = training.recipe(training.name("read"), [words, read], pooled)
    run = prepare(recipe)
    seeing = [train_stage(run, stage) for stage in recipe.stages][-1] / "model"
    every = {"name": "every", "steps": training.every, **rate, "lr": 7.0e-4}
    recipe = _going_on(training, seeing, training.name("every"), every, compressor_of(KEEP, training.tokens, SLICES))
    return train_stage(prepare(recipe), recipe.stages[0]) / "model"


def _train(training: Training, start: Path, kind: str, tokens: int) -> dict[str, Any]:
    """One run with this compressor from the common start."""
    stage = {"name": "sft", "steps": training.steps, "lr": 1.0e-3, "warmup": 5}
    name = training.name(f"s{training.steps}", kind, tokens)
    summary = run_recipe(_going_on(training, start, name, stage, compressor_of(kind, tokens, SLICES)))
    row = summary["sft"]
    return {
        "kind": kind,
        "tokens": tokens,
        **{key: row[key] for key in ("accuracy", "low", "high", "n", "cpu_seconds")},
        "finding_f1": next(value for name, value in row["report"].items() if name.startswith(FINDINGS)),
        "majority": summary["majority"]["accuracy"],
        "blind": summary["blind"]["accuracy"],
    }


def _going_on(
    training: Training, start: Path, name: str, stage: Mapping[str, Any], compressor: Mapping[str, Any]
) -> Recipe:
    """A recipe that starts from the weights of ``start`` with a compressor of its own."""
    recipe = training.recipe(name, [stage], {"compressor": compressor, "tokenizer": str(start)})
    source = training.work / "starts" / name
    if not source.is_dir():
        transplant(recipe, start, source)
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"source": str(source)})})


def transplant(recipe: Recipe, start: Path, folder: Path) -> None:
    """Save the model of ``recipe`` with every weight of ``start`` that is not its compressor's.

    Raises:
        ValueError: If anything but the compressor differs.
    """
    old, _ = load_vlm(start)
    model, processor = build_model(recipe.model, (), seed=recipe.seed)
    weights = {name: value for name, value in old.state_dict().items() if "volume_compressor" not in name}
    found = model.load_state_dict(weights, strict=False)
    if left := [name for name in found.missing_keys if "volume_compressor" not in name] + found.unexpected_keys:
        raise ValueError(f"{start} and the recipe {recipe.name} differ in more than the compressor: {left[:3]}")
    save_model(model, processor, recipe, folder)
