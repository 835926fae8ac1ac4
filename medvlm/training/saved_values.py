"""What an encoder keeps of a forward pass for the backward pass, counted on the meta device: exact, and no memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from transformers import AutoModel

from medvlm.models import MedVLMConfig
from medvlm.models.encoders import encode, image_size
from medvlm.models.encoders.volume import encode_volume
from medvlm.models.native.processing import SLICES
from medvlm.study import Sample
from medvlm.training.footprint import KEPT


class _Fused(torch.autograd.Function):
    """What a fused attention kernel keeps: queries, keys, values and its output, no scores."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty(*query.shape[:-1], value.shape[-1], dtype=query.dtype, device=query.device)
        ctx.save_for_backward(query, key, value, out)
        return out


class _FusedAttention(TorchFunctionMode):
    """Attention as on a GPU; the meta device alone would choose the kernel that keeps all scores."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            query, key, value = args[:3]
            return _Fused.apply(query, key, value)
        return func(*args, **(kwargs or {}))


def saved_values(model: torch.nn.Module, run: Any) -> int:
    """Values that a forward pass keeps for its backward pass, parameters excepted.

    Args:
        model: On the meta device.
        run: Calls it.
    """
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    held: dict[int, tuple[Any, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if tensor.is_floating_point() and storage._cdata not in own:
            held[storage._cdata] = (
                storage,
                storage.nbytes() // tensor.element_size(),
            )  # held: no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), _FusedAttention():
        run()
    return sum(count for _, count in held.values())


@dataclass(frozen=True, slots=True)
class Kept:
    """Values that trained encoders keep of one image and of one volume; nothing of a frozen one."""

    image: int = 0
    volume: int = 0

    def of(self, groups: Sequence[Sequence[Sample]]) -> float:
        """The same of one context, mean; without data it shows an image, or a volume where the model reads no other."""
        shown = [image.volume for group in groups for image in group[0].images]
        if not groups:
            return self.image or self.volume
        return sum(self.volume if volume else self.image for volume in shown) / len(groups)


def values_of_images(config: Any, image_tokens: int) -> Kept:
    """What a model's encoders keep; of a composed one exact, of a native one by the size of its vision tower.

    Args:
        config: Of the model.
        image_tokens: Decoder tokens of an image.
    """
    if isinstance(config, MedVLMConfig):
        image, volume = encoder_values(config)
        slices = config.slice_chunk if config.slice_checkpoint else SLICES
        return Kept(image, volume or slices * image)
    vision = config.vision_config
    width, layers = vision.hidden_size, getattr(vision, "num_hidden_layers", None) or getattr(vision, "depth", 0)
    size, patch = getattr(vision, "image_size", None), vision.patch_size
    patches = image_tokens * getattr(vision, "spatial_merge_size", 1) ** 2
    if isinstance(size, int) and isinstance(patch, int):
        patches = max(patches, (size // patch) ** 2)
    image = KEPT * patches * width * layers
    return Kept(image, SLICES * image)


def encoder_values(config: Any) -> tuple[int, int]:
    """Values that a composed model's encoders keep of one image (or slice) and of one volume; 0 for what is not read.

    Args:
        config: Of the model.
    """
    plane = volume = 0
    with torch.device("meta"):
        if config.reads_planes:
            tower: Any = AutoModel.from_config(config.vision_config).train()
            pixels = torch.zeros(1, 3, *image_size(config.vision_config))
            plane = saved_values(tower, lambda: encode(tower, pixels, config.vision_traits, config.vision_layer))
        if config.volume_traits is not None:
            deep: Any = AutoModel.from_config(config.volume_config if config.reads_planes else config.vision_config)
            slices, *size = config.volume_traits.size
            volume = saved_values(deep.train(), lambda: encode_volume(deep, torch.zeros(1, slices, 3, *size)))
    return plane, volume
