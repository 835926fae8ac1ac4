"""``python tools/bench/grpo.py``: one GRPO step on TRL's ``GRPOTrainer`` and on medvlm's trainer, side by side.

The same composed model and weights, four questions about an image each, eight completions a question of the
same uneven lengths, fp32, one thread. Steps alternate in one process, the first of each side warms up. TRL's
completions and rewards are then given to medvlm's objective, and the losses must agree: exit status 1 if they do not.

What explains the ratio is counted beside it: images through the vision tower, tokens through the decoder and tokens
scored by the head. On a CPU (wherever there is no Triton) TRL's head scores the prompt and the padding too; on a GPU it
does not, so that part of the ratio says nothing about a GPU. Needs the ``bench`` extra.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor

from medvlm.generation.sampling import Completion
from medvlm.training.rollouts import Rollout
from tools.bench.grpo_sides import Ours, Theirs, asks_of, their_trainer
from tools.bench.grpo_task import SIZES, Side, Task, build_task, lengths_of
from tools.bench.machine import describe, versions, write_json

AGREE = 1e-4
PACKAGES = ("torch", "transformers", "trl", "lightning")


def main(arguments: list[str] | None = None) -> int:
    """Measure, compare the losses, print and write."""
    options = _parser().parse_args(arguments)
    if options.steps < 1:
        raise SystemExit(f"--steps {options.steps}: at least one step is timed.")
    _quiet()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(build_task(SIZES[options.size]), options.steps, folder)
    result |= {"size": options.size, "machine": describe(), "versions": versions(*PACKAGES)}
    show(result)
    if options.json is not None:
        write_json(options.json, result)
    return int(not result["loss_difference"] <= AGREE)


def measure(task: Task, steps: int, folder: str) -> dict[str, Any]:
    """Figures of both sides over ``steps`` steps after a first one, their ratios, and how far the losses are apart."""
    ours, theirs = Side(deepcopy(task.model), task.stop), Side(deepcopy(task.model), task.stop)
    module, trainer = Ours(task, ours), their_trainer(task, theirs, folder)
    for side in (ours, theirs):
        side.count()
        side.follow_plans()
    for step in range(steps + 1):
        for side, trains in ((theirs, trainer), (ours, module)):
            side.plan(lengths_of(task.size, step))
            trains.step()
            side.plan([])
    if ours.lengths != theirs.lengths:
        raise RuntimeError(f"Completions are not of one length: {ours.lengths} here, {theirs.lengths} on TRL.")
    result: dict[str, Any] = {"ours": ours.figures(), "trl": theirs.figures()}
    for name in ("cpu", "wall"):
        result[f"ratio_{name}"] = result["trl"][f"{name}_s"] / result["ours"][f"{name}_s"]
    return result | compare_losses(task, module, trainer)


def compare_losses(task: Task, module: Ours, trainer: Theirs) -> dict[str, float]:
    """Both losses on TRL's last completions, and how far the advantages are apart.

    On the policy that sampled, the loss is about zero whatever the code does. So the weights are then moved, until
    ratios leave the clip range, and both are asked again with the log-probabilities of before.
    """
    ours, theirs, seen = module.model, cast(Any, trainer.model), dict[str, float]()
    vars(module)["report"] = seen.update
    ours.load_state_dict(theirs.state_dict())
    rollouts, advantages = rollouts_of(task, module, trainer.kept)
    module._reward(rollouts)
    found = torch.tensor([rollout.advantage for rollout in rollouts])
    micros, counts = module.learn_from(asks_of(task), rollouts)
    pairs = []
    with torch.no_grad():
        for moved in (False, True):
            if moved:
                move(ours)
                theirs.load_state_dict(ours.state_dict())
            parts = [module.parts(micro, *module(micro))["rl"] for micro in micros]
            pairs.append((float(sum(parts) / counts["rl"]), their_loss(trainer)))
    return {
        "loss_ours": pairs[1][0],
        "loss_trl": pairs[1][1],
        "loss_difference": max(abs(one - two) for one, two in pairs),
        "clipped_share": seen["clipped_share"],
        "advantage_difference": float((found - advantages).abs().max()),
    }


def their_loss(trainer: Theirs) -> float:
    """TRL's loss of its last step: the sum over its micro-batches; the first call notes the log-probabilities."""
    total = 0.0
    for inputs in trainer.kept:
        if "old_per_token_logps" not in inputs:
            inputs["old_per_token_logps"] = their_logps(trainer, inputs)
        total += trainer.loss_of(inputs)
    return total


