"""What GRPO draws: by difficulty, in an order, and from texts and images in one stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from medvlm.config import load_config
from medvlm.settings import DataSettings, Recipe
from medvlm.training.build import difficulty
from medvlm.training.run import prepare, train_stage

DECODER = {
    "model_type": "qwen3", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 512,
}  # fmt: skip


def write(folder: Path, count: int, *, shown: bool) -> Path:
    """Yes/no questions on small gray pictures, or on text alone."""
    folder.mkdir()
    lines = []
    for index in range(count):
        if shown:
            Picture.new("L", (32, 32), 40 * index).save(folder / f"{index}.png")
        record = {"id": str(index), "question": f"Is it {index}?", "answer": "yes" if index % 2 else "no"}
        lines.append(json.dumps(record | {"images": [f"{index}.png"] if shown else []}))
    (folder / "data.jsonl").write_text("\n".join(lines))
    return folder


def recipe(output: Path, data: dict[str, Any], **stage: Any) -> Recipe:
    stages = {"name": "grpo", "objective": "grpo", "group": 2, "max_new_tokens": 3, "steps": 3, "images": 4, "lr": 1e-3}
    settings = {
        "name": "small", "purpose": "a test", "output": output, "data": data, "stages": [stages | stage],
        "model": {"encoder": {"name": "siglip_tiny", "image_size": 32, "patch_size": 16}, "decoder": DECODER},
        "trainer": {"accelerator": "cpu", "threads": 1, "progress": False, "tensorboard": False},
    }  # fmt: skip
    return Recipe.model_validate(settings)


def drawn(folder: Path) -> list[list[str]]:
    """Ids of the questions of each step, as the rollouts say."""
    steps = sorted((folder / "rollouts").glob("step-*.jsonl"))
    return [list(dict.fromkeys(json.loads(line)["sample"] for line in path.open())) for path in steps]


def test_texts_and_images_are_learned_from_in_one_stage(tmp_path: Path) -> None:
    roots = {name: write(tmp_path / name, 6, shown=name == "seen") for name in ("seen", "read")}
    parts = [{"set": "jsonl", "name": name, "root": root} for name, root in roots.items()]
    run = prepare(recipe(tmp_path, {"parts": parts}))
    folder = train_stage(run, run.recipe.stages[0])
    kinds = [{name.partition(":")[0] for name in step} for step in drawn(folder)]
    assert {"seen", "read"} in kinds  # in one and the same step
    assert (folder / "model" / "model.safetensors").is_file()
    line = json.loads((folder / "rollouts" / "step-000000.jsonl").read_text().splitlines()[0])
    assert bool(line["images"]) == line["sample"].startswith("seen")


def test_easy_questions_come_first(tmp_path: Path) -> None:
    root = write(tmp_path / "set", 14, shown=False)
    rates = tmp_path / "rates.json"
    rates.write_text(json.dumps({str(index): index / 13 for index in range(14)}))
    run = prepare(recipe(tmp_path, {"set": "jsonl", "root": root, "rates": rates}, order="easy_first"))
    folder = train_stage(run, run.recipe.stages[0])
    assert [sorted(map(int, step)) for step in drawn(folder)] == [[9, 10, 11, 12], [5, 6, 7, 8], [1, 2, 3, 4]]


def test_an_order_needs_the_rates_of_one_set(tmp_path: Path) -> None:
    stage = recipe(tmp_path, {"set": "jsonl"}, order="hard_first").stages[0]
    with pytest.raises(ValueError, match=r"needs the pass rates of one set; say data\.rates=FILE"):
        difficulty(DataSettings(), stage)
    with pytest.raises(ValueError, match="give each part its own"):
        load_config("cxr_r1", ["data.parts=[{set: jsonl, root: a}]", "data.rates=r.json"])
    with pytest.raises(ValueError, match=r"low 0\.5 is not below high 0\.2"):
        load_config("cxr_r1", ["data.rates=r.json", "data.low=0.5", "data.high=0.2"])
