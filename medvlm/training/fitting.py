"""Whether a model can fit its devices at all, known from its configuration before anything is downloaded."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from medvlm.flex import wants_flex
from medvlm.models.adapters import add_lora
from medvlm.models.learned_prompt import plan_learned_tokens, train_learned_tokens
from medvlm.models.parts import PARTS, count_parameters, freeze, part_of
from medvlm.models.quantized import stored_small
from medvlm.settings import ModelSettings, Recipe, TrainerSettings
from medvlm.study import WeightsError
from medvlm.training.footprint import estimate

SHARING = ("fsdp", "deepspeed_stage_3")
"""Strategies by which each device holds a share of weights, gradients and moments."""


@dataclass(frozen=True, slots=True)
class Census:
    """Parameters of a model.

    Attributes:
        parameters: Of each part.
        trainable: Those that are trained, adapters included.
        small: Those that are stored in 4 bits.
    """

    parameters: dict[str, int]
    trainable: dict[str, int]
    small: int

    @property
    def total(self) -> int:
        """All parameters of the model, adapters excluded."""
        return sum(self.parameters.values())

    @property
    def trained(self) -> int:
        """All that are trained."""
        return sum(self.trainable.values())


def take_census(config: Any, settings: ModelSettings) -> Census:
    """Count a model on the meta device, with its parts prepared as a stage does.

    Args:
        config: Of the model.
        settings: What is frozen, adapted or learned.
    """
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)
    parameters = count_parameters(model)
    small = stored_small(model) if settings.quantize is not None else 0
    if settings.prompt_tokens is not None:
        plan_learned_tokens(model, settings.prompt_tokens)
    prepare_parts(model, settings)
    trainable: Counter[str] = Counter(dict.fromkeys(PARTS, 0))
    for name, parameter in model.named_parameters():
        trainable[part_of(name)] += parameter.numel() * parameter.requires_grad
    return Census(parameters, dict(trainable), small)


def prepare_parts(model: Any, settings: ModelSettings) -> None:
    """Freeze the parts that are not trained, or hang on what the recipe names: adapters or learned tokens.

    Raises:
        WeightsError: If there are no learned tokens, or flex attention is asked for without a CUDA device.
    """
    if settings.attention is not None:
        model.set_attn_implementation({"text_config": settings.attention})
        if model.device.type != "meta":
            wants_flex(model.config.get_text_config())
    if settings.prompt_tokens is not None:
        train_learned_tokens(model)
    elif settings.lora is not None:
        add_lora(model, **settings.lora)
    else:
        freeze(model, parts=tuple(settings.freeze))


def device_gib(settings: TrainerSettings) -> float | None:
    """Memory of one device: as the recipe states it, or the CUDA device's own; None where neither says."""
    if settings.memory_gb is not None:
        return settings.memory_gb
    if settings.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return float(torch.cuda.get_device_properties(0).total_memory) / 2**30
    return None


def shares(settings: TrainerSettings) -> int:
    """Devices among which weights, gradients and moments are shared."""
    if settings.strategy not in SHARING:
        return 1
    if isinstance(settings.devices, int) and settings.devices > 0:
        return settings.devices * settings.nodes
    listed = [one for one in str(settings.devices).split(",") if one.strip()]
    here = max(1, torch.cuda.device_count())
    return settings.nodes * (len(listed) if len(listed) > 1 else here)


def held(census: Census, settings: TrainerSettings) -> int:
    """Bytes that weights, gradients and optimiser take on one device, whatever passes through the model."""
    memory = estimate(None, None, total=census.total, trained=census.trained, small=census.small,
                              precision=settings.precision, reference=False)  # fmt: skip
    return math.ceil(memory.held / shares(settings))


def check_fits(recipe: Recipe, config: Any) -> None:
    """Refuse a model whose weights, gradients and optimiser alone are more than a device has.

    Raises:
        WeightsError: With the numbers, and what would fit.
    """
    limit = device_gib(recipe.trainer)
    if limit is None:
        return
    census = take_census(config, recipe.model)
    needed = held(census, recipe.trainer)
    if needed <= limit * 2**30:
        return
    raise WeightsError(
        f"{recipe.name}: {census.total / 1e9:.2f} B parameters, {census.trained / 1e9:.2f} B of them trained, take "
        f"{needed / 2**30:.1f} GiB on each device before any sample, and a device has {limit:.1f} GiB. "
        f"{way_out(recipe)}"
    )


def way_out(recipe: Recipe) -> str:
    """What makes a model smaller on a device."""
    ways = []
    if recipe.model.lora is None and recipe.model.prompt_tokens is None:
        ways.append("train adapters (model.lora)")
    if recipe.trainer.precision != "bf16-true":
        ways.append("keep weights in bf16 (trainer.precision=bf16-true)")
    if recipe.model.quantize is None:
        ways.append("store them in 4 bits (model.quantize=4bit)")
    if recipe.trainer.strategy not in SHARING:
        ways.append("share them among devices (trainer.strategy=fsdp)")
    return f"{'; '.join(ways)}; or take a smaller model.".capitalize().replace("(Model", "(model")
