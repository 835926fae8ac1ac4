"""What both sides of the evaluation bench are given: two models, and questions about noise images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers as hf

from medvlm.models import build_vlm, tiny_decoder, train_tokenizer
from medvlm.models.native import wrap
from medvlm.study import ImageRef, Sample

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}U: {% else %}A: {% endif %}{% for c in m.content %}"
    "{% if c.type == 'image' %}<image>{% else %}{{ c.text }}{% endif %}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}A: {% endif %}"
)


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of a bench."""

    image: int
    patch: int
    vision: tuple[int, int]  # width, layers
    decoder: tuple[int, int]
    vocabulary: int
    words: int  # of a question
    answer: int  # tokens, of every answer: random weights do not end by themselves
    images: int


SIZES = {
    "small": Size(224, 14, (256, 4), (384, 6), 4096, 12, 8, 4),
    "tiny": Size(28, 14, (16, 1), (32, 2), 400, 3, 3, 3),
}


@dataclass(frozen=True, slots=True)
class Task:
    """A model, its processor, and questions.

    Attributes:
        model: In evaluation mode.
        processor: As the toolkit uses it.
        native: As transformers uses it.
        samples: Questions, image by image.
        images: The decoded images, by reference.
        answer: Tokens of an answer.
    """

    model: Any
    processor: Any
    native: Any
    samples: list[Sample]
    images: Mapping[ImageRef, PIL.Image.Image]
    answer: int


def words(draw: Random) -> list[str]:
    """Made-up words, few enough that most are one token, as in real questions."""
    return ["".join(draw.choices("aeioubdgklmnprst", k=draw.randint(3, 7))) for _ in range(400)]


def tokenizer_of(size: Size) -> Any:
    """A tokenizer that knows the words."""
    return train_tokenizer([" ".join(words(Random(1)))] * 4, size.vocabulary)


def composed(size: Size) -> tuple[Any, Any, Any]:
    """A model that medvlm composes: SigLIP, MLP, Qwen 3."""
    (width, layers), (decoder_width, decoder_layers) = size.vision, size.decoder
    encoder = {"image_size": size.image, "patch_size": size.patch, "width": width, "layers": layers}
    model, processor = build_vlm(
        encoder={"name": "siglip_tiny", **encoder},
        decoder=tiny_decoder("qwen3", width=decoder_width, layers=decoder_layers),
        projector={"kind": "mlp", "merge": 1},
        compressor={"kind": "slices_pool", "tokens": 4, "depth": 1},
        tokenizer=tokenizer_of(size),
    )
    return model, processor, processor


def llava(size: Size) -> tuple[Any, Any, Any]:
    """The LLaVA class of transformers: CLIP, MLP, Llama."""
    (width, layers), (decoder_width, decoder_layers) = size.vision, size.decoder
    base = tokenizer_of(size)
    make: Any = hf.PreTrainedTokenizerFast
    tokenizer = make(
        tokenizer_object=base.backend_tokenizer,
        pad_token=base.pad_token,
        eos_token=base.eos_token,
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )
    shape = {"intermediate_size": 2 * width, "num_hidden_layers": layers, "num_attention_heads": 4}
    config = hf.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", "hidden_size": width, **shape}
        | {"image_size": size.image, "patch_size": size.patch},
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": decoder_width,
            "intermediate_size": 3 * decoder_width,
            "num_hidden_layers": decoder_layers,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
        },
        image_token_index=tokenizer.image_token_id,
    )
    make_processor: Any = hf.LlavaProcessor
    crop = {"height": size.image, "width": size.image}
    native = make_processor(
        hf.CLIPImageProcessor(size={"shortest_edge": size.image}, crop_size=crop),
        tokenizer,
        patch_size=size.patch,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )
    model: Any = hf.LlavaForConditionalGeneration(config)
    return model, wrap(native, config, Path()), native


MODELS: Mapping[str, Callable[[Size], tuple[Any, Any, Any]]] = {"llava": llava, "composed": composed}


def build_task(name: str, size: Size, questions: int) -> Task:
    """A random model and so many questions about each image.

    Args:
        name: One of `MODELS`.
        size: Its numbers.
        questions: Of an image.
    """
    torch.manual_seed(0)
    model, processor, native = MODELS[name](size)
    said, draw = words(Random(1)), Random(2)
    noise = np.random.default_rng(0).integers(0, 256, (size.images, size.image, size.image, 3), dtype=np.uint8)
    images = {ImageRef(Path(f"{index}.png")): PIL.Image.fromarray(one) for index, one in enumerate(noise)}
    samples = [
        Sample(f"{ref.path.stem}-{index}", (ref,), _question(draw, said, size.words), "no", "open", group=str(ref.path))
        for ref in images
        for index in range(questions)
    ]
    return Task(model.eval(), processor, native, samples, images, size.answer)


def _question(draw: Random, said: list[str], count: int) -> str:
    return " ".join(draw.choices(said, k=count)) + "?"
