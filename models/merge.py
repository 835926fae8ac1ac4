"""Fold adapters into the weights they adapt, so that the result is a plain model again."""

from __future__ import annotations

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel


def has_adapter(model: nn.Module) -> bool:
    """Whether any layer of the model carries an adapter."""
    return any(isinstance(module, BaseTunerLayer) for module in model.modules())


@torch.no_grad()
def merge_lora(model: PreTrainedModel) -> None:
    """Add every adapter to the weight below it and take it off, in place; without adapters nothing happens."""
    if not has_adapter(model):
        return
    adapted = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in adapted:
        module.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module.get_base_layer())
    model._hf_peft_config_loaded = False
    del model.peft_config
