"""Run recipes in one process and in two (``python processes.py FOLDER NAME...``), forked after imports.

The two meet over gloo by a file, so that no port can be taken. Prints what each scenario left as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import traceback
import warnings
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from transformers.utils.logging import disable_progress_bar

from medvlm.config import load_config
from medvlm.settings import Recipe
from medvlm.training import run
from medvlm.training.trainer import read_metrics
from medvlm.training.validation_result import read_result

spec = importlib.util.spec_from_file_location("killable", Path(__file__).with_name("killable.py"))
assert spec is not None
assert spec.loader is not None
killable = importlib.util.module_from_spec(spec)
sys.modules["killable"] = killable
spec.loader.exec_module(killable)

LETTERS = "killable:letters"


@dataclass(frozen=True)
class Scenario:
    """A run: attempts as (processes, the optimiser step before which all are killed, or 0)."""

    attempts: tuple[tuple[int, int], ...] = ((1, 0),)
    strategy: str = "auto"
    stages: tuple[str, ...] = ("sft", "grpo")
    changes: dict[str, Any] = field(default_factory=dict)
    lora: bool = False
    like: str = ""
    """The scenario that must end the same."""


TWO = ((2, 0),)
PARTS = {"mu": 1, "minibatches": 2, "loss": "reinforce_pp", "resample": 1, "steps": 2}
VALIDATED = {"steps": 20, "lr": 1e-2, "decay": "none", "validate": {"every": 4}}
REPORTS = {"kinds": ["report"], "steps": 3, "images": 3, "lr": 3e-3, "micro_tokens": 120}
OTHERS: dict[str, dict[str, Any]] = {
    "align": {"name": "align", "objective": "contrastive", "local": 0.5, "dim": 16, **REPORTS},
    "kto": {"name": "kto", "objective": "preference", "loss": "kto", "pairs": {"how": ["other"]}, **REPORTS},
    "dpo": {"name": "dpo", "objective": "preference", "pairs": {"how": ["other"]}, **REPORTS, "images": 1},
}
SCENARIOS: dict[str, Scenario] = {
    "one": Scenario(),
    "ddp": Scenario(TWO, "ddp", like="one"),
    "fsdp": Scenario(TWO, "fsdp", like="one"),
    "killed-by-two-resumed-by-one": Scenario(((2, 4), (1, 0)), like="one", stages=("sft",)),
    "killed-by-one-resumed-by-two": Scenario(((1, 4), (2, 0)), like="one", stages=("sft",)),
    "killed-by-two-shards-resumed-by-one": Scenario(((2, 4), (1, 0)), "fsdp", like="one", stages=("sft",)),
    "killed-by-one-resumed-by-two-shards": Scenario(((1, 4), (2, 0)), "fsdp", like="one", stages=("sft",)),
    "lora": Scenario(lora=True),
    "lora-ddp": Scenario(TWO, "ddp", lora=True, like="lora"),
    "lora-fsdp": Scenario(TWO, "fsdp", lora=True, like="lora"),
    "single": Scenario(changes={"images": 1, "steps": 4}, stages=("sft", "grpo")),
    "single-ddp": Scenario(TWO, "ddp", changes={"images": 1, "steps": 4}, like="single"),
    "single-fsdp": Scenario(TWO, "fsdp", changes={"images": 1, "steps": 4}, like="single"),
    "parts": Scenario(changes=PARTS, stages=("grpo",)),
    "parts-ddp": Scenario(TWO, "ddp", changes=PARTS, stages=("grpo",), like="parts"),
    "align": Scenario(stages=("align",)),
    "align-ddp": Scenario(TWO, "ddp", stages=("align",), like="align"),
    "kto": Scenario(stages=("kto",)),
    "kto-ddp": Scenario(TWO, "ddp", stages=("kto",), like="kto"),
    "dpo": Scenario(stages=("dpo",)),
    "dpo-fsdp": Scenario(TWO, "fsdp", stages=("dpo",), like="dpo"),
    "valid": Scenario(changes=VALIDATED, stages=("sft",)),
    "valid-ddp": Scenario(TWO, "ddp", changes=VALIDATED, stages=("sft",), like="valid"),
    "valid-fsdp": Scenario(TWO, "fsdp", changes=VALIDATED, stages=("sft",), like="valid"),
    "valid-killed-by-two-resumed-by-one": Scenario(((2, 16), (1, 0)), changes=VALIDATED, stages=("sft",), like="valid"),
    "batch": Scenario(changes={"scale": "batch", "mu": 1, "beta": 0.0}, stages=("grpo",)),
    "batch-ddp": Scenario(TWO, "ddp", changes={"scale": "batch", "mu": 1, "beta": 0.0}, stages=("grpo",), like="batch"),
}


def write_data(folder: Path) -> None:
    """The questions of the killed runs, three without image, reports of five, three to score and five to validate."""
    killable.write_data(folder)
    lines = (folder / "data.jsonl").read_text(encoding="utf-8").splitlines()
    for index in range(3):
        record = {"id": f"text-{index}", "images": [], "question": f"Which side is {index}?", "answer": "left"}
        lines.append(json.dumps(record | {"options": ["left", "right"], "rationale": "a lung"}))
    for index, finding in enumerate(("a nodule", "an effusion", "a fracture", "no pneumothorax", "a mass")):
        report = f"FINDINGS: There is {finding} on the {('left', 'right')[index % 2]}. The heart is normal."
        record = {"id": f"report-{index}", "images": [f"{index}.png"], "question": "Report?", "answer": report}
        lines.append(json.dumps(record | {"kind": "report"}))
    for index in range(3):
        record = {"id": f"test-{index}", "images": [f"{index}.png"], "question": "Which side?", "answer": "left"}
        lines.append(json.dumps(record | {"options": ["left", "right"], "split": "test"}))
    for index in range(5):
        record = {"id": f"valid-{index}", "images": [f"{index}.png"], "question": "Which side?", "answer": "left"}
        lines.append(json.dumps(record | {"options": ["left", "right"], "split": "validate"}))
    (folder / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")


def recipe(folder: Path, name: str, processes: int) -> Recipe:
    """The recipe of a scenario for some processes."""
    scenario = SCENARIOS[name]
    values = killable.recipe(folder, "lora" if scenario.lora else "full").model_dump(mode="json")
    values["name"] = name
    values["data"]["augment"] = False
    values["trainer"] |= {"devices": processes, "strategy": scenario.strategy if processes > 1 else "auto"}
    values["evaluate"] = {"batch": 2, "max_new_tokens": 24 if "validate" in scenario.changes else 4}
    stages = [stage for stage in values["stages"] if stage["name"] in scenario.stages]
    for stage in stages:
        if stage["name"] == "grpo":
            stage["rewards"] = {"accuracy": 1.0, LETTERS: 0.5}
            stage["steps"] = 3
        stage |= {key: value for key, value in scenario.changes.items() if key in stage}
        stage |= {} if stage["kinds"] else {"kinds": ["choice"]}
    values["stages"] = [*stages, *(OTHERS[name] for name in scenario.stages if name in OTHERS)]
    return Recipe.model_validate(values)


def process(folder: Path, name: str, attempt: int, rank: int, world: int, kill: int) -> None:
    """One process of an attempt; ends itself."""
    try:
        if world > 1:
            os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(world)}
            store = f"file://{folder / f'{name}-{attempt}.store'}"
            wait = timedelta(seconds=60)
            dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=wait)
        if kill:
            killable.set_trap("step", kill)
        work(recipe(folder, name, world))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def work(settings: Recipe) -> None:
    prepared = run.prepare(settings)
    for stage in settings.stages:
        run.train_stage(prepared, stage)


def attempt(folder: Path, name: str, number: int) -> list[int]:
    """Exit status of every process of an attempt."""
    world, kill = SCENARIOS[name].attempts[number]
    children = []
    for rank in range(world):
        child = os.fork()
        if not child:
            process(folder, name, number, rank, world, kill)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def left(folder: Path, name: str) -> dict[str, Any]:
    """Losses, weights, rollouts and validations of a finished scenario."""
    found: dict[str, Any] = {"curves": {}, "weights": {}, "rollouts": {}, "validations": {}}
    settings = load_config(folder / "runs" / name / "recipe.yaml")
    for stage in settings.stages:
        place = settings.folder / stage.name
        found["curves"][stage.name] = read_metrics(place)
        found["validations"][stage.name] = read_result(place)
        weights = load_file(place / "model" / "model.safetensors")
        found["weights"][stage.name] = {key: value.double().flatten()[:5].tolist() for key, value in weights.items()}
        lines = [
            line for path in sorted((place / "rollouts").glob("*.jsonl")) for line in path.read_text().splitlines()
        ]
        found["rollouts"][stage.name] = [json.loads(line) for line in lines]
    return found


def main(folder: Path, names: list[str]) -> None:
    logging.disable(logging.WARNING)
    disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    write_data(folder / "data")
    found = {}
    for name in names:
        ended = [attempt(folder, name, number) for number in range(len(SCENARIOS[name].attempts))]
        whole = all(status == 0 for status in ended[-1])
        found[name] = {"ended": ended, **(left(folder, name) if whole else {})}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
