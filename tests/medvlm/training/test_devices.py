"""Two processes train as one: the same losses, rollouts and weights, whatever each holds of a batch or of the model."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medvlm.config import save_config
from medvlm.settings import TrainerSettings
from medvlm.training.devices import Replicas, Shards, build_strategy, count_devices

DRIVER = Path(__file__).with_name("processes.py")
spec = importlib.util.spec_from_file_location("processes", DRIVER)
assert spec is not None
assert spec.loader is not None
processes = importlib.util.module_from_spec(spec)
sys.modules["processes"] = processes
spec.loader.exec_module(processes)
SCENARIOS = processes.SCENARIOS
SAME = [name for name, scenario in SCENARIOS.items() if scenario.like]
KILLED = [name for name, scenario in SCENARIOS.items() if len(scenario.attempts) > 1]
CURVES = ("loss", "grad_norm", "answer_tokens", "reward", "zero_variance", "length", "distinct", "skipped", "lr")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every scenario left; all of them in one process after another, because imports take longest."""
    folder = tmp_path_factory.mktemp("devices") / "work"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(DRIVER), str(folder), *SCENARIOS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    failed = {name: run["ended"] for name, run in found.items() if "curves" not in run}
    assert not failed, done.stderr[-6000:]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_two_processes_have_the_losses_of_one(runs: dict[str, Any], name: str) -> None:
    for stage in SCENARIOS[name].stages:
        found, wanted = runs[name]["curves"][stage], runs[SCENARIOS[name].like]["curves"][stage]
        for curve in set(CURVES) & wanted.keys():
            assert [step for step, _ in found[curve]] == [step for step, _ in wanted[curve]]
            values, expected = ([value for _, value in curves[curve]] for curves in (found, wanted))
            assert values == pytest.approx(expected, abs=1e-5, rel=1e-5, nan_ok=True), curve


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_two_processes_end_with_the_weights_of_one(runs: dict[str, Any], name: str) -> None:
    for stage in SCENARIOS[name].stages:
        found, wanted = runs[name]["weights"][stage], runs[SCENARIOS[name].like]["weights"][stage]
        assert found.keys() == wanted.keys()
        apart = 5e-5 if "validate" in SCENARIOS[name].changes else 2e-5  # there the rate is three times as high
        assert all(found[key] == pytest.approx(wanted[key], abs=apart) for key in wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SAME if "grpo" in SCENARIOS[name].stages])
def test_two_processes_sample_and_reward_what_one_does(runs: dict[str, Any], name: str) -> None:
    found, wanted = runs[name]["rollouts"]["grpo"], runs[SCENARIOS[name].like]["rollouts"]["grpo"]
    assert wanted
    for one, other in zip(found, wanted, strict=True):
        assert {key: one[key] for key in ("step", "sample", "completion", "parts", "reward")} == {
            key: other[key] for key in ("step", "sample", "completion", "parts", "reward")
        }
        assert math.isclose(one["advantage"], other["advantage"], abs_tol=1e-5)
        assert math.isclose(one["logp"], other["logp"], abs_tol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SAME if "validate" in SCENARIOS[name].changes])
def test_two_processes_choose_the_weights_of_one(runs: dict[str, Any], name: str) -> None:
    found, wanted = runs[name]["validations"]["sft"], runs[SCENARIOS[name].like]["validations"]["sft"]
    assert found == wanted
    assert wanted["best"]["value"] > wanted["history"][0][1]
    assert wanted["kept"] < 20
    watched = "validation/accuracy"
    assert runs[name]["curves"]["sft"][watched] == runs["valid"]["curves"]["sft"][watched]


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_they_were_killed_all_together(runs: dict[str, Any], name: str) -> None:
    assert set(runs[name]["ended"][0]) == {-9}
    assert set(runs[name]["ended"][1]) == {0}


@pytest.mark.slow
def test_the_runs_could_have_differed(runs: dict[str, Any]) -> None:
    losses = [value for _, value in runs["one"]["curves"]["sft"]["loss"]]
    assert len({round(value, 3) for value in losses}) == len(losses)
    assert len({one["advantage"] for one in runs["one"]["rollouts"]["grpo"]}) > 3


@pytest.mark.slow
def test_the_command_starts_its_other_process(tmp_path: Path) -> None:
    processes.write_data(tmp_path / "data")
    recipe = processes.recipe(tmp_path, "ddp", 2)
    scored = recipe.evaluate.model_copy(update={"baselines": []})
    short = recipe.stages[0].model_copy(update={"steps": 2})
    save_config(recipe.model_copy(update={"stages": [short], "evaluate": scored}), tmp_path / "two.yaml")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "medvlm.cli", "train", str(tmp_path / "two.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("Page: ") == 1
    summary = json.loads((recipe.folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["sft"]["n"] == len((recipe.folder / "sft" / "records" / "real.jsonl").read_text().splitlines())
    assert not list(recipe.folder.rglob("*.part-*"))


def settings(**values: Any) -> TrainerSettings:
    return TrainerSettings(accelerator="cpu", **values)


def test_a_strategy_is_meant_by_its_name() -> None:
    assert build_strategy(settings()) == "auto"
    assert isinstance(build_strategy(settings(devices=2)), Replicas)
    assert isinstance(build_strategy(settings(devices=2, strategy="ddp")), Replicas)
    assert isinstance(build_strategy(settings(devices=2, strategy="fsdp")), Shards)
    assert [count_devices(settings(devices=text)) for text in ("auto", 3, "2", "0,1")] == [1, 3, 2, 2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"strategy": "dpp"}, "'dpp' is none of auto, ddp, fsdp"),
        ({"devices": 0}, "expected at least 1"),
        ({"devices": "two"}, "expected a number"),
        ({"strategy": "deepspeed_stage_2", "devices": 2}, "needs CUDA"),
        ({"accelerator": "gpu", "devices": 999}, r"devices=999: this machine has \d"),
    ],
)
def test_what_cannot_be_is_named(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_strategy(TrainerSettings(**{"accelerator": "cpu"} | values))
