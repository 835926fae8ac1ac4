"""Zero-shot with the two towers of an open_clip checkpoint, through the same calls as with a model of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from medvlm.models.encoders import OpenClipPair, encode_images, encode_text, load_open_clip
from medvlm.models.image_processing import MedVLMImageProcessor
from medvlm.recipes import default_recipes
from medvlm.study import Image, ImageError
from medvlm.zeroshot import SharedSpace


class PairedTowers(SharedSpace):
    """An image and a text tower; a study of several images is the direction of their mean.

    Args:
        pair: The towers.
    """

    def __init__(self, pair: OpenClipPair) -> None:
        self.pair = pair
        recipes = default_recipes(size=pair.spec.image_size)
        self.processor = MedVLMImageProcessor(recipes, image_mean=pair.spec.mean, image_std=pair.spec.std)
        self._dim = int(encode_text(pair, ["width"]).shape[1])

    @classmethod
    def load(cls, source: str) -> Self:
        """Load both towers.

        Args:
            source: Folder or Hub name.

        Raises:
            WeightsError: If it is missing, pickled or damaged.
        """
        return cls(load_open_clip(source))

    @property
    def dim(self) -> int:
        """Width of the space."""
        return self._dim

    @property
    def scale(self) -> Tensor:
        """One over the temperature of the checkpoint."""
        scale: Tensor = self.pair.model.logit_scale.detach().float().exp()
        return scale

    def prepare(self, image: Image) -> Tensor:
        """Pixels by the general intensity recipes, normalised as the checkpoint says.

        Raises:
            ImageError: If it is a volume.
        """
        if image.axes[0] in "zt":
            slices = len(image.array)
            raise ImageError(f"These towers read single images, got a volume of {slices} slices; give one slice.")
        return self.processor.pixels(image)

    def embed_studies(self, studies: Sequence[Sequence[Tensor]]) -> Tensor:
        """The image tower over all images, their mean in each study."""
        rows: Any = iter(encode_images(self.pair, torch.stack([image for study in studies for image in study])))
        means = [torch.stack([next(rows) for _ in study]).mean(0) for study in studies]
        return normalize(torch.stack(means).float(), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """The text tower over each text."""
        return encode_text(self.pair, texts).float()
