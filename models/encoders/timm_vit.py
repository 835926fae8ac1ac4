"""Any vision transformer of timm by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers import AutoConfig, TimmWrapperConfig

from medvlm.study import WeightsError

from ..weights import explained
from .registry import EncoderSpec, register_encoder


@register_encoder
def timm_vit(
    *, model: str = "vit_small_patch16_224", weights: str | None = None, image_size: int | None = None, **arguments: Any
) -> EncoderSpec:
    """A vision transformer of timm, fresh or from a Hub checkpoint.

    Args:
        model: Architecture name in timm (``timm.list_models('*vit*')``); that of the checkpoint if there is one.
        weights: Folder or Hub name of weights saved for timm (``timm/vit_...``, ``MahmoodLab/UNI``).
        image_size: Pixels a side, where it differs from the architecture's own.
        arguments: What else the architecture takes (``depth``, ``init_values``, ``num_heads``).

    Raises:
        WeightsError: If timm knows no such architecture, or the checkpoint is of another library.
    """
    options = dict(arguments) if image_size is None else {**arguments, "img_size": image_size}
    if weights is not None:
        return _saved(weights, options)
    if not timm.is_model(model):
        near = timm.list_models(f"*{model.partition('_')[0]}*")[:3] or ["see timm.list_models()"]
        raise WeightsError(f"timm has no architecture {model!r}; nearest: {', '.join(near)}.")
    known = timm.get_pretrained_cfg(model, allow_unregistered=True)
    mean, std = (known.mean, known.std) if known else (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    config = TimmWrapperConfig(architecture=model, do_pooling=False, model_args={"global_pool": "", **options})
    return EncoderSpec(config, None, _three(mean), _three(std))


def _saved(weights: str, options: dict[str, Any]) -> EncoderSpec:
    with explained(weights):
        config = AutoConfig.from_pretrained(weights, trust_remote_code=False)
    if config.model_type != "timm_wrapper":
        raise WeightsError(f"{weights} holds a {config.model_type!r}, expected a checkpoint of timm.")
    config.do_pooling = False
    config.model_args = {**(config.model_args or {}), "global_pool": "", **options}
    known = getattr(config, "pretrained_cfg", None) or {}
    mean, std = known.get("mean", IMAGENET_DEFAULT_MEAN), known.get("std", IMAGENET_DEFAULT_STD)
    return EncoderSpec(config, weights, _three(mean), _three(std))


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
