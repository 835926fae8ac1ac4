"""A whole recipe, small: stages, scores, summary, page and model; run again, nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from medvlm.config import load_config
from medvlm.settings import Recipe
from medvlm.training.build import phantom_root
from medvlm.training.command import main
from medvlm.training.finish import run_recipe

DECODER = {
    "model_type": "qwen3",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


def recipe(output: Path, **changes: Any) -> Recipe:
    stage = {"steps": 2, "images": 2, "lr": 1e-3, "kinds": ["closed"]}
    settings: dict[str, Any] = {
        "name": "small",
        "purpose": "a test",
        "output": output,
        "reasoning": True,
        "data": {"set": "thorax", "make": {"patients": 24, "size": 32}, "options": {"kinds": ["closed"]}},
        "model": {
            "encoder": {"name": "siglip_tiny", "image_size": 32, "patch_size": 16},
            "decoder": DECODER,
            "vocabulary": 400,
        },
        "stages": [
            {"name": "sft", "objective": "sft", "weak": True, **stage},
            {"name": "grpo", "objective": "grpo", "group": 2, "max_new_tokens": 4, "baselines": [], **stage},
        ],
        "evaluate": {"limit": 4, "max_new_tokens": 4, "baselines": ["majority", "blank"]},
        "trainer": {"accelerator": "cpu", "threads": 1, "progress": False, "tensorboard": False},
    }
    return Recipe.model_validate(settings | changes)


def test_a_recipe_leaves_model_scores_and_page(tmp_path: Path) -> None:
    summary = run_recipe(recipe(tmp_path))
    folder = tmp_path / "small"
    assert list(summary) == ["majority", "blind", "sft", "grpo"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    for row in summary.values():
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert row["seed"] == 0
    page = (folder / "index.html").read_text()
    assert "<svg" in page
    assert summary["grpo"]["diagnosis"][0].split(": ", 1)[-1] in page  # in words; rollouts with images follow
    assert page.count('<figure class="seen"><img src="data:image/png') >= 2
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert json.loads((folder / "model" / "medvlm.json").read_text())["not_for_clinical_use"] is True
    assert f"| sft | {summary['sft']['accuracy']:.3f} |" in (folder / "model" / "README.md").read_text()
    assert "Not scored yet." in (folder / "grpo" / "model" / "README.md").read_text()
    logged = (folder / "grpo" / "logs" / "test" / "metrics.csv").read_text().splitlines()
    last = dict(zip(*(line.split(",") for line in logged), strict=True))
    assert float(last["test/real/accuracy"]) == pytest.approx(summary["grpo"]["accuracy"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert run_recipe(recipe(tmp_path)) == summary
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")} == before


def test_a_folder_of_another_recipe_is_not_touched(tmp_path: Path) -> None:
    from medvlm.training.run import prepare

    prepare(recipe(tmp_path))
    with pytest.raises(ValueError, match="other settings \\(seed\\)"):
        prepare(recipe(tmp_path, seed=1))


def test_without_arguments_the_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "cxr_r1.yaml" in shown
    assert "vqa_rad.yaml" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such"], "shipped ones"),
        (["cxr_r1", "stages.grpo.groop=4"], "did you mean 'group'"),
        (["vqa_rad"], "Say data.root=FOLDER"),
        (["vqa_rad", "data.root=/nowhere"], "/nowhere"),
    ],
)
def test_mistakes_are_one_message(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, f"output={tmp_path}"]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def write_questions(folder: Path, count: int) -> Path:
    """A JSONL set of flat grey pictures, one question each."""
    folder.mkdir()
    lines = []
    for index in range(count):
        Picture.new("L", (32, 32), 40 * index).save(folder / f"{index}.png")
        split = "test" if index % 2 else "train"
        record = {"id": str(index), "images": [f"{index}.png"], "question": "Is it dark?", "kind": "closed"}
        lines.append(json.dumps(record | {"answer": "no" if index % 3 else "yes", "split": split}))
    (folder / "data.jsonl").write_text("\n".join(lines))
    return folder / "data.jsonl"


def test_several_sets_train_and_are_scored_together(tmp_path: Path) -> None:
    roots = [write_questions(tmp_path / name, count) for name, count in (("a", 6), ("b", 4))]
    parts = [{"set": "jsonl", "name": root.parent.name, "root": root} for root in roots]
    stage = {"name": "sft", "objective": "sft", "steps": 2, "images": 2, "lr": 1e-3, "baselines": []}
    summary = run_recipe(recipe(tmp_path, data={"parts": parts}, stages=[stage], reasoning=False))
    assert summary["sft"]["n"] == 4  # the limit of the recipe, of five
    assert "set=a" in (tmp_path / "small" / "sft" / "records" / "score.txt").read_text()


def test_a_protocol_that_does_not_exist_is_found_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="protocol 'thorex' is unknown"):
        run_recipe(recipe(tmp_path, evaluate={"protocol": "thorex"}))
    assert not (tmp_path / "small").exists()


def accuracies(summary: dict[str, Any]) -> dict[str, float]:
    return {name: row["accuracy"] for name, row in summary.items()}


def test_pixels_on_disk_serve_a_second_run_and_may_move(tmp_path: Path) -> None:
    first = recipe(tmp_path, name="first")
    data = first.data.model_dump() | {"cache": tmp_path / "pixels", "decode": "fit"}
    summary = run_recipe(recipe(tmp_path, name="cached", data=data))
    assert accuracies(summary) == accuracies(run_recipe(first))
    entries = {path: path.stat().st_mtime_ns for path in (tmp_path / "pixels").rglob("*.npy")}
    assert entries
    again = run_recipe(recipe(tmp_path, name="again", data=data))
    assert accuracies(again) == accuracies(summary)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "pixels").rglob("*.npy")}.keys() == entries.keys()
    assert run_recipe(recipe(tmp_path, name="again", data=data | {"cache": None, "workers": 1})) == again


def test_phantoms_of_different_modalities_lie_apart() -> None:
    roots = [phantom_root(load_config(name)) for name in ("cxr_r1", "align", "ct_report", "path_tiles")]
    assert [root.name for root in roots] == ["thorax", "thorax", "thorax_ct", "tissue"]


def test_recipes_that_share_a_phantom_draw_the_same_one() -> None:
    one, two = load_config("ct_r1"), load_config("ct_report")
    assert phantom_root(one) == phantom_root(two)
    assert one.data.make == two.data.make
