"""Run recipes that are killed (``python killable.py FOLDER``): each attempt is a process, forked after imports.

Prints what every run left as JSON: ``{scenario: {"killed": [...], "curves": {...}, "weights": {...}}}``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers.utils.logging import disable_progress_bar

from medvlm.settings import Recipe
from medvlm.training import checkpoint, objective, run
from medvlm.training.trainer import read_metrics


def letters(completions: Sequence[str], **columns: Any) -> list[float | None]:
    """A reward that differs within groups of random text; the recipe names it by its path, as a user would."""
    return [(sum(map(ord, text)) % 7) / 7 for text in completions]


def write_data(folder: Path) -> None:
    """Seven pictures and ten questions, three of which share an image."""
    draw = np.random.default_rng(0)
    folder.mkdir(parents=True)
    lines = []
    for index in range(10):
        name = f"{min(index, 6)}.png"
        Image.fromarray(draw.integers(0, 256, (32, 32), np.uint8)).save(folder / name)
        answer = ("left", "right")[index % 2]
        record = {"id": str(index), "images": [name], "question": f"Which side {index}?", "answer": answer}
        lines.append(json.dumps(record | {"options": ["left", "right"], "rationale": "a lung"}))
    (folder / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")


def recipe(folder: Path, name: str) -> Recipe:
    """Five batches of SFT, then five of GRPO with two passes each and a KL; checkpoints after every second batch."""
    common = {"images": 3, "lr": 3e-3, "micro_tokens": 200}
    grpo = {
        "steps": 5,
        "mu": 2,
        "beta": 0.1,
        "group": 4,
        "max_new_tokens": 5,
        "rewards": {"accuracy": 1, "__main__:letters": 0.5},
    }
    lora = {"parts": ["decoder"], "rank": 2, "alpha": 4} if name.startswith("lora") else None
    return Recipe.model_validate(
        {
            "name": name,
            "purpose": "to be killed",
            "output": folder / "runs",
            "reasoning": True,
            "seed": 3,
            "data": {"set": "jsonl", "root": folder / "data", "augment": True},
            "model": {
                "encoder": {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 1},
                "decoder": {
                    "model_type": "qwen3",
                    "hidden_size": 32,
                    "intermediate_size": 64,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 2,
                    "num_key_value_heads": 1,
                    "head_dim": 16,
                    "tie_word_embeddings": True,
                },
                "projector": {"kind": "mlp", "merge": 2},
                "vocabulary": 300,
                "lora": lora,
            },
            "stages": [
                {"name": "sft", "objective": "sft", "steps": 5, **common},
                {"name": "grpo", "objective": "grpo", **grpo, **common},
            ],
            "trainer": {
                "accelerator": "cpu",
                "threads": 1,
                "checkpoint_every": 2,
                "progress": False,
                "tensorboard": False,
            },
        }
    )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(function: Callable[..., Any], call: int, *, before: bool) -> Callable[..., Any]:
    """The function, but its ``call``-th call (from 1) ends the process, before or after its work."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == call:
            die()
        result = function(*args, **kwargs)
        if calls == call:
            die()
        return result

    return wrapped


def half(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    """``torch.save``, but its ``call``-th file is cut in half, and the process ends."""
    whole = dying(function, -1, before=False)
    calls = 0

    def wrapped(state: Any, path: Path) -> None:
        nonlocal calls
        calls += 1
        whole(state, path)
        if calls == call:
            os.truncate(path, path.stat().st_size // 2)
            die()

    return wrapped


def set_trap(trap: str, call: int) -> None:
    """Arrange for this process to be killed at one place."""
    if trap == "step":  # of 5 SFT and 10 GRPO steps
        objective.Objective._update = dying(objective.Objective._update, call, before=True)  # type: ignore[method-assign]
    elif trap == "stepped":
        objective.Objective._update = dying(objective.Objective._update, call, before=False)  # type: ignore[method-assign]
    elif trap == "weights":  # of 2 checkpoints a stage
        checkpoint.save_file = dying(save_file, call, before=False)  # type: ignore[attr-defined]
    elif trap == "state":
        checkpoint.torch.save = half(torch.save, call)  # type: ignore[attr-defined]
    elif trap == "rename":
        Path.rename = dying(Path.rename, call, before=True)  # type: ignore[method-assign]
    elif trap == "renamed":
        Path.rename = dying(Path.rename, call, before=False)  # type: ignore[method-assign]
    elif trap == "model":
        run.save_model = dying(run.save_model, call, before=True)


def attempt(settings: Recipe, trap: str = "", call: int = 0) -> int:
    """Run a recipe in a process of its own and return its exit status (negative: the signal)."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        set_trap(trap, call)
        prepared = run.prepare(settings)
        for stage in settings.stages:
            run.train_stage(prepared, stage)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def left(settings: Recipe) -> dict[str, Any]:
    """Losses and weights of a finished run."""
    curves, weights = {}, {}
    for stage in settings.stages:
        folder = settings.folder / stage.name
        metrics = read_metrics(folder)
        curves[stage.name] = {name: metrics[name] for name in ("loss", "grad_norm", "lr", "reward") if name in metrics}
        weights[stage.name] = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
        rollouts = sorted((folder / "rollouts").glob("*")) if (folder / "rollouts").is_dir() else []
        weights[f"{stage.name} rollouts"] = hashlib.sha256(b"".join(p.read_bytes() for p in rollouts)).hexdigest()
    return {"curves": curves, "weights": weights, "unfinished": [str(path) for path in settings.folder.rglob(".*")]}


SCENARIOS: dict[str, list[tuple[str, int]]] = {
    "full": [],
    "full-before-the-first-step": [("step", 1)],
    "full-between-checkpoints-of-sft": [("stepped", 4)],
    "full-between-two-passes": [("stepped", 5 + 7)],
    "full-weights-of-a-checkpoint-written": [("weights", 4)],
    "full-half-a-state-written": [("state", 4)],
    "full-before-a-checkpoint-has-its-name": [("rename", 3)],
    "full-after-a-checkpoint-has-its-name": [("renamed", 3)],
    "full-before-the-model-is-saved": [("model", 2)],
    "full-before-the-model-has-its-name": [("rename", 4)],
    "full-again-and-again": [("stepped", 3), ("stepped", 2), ("state", 2), ("step", 6)],
    "lora": [],
    "lora-in-the-second-stage": [("stepped", 5 + 9)],
}


def main(folder: Path) -> None:
    logging.disable(logging.WARNING)
    disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    write_data(folder / "data")
    found = {}
    for name, traps in SCENARIOS.items():
        settings = recipe(folder, name)
        killed = [attempt(settings, *trap) for trap in traps]
        found[name] = {"killed": killed, "ended": attempt(settings), **left(settings)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
