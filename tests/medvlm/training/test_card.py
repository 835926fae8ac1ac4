"""The card beside saved weights says what they are from, what they were trained on and how well they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard

from medvlm.settings import Recipe
from medvlm.training.card import model_card, trained_kinds, trained_reads

SUMMARY: dict[str, dict[str, Any]] = {
    "sft": {"accuracy": 0.75, "low": 0.5, "high": 0.875, "n": 8, "seed": 3},
    "blind": {"accuracy": 0.5, "low": None, "high": None, "n": 8, "seed": 3},
    "text": {"n": 8, "report": {"f1": 0.1}},
}


def recipe(**model: Any) -> Recipe:
    stage = {"name": "sft", "objective": "sft", "steps": 7, "images": 2, "lr": 1e-3}
    return Recipe.model_validate(
        {
            "name": "small",
            "purpose": "a test",
            "seed": 3,
            "note": "Labels are mined.",
            "data": {"set": "vqa_rad", "root": Path("unused")},
            "model": model,
            "stages": [stage],
        }
    )


def test_front_matter_is_what_the_hub_reads() -> None:
    card: Any = ModelCard(model_card(recipe(encoder="google/medsiglip-448", decoder="Qwen/Qwen3-4B")))
    assert card.data.base_model == ["google/medsiglip-448", "Qwen/Qwen3-4B"]
    assert card.data.pipeline_tag == "image-text-to-text"
    for model in ({}, {"source": "/home/me/weights/mine"}):
        text = model_card(recipe(**model))
        assert "base_model" not in yaml.safe_load(text.split("---")[1])
        assert "/home" not in text


def test_licences_data_and_use_are_said() -> None:
    text = model_card(
        recipe(encoder="google/medsiglip-448", decoder="Qwen/Qwen3-4B", lora={"rank": 4}, intensity=["cxr"])
    )
    for part in (
        "google/medsiglip-448; licence Health AI Developer Foundations terms",
        "Qwen/Qwen3-4B; for its licence see",
        "vqa_rad; licence: CC0",
        "prepared by cxr, tried in order",
        "sft: sft, 7 batches of 2 contexts, rate 0.001",
        "{'rank': 4}",
        "Labels are mined.",
        "not for clinical use",
        "Not scored yet.",
    ):
        assert part in text


def test_scores_come_with_their_protocol() -> None:
    text = model_card(recipe(), SUMMARY)
    assert "Protocol vqa_rad, version" in text
    assert "| sft | 0.750 | 0.500 to 0.875 | 8 |" in text
    assert "| blind | 0.500 | - | 8 |" in text
    assert "| text |" not in text


def test_what_a_recipe_trains_is_told_by_name() -> None:
    plain = recipe()
    assert trained_kinds(plain) == ["closed", "open"]
    assert trained_reads(plain) == []
    data = plain.data.model_copy(update={"options": {"compare": True, "context": ["indication"], "kinds": ["open"]}})
    more = plain.model_copy(update={"data": data})
    assert (trained_kinds(more), trained_reads(more)) == (["open"], ["priors", "history"])
