"""Native models: released ones that run as they are, a small file for what each family differs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medvlm.study import WeightsError

from ..processing import MedVLMProcessor
from .family import Family
from .gemma3 import Gemma3
from .layout import Layout
from .llava import Llava
from .paligemma import PaliGemma
from .processing import NativeProcessor, saved_recipes
from .qwen_vl import QwenVL
from .tiled import Idefics, InternVL

FAMILIES: dict[str, Family] = {
    "gemma3": Gemma3(),
    "llava": Llava(),
    "qwen2_vl": QwenVL(),
    "qwen2_5_vl": QwenVL(),
    "qwen3_vl": QwenVL(),
    "idefics3": Idefics(),
    "smolvlm": Idefics(),
    "internvl": InternVL(),
    "paligemma": PaliGemma(),
}

BARE_HEADS = ("gemma3", "llava", "idefics3", "smolvlm", "internvl")
"""Classes that do not apply the soft cap and scale which their decoder's configuration may name."""


def wrap(processor: Any, config: Any, source: str | Path) -> Any:
    """The processor of a native model as the toolkit uses it; that of any other model as it is.

    Args:
        processor: The model's own.
        config: The model's configuration.
        source: Where they come from; recipes saved there are used.

    Raises:
        WeightsError: If the model is set to something that is not supported, or its recipes are damaged.
    """
    family = FAMILIES.get(config.model_type)
    if family is None:
        return processor
    return NativeProcessor(processor, config, family, **saved_recipes(source))


def check_runs(source: str | Path, processor: Any) -> None:
    """Refuse a model that can be loaded but not run.

    Raises:
        WeightsError: If it is neither composed by us nor of a supported family.
    """
    if not isinstance(processor, MedVLMProcessor | NativeProcessor):
        raise WeightsError(
            f"{source} prepares images by a {type(processor).__name__}, which is not supported. Supported are models "
            f"that medvlm composed (model.encoder, model.decoder) and of transformers {', '.join(FAMILIES)}."
        )


__all__ = ["BARE_HEADS", "FAMILIES", "Family", "Layout", "NativeProcessor", "check_runs", "saved_recipes", "wrap"]
