"""Image features for the engine: each distinct image goes through the vision encoder once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from medvlm.logps import unwrap
from medvlm.models.native import NativeProcessor


def encode_images(model: Any, images: Sequence[Tensor], processor: Any = None, *, chunk: int = 64) -> list[Tensor]:
    """Image features ``(tokens, D)``, each distinct tensor encoded once.

    Args:
        model: A composed model, or a native one.
        images: Prepared pixels; one and the same tensor object is one image.
        processor: The model's; a native one brings the model's own preprocessing.
        chunk: Images (or volumes) of a shape that go through the encoder together.
    """
    model = unwrap(model)
    weight = model.get_input_embeddings().weight
    distinct = {id(image): image for image in images}
    shapes: dict[tuple[int, ...], list[int]] = {}
    for key, image in distinct.items():
        shapes.setdefault(tuple(image.shape), []).append(key)
    features: dict[int, Tensor] = {}
    for keys in shapes.values():
        for start in range(0, len(keys), chunk):
            part = keys[start : start + chunk]
            pixels = [distinct[key] for key in part]
            if isinstance(processor, NativeProcessor):
                found: Sequence[Tensor] = processor.features(model, pixels)
            else:
                found = _composed(model, torch.stack(pixels).to(weight.device, weight.dtype))
            features |= dict(zip(part, found, strict=True))
    return [features[id(image)] for image in images]


def _composed(model: Any, pixels: Tensor) -> Sequence[Tensor]:
    """Features of images ``(N, 3, H, W)`` or volumes ``(N, S, 3, H, W)``."""
    if pixels.ndim == 5:
        found: Sequence[Tensor] = model.get_video_features(pixel_values_videos=pixels).pooler_output
    else:
        found = model.get_image_features(pixel_values=pixels).pooler_output
    return found


class HeldFeatures:
    """Features that are kept for a while, with the images that they are of: an image asked again is not read again."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def encode(self, model: Any, images: Sequence[Tensor], processor: Any) -> list[Tensor]:
        """What `encode_images` gives, from what is kept where it is."""
        new = [image for image in images if id(image) not in self._kept]
        for image, features in zip(new, encode_images(model, new, processor), strict=True):
            self._kept[id(image)] = (image, features)
        return [self._kept[id(image)][1] for image in images]
