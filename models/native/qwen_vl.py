"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL (MedVLM-R1, Med-R1, Lingshu and others).

What differs: pictures come as one flat list of patches with a grid ``(time, rows, columns)`` each; positions have three
axes (M-RoPE), so that an image's tokens stand in rows and columns; Qwen3-VL adds features of three depths of its
vision tower to the first decoder layers (DeepStack, arXiv 2406.04334), which travel as further columns of the features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .family import Family

SIDE = 448
"""Side of the picture, if the processor's limits allow it: 256 tokens for Qwen2-VL and Qwen2.5-VL, 196 for Qwen3-VL."""


class QwenVL(Family):
    """``qwen2_vl``, ``qwen2_5_vl`` and ``qwen3_vl``."""

    def size(self, config: Any, processor: Any) -> tuple[int, int]:
        """The largest square up to ``SIDE`` that the processor leaves as it is."""
        images = processor.image_processor
        factor = images.patch_size * images.merge_size
        side = min(SIDE, math.isqrt(images.size["longest_edge"]))
        side = max(side, math.isqrt(images.size["shortest_edge"] - 1) + 1) // factor * factor
        return side, side

    def features(self, model: Any, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Features of each picture, those of the deep stack beside them."""
        found = model.get_image_features(inputs["pixel_values"], image_grid_thw=inputs["image_grid_thw"])
        main = list(found.pooler_output)
        deep = found.get("deepstack_features")
        if not deep:
            return main
        flat = torch.cat(main)
        wide = torch.cat([flat, *(torch.cat(tuple(layer)).reshape(len(flat), -1) for layer in deep)], dim=-1)
        return list(wide.split([len(one) for one in main]))

    def grid(self, config: Any, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
        """Rows and columns after merging."""
        merge = config.vision_config.spatial_merge_size
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        return rows // merge, columns // merge
