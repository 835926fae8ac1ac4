"""Skills: each question meets its own adapter, the others and the plain model stay what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.models import add_lora, build_vlm, save_lora, tiny_decoder
from medvlm.models.skills import Skills
from medvlm.study import WeightsError

INPUTS = {"input_ids": torch.tensor([[5, 5, 5, 5, 40, 41]]), "pixel_values": torch.ones(1, 3, 16, 16)}
ENCODER = {"name": "siglip_tiny", "image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}
ASKED = {
    "measure": ["How large is the nodule?", "How large is the mass?"],
    "side": ["Left or right lung?", "Right or left side?"],
}


def compose(tokenizer: Any) -> Any:
    decoder = tiny_decoder("qwen3", width=32, layers=2, heads=2)
    model, processor = build_vlm(encoder=ENCODER, decoder=decoder, tokenizer=tokenizer)
    return model.eval(), processor


@torch.no_grad()
def logits(model: Any) -> Any:
    return model.eval()(**INPUTS).logits


@pytest.fixture
def adapters(tokenizer: Any, tmp_path: Path) -> dict[str, Any]:
    """Logits of the model with each adapter alone, whose folders are called like the skills."""
    alone = {}
    for seed, name in enumerate(ASKED):
        model, _ = compose(tokenizer)
        add_lora(model, ["decoder"], rank=2, alpha=4)
        torch.manual_seed(seed)
        for key, weight in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(weight, std=0.3)
        alone[name] = logits(model)
        save_lora(model, tmp_path / name)
    return alone


def make(tokenizer: Any, folder: Path) -> Skills:
    skills = Skills(*compose(tokenizer))
    for name, questions in ASKED.items():
        skills.add(name, folder / name, questions)
    return skills


@pytest.mark.parametrize(("question", "name"), [("How large is the lesion?", "measure"), ("Left or right?", "side")])
def test_a_question_meets_its_skill_and_no_other(
    tokenizer: Any, adapters: dict[str, Any], question: str, name: str, tmp_path: Path
) -> None:
    plain, skills = logits(compose(tokenizer)[0]), make(tokenizer, tmp_path)
    with skills.used_for(question) as chosen:
        assert chosen.name == name
        torch.testing.assert_close(logits(skills.model), adapters[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits(skills.model), plain, atol=1e-6, rtol=1e-6)


def test_saved_skills_choose_alike(tokenizer: Any, adapters: dict[str, Any], tmp_path: Path) -> None:
    skills = make(tokenizer, tmp_path)
    skills.save(tmp_path)
    again = Skills.load(tmp_path, *compose(tokenizer))
    assert again.names == ("measure", "side")
    assert again.choose("How large is it?") == skills.choose("How large is it?")


def test_what_cannot_be_a_skill_is_refused(tokenizer: Any, adapters: dict[str, Any], tmp_path: Path) -> None:
    skills = Skills(*compose(tokenizer))
    with pytest.raises(ValueError, match="no skill yet"):
        skills.choose("How large?")
    with pytest.raises(ValueError, match="no example question"):
        skills.add("measure", tmp_path / "measure", [" "])
    with pytest.raises(ValueError, match="letters, digits"):
        skills.add("a.b", tmp_path / "measure", ["How large?"])
    with pytest.raises(WeightsError):
        skills.add("other", tmp_path / "nowhere", ["How large?"])
    with pytest.raises(WeightsError, match=r"skills\.json"):
        Skills.load(tmp_path, *compose(tokenizer))
