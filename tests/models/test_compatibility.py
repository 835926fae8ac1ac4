"""A saved folder in the hands of others: transformers' Trainer and generate, PEFT, TRL's GRPOTrainer, one step each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, Trainer, TrainingArguments


@pytest.fixture(scope="module")
def folder(vlm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for piece in vlm:
        piece.save_pretrained(folder)
    return folder


@pytest.fixture
def pair(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)


def chat(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]


def encode(processor: Any, photo: Any) -> Any:
    text = processor.apply_chat_template(chat("effusion?"), add_generation_prompt=True, tokenize=False)
    return processor(text=text, images=[photo], return_tensors="pt")


def weights(model: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def test_trainer_moves_every_part(pair: Any, photo: Any, tmp_path: Path) -> None:
    model, processor = pair
    inputs = {name: value[0] for name, value in encode(processor, photo).items()}
    rows: Any = [inputs | {"labels": inputs["input_ids"]}] * 2
    before = weights(model)
    arguments = TrainingArguments(
        str(tmp_path), max_steps=1, learning_rate=1e-2, use_cpu=True, report_to="none", disable_tqdm=True
    )
    Trainer(model, arguments, train_dataset=rows).train()
    moved = {name for name, weight in weights(model).items() if not torch.equal(weight, before[name])}
    for part in ("vision_tower", "multi_modal_projector", "language_model"):
        assert any(part in name for name in moved)


def test_trainer_saves_what_loads_again(pair: Any, photo: Any, tmp_path: Path) -> None:
    model, processor = pair
    Trainer(model, TrainingArguments(str(tmp_path), use_cpu=True, report_to="none")).save_model()
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    inputs = encode(processor, photo)
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model.eval()(**inputs).logits)


def test_peft_wraps_saves_and_merges(pair: Any, folder: Path, photo: Any, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    model, processor = pair
    targets = r".*language_model.*\.(q_proj|v_proj)"
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=targets, init_lora_weights=False)).eval()
    inputs = encode(processor, photo)
    with torch.no_grad():
        wanted = adapted(**inputs).logits
        adapted.save_pretrained(str(tmp_path))
        fresh = AutoModelForImageTextToText.from_pretrained(folder)
        merged: Any = PeftModel.from_pretrained(fresh, str(tmp_path)).merge_and_unload()
        torch.testing.assert_close(merged.eval()(**inputs).logits, wanted, atol=1e-5, rtol=1e-5)
    assert adapted.generate(**inputs, max_new_tokens=3).shape[1] > inputs["input_ids"].shape[1]


def test_trl_grpo_moves_the_decoder(pair: Any, photo: PIL.Image.Image, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is in the bench extra")
    from datasets import Dataset  # type: ignore[import-untyped]

    model, processor = pair
    before = weights(model)
    settings = trl.GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=6,
        max_steps=1,
        learning_rate=1e-2,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
    )

    def lengths(completions: Any, **columns: Any) -> list[float]:
        return [float(index) for index, _ in enumerate(completions)]

    rows = Dataset.from_list([{"prompt": [{"role": "user", "content": "effusion?"}], "image": photo}] * 2)
    trl.GRPOTrainer(model, [lengths], settings, rows, processing_class=processor).train()
    moved = {name for name, weight in weights(model).items() if not torch.equal(weight, before[name])}
    assert any("language_model" in name for name in moved)
    assert all(weight.isfinite().all() for weight in model.parameters())
