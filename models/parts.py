"""The parts of a model (vision, projector, decoder): freeze them and count them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Literal, get_args

from torch import nn
from transformers import PreTrainedModel

Part = Literal["vision", "projector", "decoder"]
PARTS: tuple[Part, ...] = get_args(Part)
# transformers 5.2x renamed it and warns of the older name
_CHECKPOINTING = next(
    name
    for name in ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    if name in dir(PreTrainedModel)
)
_PROJECTOR = re.compile(
    r"(^|\.)(multi_modal_projector|volume_compressor|connector|mlp1|embed_vision|visual\.(deepstack_)?merger\w*)(\.|$)"
)
_VISION = re.compile(r"(^|\.)(vision_tower|vision_model|visual|vision_encoder|image_tower)(\.|$)")


def part_of(name: str) -> Part:
    """Which part a parameter or module belongs to, by its name in the model.

    Examples:
        >>> part_of("model.vision_tower.encoder.layers.0.mlp.fc1.weight"), part_of("lm_head.weight")
        ('vision', 'decoder')
        >>> part_of("model.visual.merger.norm.weight")
        'projector'
    """
    if _PROJECTOR.search(name):
        return "projector"
    return "vision" if _VISION.search(name) else "decoder"


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters of each part; tied ones count once. Works on the meta device too."""
    counts: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
    for name, parameter in model.named_parameters():
        counts[part_of(name)] += parameter.numel()
    return dict(counts)


def freeze(model: nn.Module, parts: Collection[str] = PARTS) -> None:
    """Freeze these parts and unfreeze the others; LoRA weights in a frozen part stay trainable.

    Raises:
        ValueError: If a part is unknown.
    """
    check_parts(parts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) not in parts or "lora_" in name)


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Recompute activations in the backward pass instead of keeping them: half the memory for a third more time."""
    getattr(model, _CHECKPOINTING)({"use_reentrant": False})


def check_parts(parts: Collection[str]) -> None:
    """Refuse a name that is no part.

    Raises:
        ValueError: If one is unknown.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"Unknown part(s) {', '.join(unknown)}; a model has {', '.join(PARTS)}.")
