"""Tiny native models from configurations, each with the processor of its own kind; weights large enough to differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers as hf
from torch import Tensor

from medvlm.generation.prompts import Prompter
from medvlm.models import train_tokenizer
from medvlm.models.native import NativeProcessor, wrap
from medvlm.study import ImageRef, Sample

CORPUS = [
    "Is there a pleural effusion? yes no left right Answer briefly. Answer with the letter.",
    "Which finding is shown? nodule effusion pneumothorax A) B) C) small large opacity",
]
ROLES = "{% for m in messages %}{% if m.role == 'user' %}U: {% else %}A: {% endif %}"
PARTS = "{% for c in m.content %}{% if c.type == 'image' %}IMAGE{% else %}{{ c.text }}{% endif %}{% endfor %}"
END = "<|end|>{% endfor %}{% if add_generation_prompt %}A: {% endif %}"


def template(image: str) -> str:
    return ROLES + PARTS.replace("IMAGE", image) + END


def tokens(bos: str | None = None, **special: str) -> Any:
    """A tokenizer with the tokens that a family names."""
    base = train_tokenizer(CORPUS, 420)
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer,
        pad_token=base.pad_token,
        eos_token=base.eos_token,
        bos_token=bos,
        padding_side="left",
        extra_special_tokens=special,
    )
    return tokenizer


def text_numbers(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        **more,
    }


SIGLIP = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def gemma3() -> tuple[Any, Any]:
    names = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = tokens(**names)
    text = text_numbers(tokenizer, head_dim=8, sliding_window=9, query_pre_attn_scalar=8)
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = hf.Gemma3Config(
        text_config={**text, "layer_types": kinds},
        vision_config={**SIGLIP, "image_size": 32, "patch_size": 8},
        mm_tokens_per_image=4,
        image_token_index=tokenizer.image_token_id,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
    )
    images = hf.Gemma3ImageProcessor(size={"height": 32, "width": 32})
    processor = hf.Gemma3Processor(images, tokenizer, chat_template=template("<start_of_image>"), image_seq_length=4)
    return hf.Gemma3ForConditionalGeneration(config), processor


def llava() -> tuple[Any, Any]:
    tokenizer = tokens(image_token="<image>")
    config = hf.LlavaConfig(
        vision_config={**SIGLIP, "model_type": "clip_vision_model", "image_size": 32, "patch_size": 8},
        text_config={**text_numbers(tokenizer), "model_type": "llama"},
        image_token_index=tokenizer.image_token_id,
    )
    images = hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = hf.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template("<image>"),
        num_additional_image_tokens=1,
    )
    return hf.LlavaForConditionalGeneration(config), processor


QWEN = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
QWEN_TEMPLATE = "<|vision_start|><|image_pad|><|vision_end|>"


def qwen_ids(tokenizer: Any) -> dict[str, Any]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def qwen2_vl() -> tuple[Any, Any]:
    tokenizer = tokens(**QWEN, start="<|vision_start|>", end="<|vision_end|>")
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = hf.Qwen2VLConfig(
        text_config={**text_numbers(tokenizer), "rope_parameters": rope},
        vision_config={"depth": 2, "embed_dim": 24, "hidden_size": 32, "num_heads": 2, "patch_size": 4},
        **qwen_ids(tokenizer),
    )
    images = hf.Qwen2VLImageProcessor(patch_size=4, size={"shortest_edge": 64, "longest_edge": 24 * 24})
    videos = hf.Qwen2VLVideoProcessor(patch_size=4)
    processor = hf.Qwen2VLProcessor(images, tokenizer, videos, chat_template=template(QWEN_TEMPLATE))
    return hf.Qwen2VLForConditionalGeneration(config), processor


def qwen2_5_vl() -> tuple[Any, Any]:
    tokenizer = tokens(**QWEN, start="<|vision_start|>", end="<|vision_end|>")
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    config = hf.Qwen2_5_VLConfig(
        text_config={**text_numbers(tokenizer), "rope_parameters": rope},
        vision_config={
            "depth": 2, "hidden_size": 24, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "window_size": 16, "fullatt_block_indexes": [1],
        },
        **qwen_ids(tokenizer),
    )  # fmt: skip
    images = hf.Qwen2VLImageProcessor(patch_size=4, size={"shortest_edge": 64, "longest_edge": 24 * 24})
    videos = hf.Qwen2VLVideoProcessor(patch_size=4)
    processor = hf.Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=template(QWEN_TEMPLATE))
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl() -> tuple[Any, Any]:
    tokenizer = tokens(**QWEN, vision_start_token="<|vision_start|>", vision_end_token="<|vision_end|>")
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0, "mrope_interleaved": True}
    config = hf.Qwen3VLConfig(
        text_config={**text_numbers(tokenizer), "rope_parameters": rope, "head_dim": 8},
        vision_config={
            "depth": 3, "hidden_size": 24, "intermediate_size": 32, "num_heads": 2, "patch_size": 4,
            "out_hidden_size": 32, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 36,
        },
        **qwen_ids(tokenizer),
    )  # fmt: skip
    images = hf.Qwen2VLImageProcessor(patch_size=4, size={"shortest_edge": 64, "longest_edge": 24 * 24})
    videos = hf.Qwen3VLVideoProcessor(patch_size=4)
    processor = hf.Qwen3VLProcessor(images, tokenizer, videos, chat_template=template(QWEN_TEMPLATE))
    return hf.Qwen3VLForConditionalGeneration(config), processor


def idefics(kind: str) -> tuple[Any, Any]:
    """Pictures of 64 x 64 in four tiles of 32 x 32 and the whole, four tokens each."""
    marks = {f"r{row}{column}": f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)}
    names = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>"}
    names |= {"global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>"}
    tokenizer = tokens(**names, **marks)
    text = {**text_numbers(tokenizer), "model_type": "llama"}
    vision = {**SIGLIP, "image_size": 32, "patch_size": 8}
    numbers: dict[str, Any] = {"image_token_id": tokenizer.image_token_id, "scale_factor": 2}
    size: dict[str, Any] = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    chat = template("<image>")
    if kind == "smolvlm":
        pytest.importorskip("num2words", reason="transformers' SmolVLM processor needs num2words")
        images: Any = hf.SmolVLMImageProcessor(**size)
        frames: dict[str, Any] = {"video_sampling": {"fps": 1, "max_frames": 4, "video_size": {"longest_edge": 32}}}
        videos = hf.SmolVLMVideoProcessor(**frames)
        own: Any = hf.SmolVLMProcessor(images, tokenizer, videos, image_seq_len=4, chat_template=chat)
        config: Any = hf.SmolVLMConfig(text_config=text, vision_config=vision, **numbers)
        return hf.SmolVLMForConditionalGeneration(config), own
    images = hf.Idefics3ImageProcessor(**size)
    own = hf.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=chat)
    config = hf.Idefics3Config(text_config=text, vision_config=vision, **numbers)
    return hf.Idefics3ForConditionalGeneration(config), own


def internvl() -> tuple[Any, Any]:
    names = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = tokens(**names, video_token="<video>")
    config = hf.InternVLConfig(
        text_config={**text_numbers(tokenizer), "model_type": "qwen2"},
        vision_config={**SIGLIP, "image_size": 32, "patch_size": 8},
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
    )
    images = hf.GotOcr2ImageProcessor(size={"height": 32, "width": 32}, crop_to_patches=True, min_patches=2)
    videos = hf.InternVLVideoProcessor(size={"height": 32, "width": 32})
    processor = hf.InternVLProcessor(
        images, tokenizer, videos, image_seq_length=4, chat_template=template("<IMG_CONTEXT>")
    )
    return hf.InternVLForConditionalGeneration(config), processor


def paligemma() -> tuple[Any, Any]:
    tokenizer = tokens(bos="<bos>", image_token="<image>")
    text = text_numbers(tokenizer, head_dim=8, model_type="gemma2", sliding_window=64, query_pre_attn_scalar=8)
    images: Any = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    images.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(images, tokenizer)
    config = hf.PaliGemmaConfig(
        text_config={**text, "vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id},
        vision_config={**SIGLIP, "model_type": "siglip_vision_model", "image_size": 32, "patch_size": 8},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        projection_dim=32,
    )
    config._attn_implementation = "eager"
    return hf.PaliGemmaForConditionalGeneration(config), processor


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "gemma3": gemma3,
    "llava": llava,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "idefics3": lambda: idefics("idefics3"),
    "smolvlm": lambda: idefics("smolvlm"),
    "internvl": internvl,
    "paligemma": paligemma,
}


@dataclass(frozen=True)
class Native:
    """A model, its own processor, ours around it, and two images."""

    name: str
    model: Any
    processor: NativeProcessor
    images: tuple[Tensor, Tensor]

    @property
    def prompter(self) -> Prompter:
        return Prompter(self.processor)

    def sample(self, question: str = "Is there a pleural effusion?", images: int = 1, **more: Any) -> Sample:
        kind = more.pop("kind", "closed")
        return Sample(question, (ImageRef(None),) * images, question, more.pop("answer", "yes"), kind, **more)  # type: ignore[arg-type]


def build(name: str) -> Native:
    torch.manual_seed(0)
    model, processor = BUILDERS[name]()
    model = model.eval()
    with torch.no_grad():  # weights that are drawn as small as usual would hide a wrong mask or position
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * (0.9 / parameter[0].numel() ** 0.5))
        model.get_input_embeddings().weight.normal_(0, 0.5)
    ours = wrap(processor, model.config, "")
    pixels = torch.rand((2, 3, *ours.size), generator=torch.Generator().manual_seed(1))
    one, two = (pixels * 255).round() / 255
    return Native(name, model, ours, (one, two))


@pytest.fixture(scope="session", params=list(BUILDERS))
def native(request: pytest.FixtureRequest) -> Native:
    return build(request.param)
