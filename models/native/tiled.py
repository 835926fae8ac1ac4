"""Idefics3, SmolVLM and InternVL: a picture may be cut into tiles, each encoded alone.

What differs: the processor decides by the picture's size on rows and columns of tiles and, for Idefics3 and SmolVLM,
writes them between the tiles' tokens (``<row_1_col_2>``); all our pictures have one size, so that the tiles are the
same for each. Features come a tile and are put together a picture. The head's soft cap and scale, where the decoder's
configuration has them, are not applied by the released classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .family import Family


class Idefics(Family):
    """``idefics3`` and ``smolvlm``."""

    def images(self, processor: Any, pictures: list[Tensor]) -> Any:
        """Each picture as a sample of its own, with the rows and columns of its tiles."""
        nested = [[picture] for picture in pictures]
        return processor.image_processor(nested, return_tensors="pt", return_row_col_info=True)

    def features(self, model: Any, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Features of all tiles of each picture."""
        found = model.get_image_features(inputs["pixel_values"], pixel_attention_mask=inputs["pixel_attention_mask"])
        return _shared(found.pooler_output, len(inputs["pixel_values"]))


class InternVL(Family):
    """``internvl``."""

    def features(self, model: Any, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Features of all tiles of each picture."""
        found = model.get_image_features(pixel_values=inputs["pixel_values"])
        return _shared(found.pooler_output, len(inputs["num_patches"]))


def _shared(tiles: Any, pictures: int) -> list[Tensor]:
    """Features of tiles in order, in equal shares a picture."""
    flat = torch.cat([tile.reshape(-1, tile.shape[-1]) for tile in tiles])
    return list(flat.chunk(pictures))
