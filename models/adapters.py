"""Adapters: LoRA and its kin on parts of a model, saved apart from it and loaded onto it again."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import AdaLoraConfig, LoraConfig, PeftConfig, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from medvlm.study import WeightsError

from .parts import check_parts, part_of
from .weights import check_source, explained, find_file

METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "rsdora": {"use_dora": True, "use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "adalora": {},
}
"""LoRA (Hu et al., 2022); DoRA (Liu et al., 2024): direction and magnitude apart; rsLoRA (Kalajdzievski, 2023): scaled
by alpha / sqrt(rank); rsDoRA: both (Gazal-R1); PiSSA (Meng et al., 2024): starts from the principal components of the
weights; AdaLoRA (Zhang et al., 2023): starts with half as much rank again and takes it from the layers that need it
least, see ``medvlm.training.rank_budget``."""


KEPT = ("lora_", "modules_to_save", "trainable_tokens")
"""What names of saved weights contain."""


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
    check_parts([*parts, *also_train])
    if method not in METHODS:
        more = " For learned prompt tokens say model.prompt_tokens." if method == "prompt" else ""
        raise ValueError(f"lora.method={method!r} is none of {', '.join(METHODS)}.{more}")
    if "decoder" in also_train:
        raise ValueError("also_train takes vision and projector; a decoder that is trained whole needs no adapters.")
    whole, options = topmost_modules(model, also_train), dict(METHODS[method])
    if model.device.type == "meta":
        options.pop("init_lora_weights", None)  # there are no weights to start from
    common: dict[str, Any] = {"lora_alpha": alpha, "lora_dropout": dropout, "modules_to_save": whole or None}
    targets = "|".join(lora_targets(model, parts))
    if method == "adalora":
        model.add_adapter(AdaLoraConfig(target_modules=targets, **common, **adaptive_rank(rank, steps=2)))
    else:
        model.add_adapter(LoraConfig(r=rank, target_modules=targets, **common, **options))


def adaptive_rank(rank: int, *, steps: int) -> dict[str, Any]:
    """AdaLoRA's budget: mean rank at start and end, and how it falls from one to the other.

    The first tenth of the steps settles, the budget then falls until the middle; the rest trains what is left.

    Args:
        rank: Mean rank of a layer in the end.
        steps: Of the training.

    Examples:
        >>> adaptive_rank(8, steps=100)
        {'target_r': 8, 'init_r': 12, 'tinit': 10, 'tfinal': 50, 'total_step': 100}
    """
    budget = {"target_r": rank, "init_r": math.ceil(1.5 * rank)}
    return budget | {"tinit": steps // 10, "tfinal": steps // 2, "total_step": steps}


def attach(model: PreTrainedModel, config: PeftConfig, name: str = "default") -> None:
    """Put adapters on a model, in place, under a name."""
    with warnings.catch_warnings():  # peft warns of a tied head, which trainable tokens do follow
        warnings.filterwarnings("ignore", message=".*no implementation exists to tie the adapters.*")
        warnings.filterwarnings("ignore", message=".*multiple adapters in the model.*")  # of skills there are several
        model.add_adapter(config, adapter_name=name)


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
    own = _own_names(model)
    once = {name: value for name, value in model.state_dict().items() if name in own}
    model.save_pretrained(str(folder), state_dict=once)


def load_lora(model: PreTrainedModel, source: str | Path, adapter: str = "default") -> None:
    """Load adapters onto the model they were made for; they can be trained on, the rest is frozen.

    Args:
        model: The model, in place.
        source: Folder or Hub name of the adapters.
        adapter: What they are called on this model, where there are several (``medvlm.models.skills``).

    Raises:
        WeightsError: If they are missing, pickled or made for another model.
    """
    name = check_source(source, config="adapter_config.json", adapter=True)
    with explained(name):
        saved = load_file(find_file(name, "adapter_model.safetensors"))
        attach(model, PeftConfig.from_pretrained(name), adapter)
        state = {key.removeprefix("base_model.model."): value for key, value in saved.items()}
        report: Any = set_peft_model_state_dict(model, state, adapter_name=adapter)
    own = _own_names(model)
    missing = {key for key in report.missing_keys if key in own and f".{adapter}" in key}
    wanted = {key.replace(f".{adapter}", "") for key in missing if any(kind in key for kind in KEPT)}
    if wanted or report.unexpected_keys:
        raise WeightsError(
            f"{name} holds adapters of another model: {len(wanted)} weights are missing in it, "
            f"{len(report.unexpected_keys)} have no place."
        )


def _own_names(model: nn.Module) -> set[str]:
    """Names of weights and buffers; one that is tied to another counts once."""
    return {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}


def topmost_modules(model: nn.Module, parts: Sequence[str]) -> list[str]:
    """Topmost modules of these parts that have parameters."""
    found: list[str] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{above}.") for above in found)
        if name and part_of(name) in parts and not inside and next(module.parameters(), None) is not None:
            found.append(name)
    return found
