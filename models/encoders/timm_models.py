"""Any network of timm that gives feature maps, by its name: ViT, Swin, ResNet, ConvNeXt and others."""

from __future__ import annotations

from typing import Any

import timm
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from transformers import TimmWrapperConfig

from medvlm.study import WeightsError

from .pretrained import saved_tower, three
from .registry import EncoderSpec, register_encoder


@register_encoder
def timm_model(
    *,
    model: str = "vit_small_patch16_224",
    weights: str | None = None,
    image_size: int | None = None,
    class_mean: bool = False,
    **arguments: Any,
) -> EncoderSpec:
    """A network of timm, fresh or from a checkpoint; the name ``timm:MODEL`` says the same.

    Transformers give their patch tokens, class and register tokens dropped. Networks with stages give the map of
    their last stage, one token a position.

    Args:
        model: Architecture name in timm (``timm.list_models()``); that of the checkpoint if there is one.
        weights: Folder or Hub name of weights saved for timm (``timm/vit_...``).
        image_size: Pixels a side, where it differs from the architecture's own.
        class_mean: One token an image: class token and mean of the patches, one after the other.
        arguments: What else the architecture takes (``depth``, ``init_values``, ``num_heads``).

    Raises:
        WeightsError: If timm knows no such architecture, or the checkpoint is of another library.
    """
    if weights is not None:
        return _saved(weights, None, image_size, class_mean, arguments)
    known = timm.get_pretrained_cfg(_known(model), allow_unregistered=True)
    mean, std = (known.mean, known.std) if known else (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
    config = TimmWrapperConfig(architecture=model, do_pooling=False)
    return EncoderSpec(_sized(config, image_size, class_mean, arguments), None, three(mean), three(std))


@register_encoder
def timm_vit_tiny(
    *,
    image_size: int = 64,
    patch_size: int = 8,
    width: int = 96,
    layers: int = 4,
    heads: int = 3,
    class_mean: bool = False,
) -> EncoderSpec:
    """A small fresh ViT of timm.

    Args:
        image_size: Pixels a side.
        patch_size: Pixels a side of a patch.
        width: Channels of a token.
        layers: Transformer blocks.
        heads: Attention heads.
        class_mean: One token an image.
    """
    numbers = {"patch_size": patch_size, "embed_dim": width, "depth": layers, "num_heads": heads}
    return timm_model(model="vit_tiny_patch16_224", image_size=image_size, class_mean=class_mean, **numbers)


@register_encoder
def resnet_tiny(*, image_size: int = 64, width: int = 8) -> EncoderSpec:
    """A small fresh residual network of timm (ResNet-10), 32 pixels a token.

    Args:
        image_size: Pixels a side.
        width: Channels of the first stage; the last one has eight times as many.
    """
    channels = [width, 2 * width, 4 * width, 8 * width]
    return timm_model(model="resnet10t", image_size=image_size, channels=channels, stem_width=width)


@register_encoder
def swin_tiny(*, image_size: int = 64, width: int = 16) -> EncoderSpec:
    """A small fresh Swin transformer of timm with two stages, 8 pixels a token.

    Args:
        image_size: Pixels a side.
        width: Channels of the first stage; the last one has twice as many.
    """
    numbers = {"embed_dim": width, "depths": [1, 1], "num_heads": [2, 4], "window_size": 4}
    return timm_model(model="swin_tiny_patch4_window7_224", image_size=image_size, **numbers)


def registered_entry(model: str, weights: str | None, image_size: int | None, class_mean: bool) -> EncoderSpec:
    """An architecture of timm's registry that holds all its numbers, or weights published for it.

    Raises:
        WeightsError: If the weights are no network of timm.
    """
    if weights is not None:
        return _saved(weights, model, image_size, class_mean, {})
    return timm_model(model=model, image_size=image_size, class_mean=class_mean)


def _saved(
    weights: str, model: str | None, size: int | None, class_mean: bool, arguments: dict[str, Any]
) -> EncoderSpec:
    config = saved_tower(weights, "timm_wrapper")
    config.do_pooling = False
    if model is not None:  # our entry holds all the numbers; classes among the published arguments are no JSON
        config.architecture, config.model_args = model, {}
    _known(config.architecture)
    said = getattr(config, "pretrained_cfg", None) or {}
    mean, std = said.get("mean", IMAGENET_DEFAULT_MEAN), said.get("std", IMAGENET_DEFAULT_STD)
    if size is None and "input_size" in said:
        size = said["input_size"][-1]
    return EncoderSpec(_sized(config, size, class_mean, arguments), weights, three(mean), three(std))


def _sized(config: Any, size: int | None, class_mean: bool, arguments: dict[str, Any]) -> TimmWrapperConfig:
    """Enter the image size: as an argument where the architecture is made for one, beside it where it takes any."""
    options = {**(config.model_args or {}), "global_pool": "", **arguments}
    known = timm.get_pretrained_cfg(config.architecture, allow_unregistered=True)
    if size is not None and (known is None or known.fixed_input_size):
        options["img_size"] = size
    config.model_args, config.input_size, config.class_mean = options, size, class_mean
    sized: TimmWrapperConfig = config
    return sized


def _known(model: str) -> str:
    if not timm.is_model(model):
        near = timm.list_models(f"*{model.partition('_')[0]}*")[:3] or ["see timm.list_models()"]
        raise WeightsError(f"timm has no architecture {model!r}; nearest: {', '.join(near)}.")
    return model
