"""LLaVA (and LLaVA-Med once converted): any vision tower, an MLP, any decoder.

What differs: the picture that fits is the crop, not the size before it is cropped; the head's soft cap, where the
decoder's configuration has one, is not applied by the released class.
"""

from __future__ import annotations

from typing import Any

from .family import Family, sides


class Llava(Family):
    """``llava``."""

    def size(self, config: Any, processor: Any) -> tuple[int, int]:
        """The crop of processors that crop."""
        images = processor.image_processor
        return sides(images.crop_size if images.do_center_crop else images.size)
