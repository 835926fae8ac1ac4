"""The parts of a model (vision, projector, decoder): freeze them, count them, adapt them by LoRA and its kin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from peft import LoraConfig, PeftConfig, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from medvlm.study import WeightsError

from .weights import check_source, explained, find_file

Part = Literal["vision", "projector", "decoder"]
PARTS: tuple[Part, ...] = get_args(Part)
METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
}
"""LoRA (Hu et al., 2022); DoRA (Liu et al., 2024): direction and magnitude apart; rsLoRA (Kalajdzievski, 2023): scaled
by alpha / sqrt(rank); PiSSA (Meng et al., 2024): starts from the principal components of the weights."""
UNFIT = {
    "adalora": "it moves rank from layer to layer after every step, which a resumed run could not repeat",
    "prompt": "its soft prompt is no weight of a part and could not be merged",
}

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
    _check(parts)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(part_of(name) not in parts or "lora_" in name)


def add_lora(
    model: PreTrainedModel,
    parts: Sequence[str] = ("decoder",),
    *,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.0,
    also_train: Sequence[str] = (),
    method: str = "lora",
) -> None:
    """Put LoRA, or one of its kin, on all linear maps of these parts, in place; everything else is frozen.

    Adapters are turned off and on by ``model.disable_adapters()`` and ``enable_adapters()``. ``save_lora`` writes
    them apart from the model.

    Args:
        model: The model; its class does not change.
        parts: Where adapters go.
        rank: Rank of the update.
        alpha: The update is scaled by alpha / rank.
        dropout: Dropout before the adapter.
        also_train: Parts that are trained whole and saved with the adapters.
        method: One of ``METHODS``. With ``pissa`` the model without its adapters is not what it was.

    Raises:
        ValueError: If a part or method is unknown, or a part has no linear map.
    """
    _check([*parts, *also_train])
    if method not in METHODS:
        reason = f" ({UNFIT[method]})" if method in UNFIT else ""
        raise ValueError(f"lora.method={method!r} is none of {', '.join(METHODS)}{reason}.")
    if "decoder" in also_train:
        raise ValueError("also_train takes vision and projector; a decoder that is trained whole needs no adapters.")
    whole, options = _whole_modules(model, also_train), dict(METHODS[method])
    if model.device.type == "meta":
        options.pop("init_lora_weights", None)  # there are no weights to start from
    model.add_adapter(
        LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules="|".join(lora_targets(model, parts)),
            modules_to_save=whole or None,
            **options,
        )
    )


def lora_targets(model: PreTrainedModel, parts: Sequence[str]) -> list[str]:
    """Patterns that match the linear maps of these parts and nothing else, the language head excepted."""
    head = model.get_output_embeddings()
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head and part_of(name) in parts
    ]
    if not names:
        raise ValueError(f"parts={list(parts)} have no linear map that LoRA could adapt.")
    return sorted({re.sub(r"(?<=\\\.)\d+(?=\\\.)", r"\\d+", re.escape(name)) for name in names})


def save_lora(model: PreTrainedModel, folder: str | Path) -> None:
    """Write the adapters (``adapter_model.safetensors``, ``adapter_config.json``) without the model."""
    model.save_pretrained(str(folder))


def load_lora(model: PreTrainedModel, source: str | Path) -> None:
    """Load adapters onto the model they were made for; they can be trained on, the rest is frozen.

    Raises:
        WeightsError: If they are missing, pickled or made for another model.
    """
    name = check_source(source, config="adapter_config.json", adapter=True)
    with explained(name):
        saved = load_file(find_file(name, "adapter_model.safetensors"))
        model.add_adapter(PeftConfig.from_pretrained(name))
        state = {key.removeprefix("base_model.model."): value for key, value in saved.items()}
        report: Any = set_peft_model_state_dict(model, state)
    wanted = {key.replace(".default", "") for key in report.missing_keys if "lora_" in key or "modules_to_save" in key}
    if wanted or report.unexpected_keys:
        raise WeightsError(
            f"{name} holds adapters of another model: {len(wanted)} weights are missing in it, "
            f"{len(report.unexpected_keys)} have no place."
        )


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Recompute activations in the backward pass instead of keeping them: half the memory for a third more time."""
    getattr(model, _CHECKPOINTING)({"use_reentrant": False})


def _whole_modules(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """Topmost modules of these parts that have parameters."""
    found: list[str] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{above}.") for above in found)
        if name and part_of(name) in parts and not inside and next(module.parameters(), None) is not None:
            found.append(name)
    return found


def _check(parts: Collection[str]) -> None:
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"Unknown part(s) {', '.join(unknown)}; a model has {', '.join(PARTS)}.")
