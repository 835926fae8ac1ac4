"""Fold adapters into the weights they adapt, so that the result is a plain model again."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper
from torch import Tensor, nn
from transformers import PreTrainedModel

from medvlm.study import WeightsError

# most that an output may move when its layer is merged, as a share of the largest one; sums in another order, and in
# half precision the rounding of the merged weight (eps is 8e-3 in bf16, 1e-3 in fp16, 1e-7 in fp32)
LIMITS = {torch.bfloat16: 5e-2, torch.float16: 1e-2}
LIMIT = 1e-4


def has_adapter(model: nn.Module) -> bool:
    """Whether any layer of the model carries an adapter."""
    return any(isinstance(module, BaseTunerLayer) for module in model.modules())


def can_switch_off(model: nn.Module) -> bool:
    """Whether the model has adapters, and without them is what it was: PiSSA takes a part of the weights with it."""
    peft: dict[str, Any] = getattr(model, "peft_config", {})
    lora = [config for config in peft.values() if isinstance(config, LoraConfig)]
    return has_adapter(model) and not any(config.init_lora_weights == "pissa" for config in lora)


@torch.no_grad()
def merge_lora(model: PreTrainedModel) -> None:
    """Add every adapter to the weight below it and take it off, in place; without adapters nothing happens.

    Modules that were trained whole beside the adapters take the place of the originals.

    Raises:
        WeightsError: If a merged layer gives other outputs than the adapted one did.
    """
    if not has_adapter(model):
        return
    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            _replace(model, name, _merged(name, module))
        elif isinstance(module, ModulesToSaveWrapper):
            _replace(model, name, module.modules_to_save[module.active_adapters[0]])
    model._hf_peft_config_loaded = False
    del model.peft_config


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _merged(name: str, module: Any) -> nn.Module:
    """The layer below an adapter with the adapter in its weight, once it is seen to give the same."""
    base: nn.Module = module.get_base_layer()
    weight: Any = base.weight
    probe = _probe(module, weight)
    module.eval()  # without dropout
    before = module(probe)
    module.merge()
    _check(name, before, base(probe))
    return base


def _probe(module: Any, weight: Tensor) -> Tensor:
    """Something to pass through a layer: its learned tokens, or four drawn rows."""
    if isinstance(module.get_base_layer(), nn.Embedding):
        return torch.tensor(module.token_indices[module.active_adapters[0]], device=weight.device)
    draw = torch.Generator().manual_seed(0)
    return torch.randn(4, module.in_features, generator=draw).to(weight.device, weight.dtype)


def _check(name: str, before: Tensor, after: Tensor) -> None:
    moved = float((after - before).abs().max() / before.abs().max().clamp(min=1e-12))
    limit = LIMITS.get(before.dtype, LIMIT)
    if not moved <= limit:
        raise WeightsError(
            f"{name}: merged, it gives outputs that differ by {moved:.1e} of the largest one, more than {limit:.0e}. "
            "Keep the adapters apart (save_lora), or merge in float32."
        )
