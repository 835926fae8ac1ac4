"""Every recipe of a paper runs: its own stages, on a model and a set of twelve patients small enough for a test."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from medvlm.config import find_recipe, load_config
from medvlm.training.finish import run_recipe

SMALL = [
    "model={encoder: {name: siglip_tiny, image_size: 32, patch_size: 16}, decoder: {model_type: qwen3, "
    "hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, "
    "head_dim: 16, max_position_embeddings: 512, tie_word_embeddings: true}, vocabulary: 400}",
    "evaluate={limit: 2, batch: 4, max_new_tokens: 4, baselines: []}",
    "trainer={accelerator: cpu, threads: 1, progress: false, tensorboard: false}",
]
GRPO = ["stages.grpo.steps=1", "stages.grpo.images=2", "stages.grpo.group=2", "stages.grpo.max_new_tokens=6"]
SFT = ["stages.sft.steps=1", "stages.sft.images=2"]
CHOICE = "data.options={kinds: [choice]}"
DPO = ["data.options={kinds: [report]}", "stages.0.steps=1", "stages.0.images=2", "stages.0.pairs={source: corrupted}"]
RECIPES: dict[str, list[str]] = {
    "alphamed": [*GRPO, CHOICE],
    "ct_r1": [
        *("data.make={patients: 12, size: 32, modality: ct, shape: [8, 32, 32]}", "data.options.modality=ct"),
        *("data.options.kinds=[closed, report]", "model.compressor={kind: slices_pool, tokens: 8, depth: 4}"),
        *("stages.words.steps=1", "stages.read.steps=1", *SFT, "stages.sft_continued.steps=1", *GRPO),
    ],
    "dpo_reports": DPO,
    "med_refl": [*DPO, "stages.0.evaluate=true"],
    "rpo": DPO,
    "chestx_reasoner": [*GRPO, "data.options={kinds: [closed]}"],
    "gazal_r1": [*SFT, *GRPO, CHOICE, "model.lora={parts: [decoder], rank: 2, alpha: 4, method: rsdora}"],
    "med_r1": [*GRPO, CHOICE],
    "medground_r1": [*GRPO, "data.options={kinds: [box]}"],
    "medtvt_r1": [*SFT, *GRPO, "data.options={kinds: [open]}"],
    "medvlm_r1": [*GRPO, CHOICE, "stages.grpo.where={}"],
    "medvlthinker": [*GRPO, "stages.grpo.minibatches=2", CHOICE],
    "patho_r1": [
        *("stages.captions.steps=1", "stages.captions.images=2", "stages.captions.where={}"),
        *(*SFT, *GRPO, "stages.sft.where={}", "stages.grpo.where={}", "data.options={kinds: [choice, report]}"),
    ],
    "report_grpo": [*GRPO, "data.options={kinds: [report]}"],
}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_of_a_paper_runs(name: str, tmp_path: Path) -> None:
    data = ["data={set: thorax, make: {patients: 12, size: 32}}", f"output={tmp_path}"]
    recipe = load_config(name, [*data, *SMALL, *RECIPES[name]])
    assert set(run_recipe(recipe)) >= {stage.name for stage in recipe.stages if stage.evaluate}
    assert (tmp_path / name / "model" / "config.json").is_file()


def commands(path: Path) -> Iterator[list[str]]:
    """Arguments of every ``python tools/train.py`` in the comments of a recipe."""
    lines = [line[1:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for first, line in enumerate(lines):
        if line.startswith("python tools/train.py "):
            for last in range(first + 1, len(lines) + 1):
                text = "\n".join(lines[first:last])
                if not text.endswith("\\") and text.count('"') % 2 == 0:
                    yield shlex.split(text.replace("\\\n", " "))[2:]
                    break


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_commands_that_a_recipe_shows_are_understood(name: str) -> None:
    found = list(commands(find_recipe(name)))
    assert found
    for recipe, *overrides in found:
        assert load_config(recipe, overrides).stages
