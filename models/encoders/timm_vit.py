"""Any vision transformer of timm by its name."""

from __future__ import annotations

from typing import Any

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers import TimmWrapperConfig

from medvlm.study import WeightsError

from .registry import EncoderSpec, register_encoder


@register_encoder
def timm_vit(
    *, model: str = "vit_small_patch16_224", weights: str | None = None, image_size: int | None = None, **arguments: Any
) -> EncoderSpec:
    """A vision transformer of timm, fresh or from a Hub checkpoint.

    Args:
        model: Architecture name in timm (``timm.list_models('*vit*')``).
        weights: Folder or Hub name of weights saved for timm (``timm/vit_...``, ``MahmoodLab/UNI``).
        image_size: Pixels a side, where it differs from the architecture's own.
        arguments: What else the architecture takes (``depth``, ``init_values``, ``num_heads``).

    Raises:
        WeightsError: If timm knows no such architecture.
    """
    if not timm.is_model(model):
        near = timm.list_models(f"*{model.partition('_')[0]}*")[:3]
        raise WeightsError(
            f"timm has no architecture {model!r}; nearest: {', '.join(near) or 'see timm.list_models()'}."
        )
    known = timm.get_pretrained_cfg(model, allow_unregistered=True)
    mean, std = (known.mean, known.std) if known else (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    options = dict(arguments) if image_size is None else {**arguments, "img_size": image_size}
    config = TimmWrapperConfig(architecture=model, do_pooling=False, model_args={"global_pool": "", **options})
    return EncoderSpec(config, weights, tuple(mean), tuple(std))
