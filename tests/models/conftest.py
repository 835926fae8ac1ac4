"""Tiny from-config models; one thread, because the machine is shared and the models are small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from medvlm.models import MedVLMForConditionalGeneration, MedVLMProcessor, build_vlm, tiny_decoder, train_tokenizer
from medvlm.study import Image

CORPUS = [
    "Is there a pleural effusion? <answer> B </answer> yes no left right",
    "A) nodule B) effusion",
    "small left pleural effusion, no pneumothorax",
]
Pair = tuple[MedVLMForConditionalGeneration, MedVLMProcessor]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer(CORPUS, 420)


def small_vlm(tokenizer: PreTrainedTokenizerBase, model_type: str = "qwen3", **options: Any) -> Pair:
    """A model of some 0.2 M parameters."""
    settings: dict[str, Any] = {
        "encoder": {"name": "siglip_tiny", "image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "heads": 2},
        "decoder": tiny_decoder(model_type, width=64, layers=2),
        "projector": {"kind": "mlp", "merge": 2},
        "compressor": {"kind": "slices_pool", "tokens": 8, "depth": 4},
        "tokenizer": tokenizer,
        **options,
    }
    model, processor = build_vlm(**settings)
    return model.eval(), processor


@pytest.fixture(scope="session")
def make_vlm() -> object:
    return small_vlm


@pytest.fixture(scope="session")
def vlm(tokenizer: PreTrainedTokenizerBase) -> Pair:
    return small_vlm(tokenizer)


@pytest.fixture(scope="session")
def radiograph() -> Image:
    values = np.random.default_rng(0).integers(0, 4096, (40, 36)).astype(np.uint16)
    return Image(values, "yx", modality="CR", unit="stored")


@pytest.fixture(scope="session")
def photo() -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 36, 3)).astype(np.uint8))


@pytest.fixture(scope="session")
def volume() -> Image:
    values = np.random.default_rng(2).integers(-1000, 1000, (12, 20, 20)).astype(np.int16)
    return Image(values, "zyx", modality="CT", unit="HU", spacing=(3.0, 1.0, 1.0), orientation="SPL")
