"""What is saved is what transformers loads, without a word about medvlm beyond its import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

from medvlm.models import MedVLMConfig, MedVLMImageProcessor, MedVLMModel, MedVLMProcessor


@pytest.fixture(scope="module")
def folder(vlm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    model, processor = vlm
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def question(*parts: Any) -> list[dict[str, Any]]:
    content = [*parts, {"type": "text", "text": "Is there a pleural effusion?"}]
    return [{"role": "user", "content": content}]


def test_auto_classes_know_every_piece(folder: Path) -> None:
    assert isinstance(AutoConfig.from_pretrained(folder), MedVLMConfig)
    assert isinstance(AutoProcessor.from_pretrained(folder), MedVLMProcessor)
    assert isinstance(AutoImageProcessor.from_pretrained(folder), MedVLMImageProcessor)
    assert isinstance(AutoModel.from_pretrained(folder), MedVLMModel)
    assert AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("<image>") == 5


def test_reloaded_model_and_processor_give_equal_logits(folder: Path, vlm: Any, radiograph: Any, volume: Any) -> None:
    chat = question({"type": "image", "image": radiograph}, {"type": "video", "video": volume})
    results = []
    for model, processor in (
        vlm,
        (AutoModelForImageTextToText.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)),
    ):
        inputs = processor.apply_chat_template(
            chat, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        with torch.no_grad():
            results.append(model(**inputs).logits)
    assert torch.equal(*results)


def test_recipes_survive(folder: Path, vlm: Any) -> None:
    again = AutoProcessor.from_pretrained(folder)
    assert again.image_processor.intensity_recipes == vlm[1].image_processor.intensity_recipes
    assert {recipe.size for recipe in again.image_processor.intensity_recipes} == {(32, 32)}


def test_token_counts_survive(folder: Path) -> None:
    again, config = AutoProcessor.from_pretrained(folder), AutoConfig.from_pretrained(folder)
    assert (again.count_tokens("image"), again.count_tokens("volume")) == (4, 8)
    assert (config.image_tokens, config.volume_tokens) == (4, 8)


def test_pipeline_single_batch_and_volume(folder: Path, photo: Any) -> None:
    pipe: Any = pipeline("image-text-to-text", model=str(folder))
    single = question({"type": "image", "image": photo})
    pair = question({"type": "image", "image": photo}, {"type": "image", "image": photo})
    stack = question({"type": "video", "video": [photo] * 5})
    options = {"max_new_tokens": 4, "return_full_text": False, "do_sample": False, "skip_special_tokens": False}
    alone = [pipe(text=chat, **options)[0]["generated_text"] for chat in (single, pair)]
    together = pipe(text=[single, pair], batch_size=2, **options)
    assert [answer[0]["generated_text"] for answer in together] == alone
    assert pipe(text=stack, **options)[0]["generated_text"]


def test_a_clean_process_needs_only_the_import(folder: Path) -> None:
    code = (
        "import sys, medvlm.models\n"
        "from transformers import AutoModelForImageTextToText, AutoProcessor\n"
        "model = AutoModelForImageTextToText.from_pretrained(sys.argv[1])\n"
        "print(type(model).__name__, type(AutoProcessor.from_pretrained(sys.argv[1])).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["MedVLMForConditionalGeneration", "MedVLMProcessor"]