def rollouts_of(task: Task, module: Ours, batches: Sequence[dict[str, Any]]) -> tuple[list[Rollout], Tensor]:
    """TRL's completions as rollouts of the questions, in their order, and TRL's advantage of each.

    Raises:
        RuntimeError: If TRL's prompts are not ours: the two sides then did not do the same work.
    """
    prompts = [module.prompter.prompt(sample) for sample in task.samples]
    found: list[tuple[int, Rollout, float]] = []
    for inputs in batches:
        for row, advantage in enumerate(inputs["advantages"].tolist()):
            prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
            if prompt not in prompts:
                raise RuntimeError("A prompt of TRL is none of ours; is the chat template the same on both sides?")
            tokens = tuple(inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist())
            done = Completion(tokens, (0.0,) * len(tokens), tokens[-1] == task.stop)
            place = prompts.index(prompt)
            found.append((place, Rollout(task.samples[place], done, module.prompter.decode(tokens)), advantage))
    if Counter(place for place, _, _ in found) != dict.fromkeys(range(len(prompts)), task.size.group):
        raise RuntimeError(f"TRL did not sample {task.size.group} completions of every question.")
    found.sort(key=lambda item: item[0])
    return [rollout for _, rollout, _ in found], torch.tensor([advantage for _, _, advantage in found])


def their_logps(trainer: Theirs, inputs: dict[str, Any]) -> Tensor:
    """Log-probabilities of the completions by TRL's own forward pass."""
    logps: Tensor = trainer._get_per_token_logps_and_entropies(
        trainer.model,
        torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
        torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
        inputs["completion_ids"].size(1),
        pixel_values=inputs["pixel_values"],
        num_images=inputs["num_images"],
    )[0]
    return logps


def move(model: Any, scale: float = 1.0) -> None:
    """Change every weight by noise of ``scale`` times its own spread."""
    draw = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        if weight.numel() > 1:
            weight.add_(scale * weight.std() * torch.randn(weight.shape, generator=draw))


def show(result: dict[str, Any]) -> None:
    """Print both sides and what they were measured on."""
    ours, trl, machine = result["ours"], result["trl"], result["machine"]
    print(f"{'a step':24}{'TRL':>12}{'medvlm':>12}{'ratio':>8}")
    for name in ("cpu_s", "wall_s", "peak_gb", "vision_images", "decoder_tokens", "scored_tokens", "completion_tokens"):
        if name in ours:
            print(f"{name:24}{trl[name]:12.2f}{ours[name]:12.2f}{trl[name] / ours[name]:8.2f}")
    print(f"ratio_cpu {result['ratio_cpu']:.2f}   ratio_wall {result['ratio_wall']:.2f}   (medians of {ours['steps']})")
    print(
        f"loss on the same completions: TRL {result['loss_trl']:.6f}, medvlm {result['loss_ours']:.6f}, "
        f"largest difference {result['loss_difference']:.1e} (at most {AGREE:.0e})"
    )
    print(
        f"there {result['clipped_share']:.0%} of the tokens are clipped; "
        f"advantages differ by at most {result['advantage_difference']:.1e}"
    )
    print(", ".join(f"{name} {value}" for name, value in (machine | result["versions"]).items()))


def _quiet() -> None:
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--steps", type=int, default=5, help="timed steps a side (default 5)")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    return parser


if __name__ == "__main__":
    sys.exit(main())
