"""Images to normalised tensors by the intensity recipes that are saved with the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_utils import load_image
from transformers.video_processing_utils import BaseVideoProcessor

from medvlm.intensity import IntensityRecipe, choose_recipe
from medvlm.study import Image, ImageError

Pixels = Image | PIL.Image.Image | NDArray[np.generic] | torch.Tensor | str


class MedVLMImageProcessor(BaseImageProcessor):
    """Chooses the recipe that fits an image, applies it and normalises.

    Args:
        recipes: Intensity recipes, tried in order.
        image_mean: Channel means that are subtracted.
        image_std: Channel deviations by which is divided.
        volume_size: Slices, rows and columns that a 3D encoder takes; None where slices pass the 2D one.
        volume_mean: As ``image_mean``, for the 3D encoder.
        volume_std: As ``image_std``, for the 3D encoder.
        reads_planes: Whether single images can be shown too.
        kwargs: Kept as attributes, as every Hugging Face processor does.
    """

    model_input_names = ["pixel_values"]  # noqa: RUF012

    def __init__(
        self,
        recipes: Sequence[IntensityRecipe | Mapping[str, Any]] = (),
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        volume_size: Sequence[int] | None = None,
        volume_mean: Sequence[float] | None = None,
        volume_std: Sequence[float] | None = None,
        reads_planes: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.volume_size = None if volume_size is None else list(volume_size)
        self.volume_mean, self.volume_std, self.reads_planes = volume_mean, volume_std, reads_planes
        self.recipes = [IntensityRecipe.model_validate(_plain(recipe)).model_dump(mode="json") for recipe in recipes]
        self.image_mean, self.image_std = list(image_mean), list(image_std)

    @property
    def intensity_recipes(self) -> tuple[IntensityRecipe, ...]:
        """The recipes as objects."""
        return tuple(IntensityRecipe.model_validate(recipe) for recipe in self.recipes)

    @property
    def needed(self) -> tuple[int, int] | None:
        """Height and width that the recipes need of a plane at least; None where one keeps the scale of the file.

        A plane may be turned before it is resized, so both are the longest side of all recipes.
        """
        recipes = self.intensity_recipes
        if not recipes or any(recipe.resize == "crop" for recipe in recipes):
            return None
        longest = max(max(recipe.size) for recipe in recipes)
        return longest, longest

    def pixels(self, image: Pixels) -> torch.Tensor:
        """One image as the encoder takes it: (3, H, W), or (S, 3, H, W) for a volume.

        Args:
            image: An ``Image``, a PIL image, an 8-bit array, a path or address of a PNG or JPEG, or a floating tensor
                that is prepared already and passes through.

        Raises:
            RecipeMismatch: If no recipe fits; the message names every reason.
            ImageError: If the object is none of these, or the model's encoder cannot read it: a plane by a 3D encoder
                alone, one slice by a 3D encoder.
        """
        if isinstance(image, torch.Tensor) and image.is_floating_point():
            return _prepared(image)
        study = as_image(image)
        sliced = study.axes[0] in "zt"
        self._check_slices(study, sliced)
        values = torch.from_numpy(choose_recipe(study, self.intensity_recipes).apply(study))
        mean, std = self.image_mean, self.image_std
        if sliced and self.volume_mean is not None and self.volume_std is not None:
            mean, std = list(self.volume_mean), list(self.volume_std)
        return values.sub_(torch.tensor(mean)[:, None, None]).div_(torch.tensor(std)[:, None, None])

    def _check_slices(self, image: Image, sliced: bool) -> None:
        if self.volume_size is None:
            return
        size = " x ".join(map(str, self.volume_size))
        if not sliced and not self.reads_planes:
            raise ImageError(
                f"The model reads volumes of {size} (slices, rows, columns) only, got one image of axes {image.axes} "
                f"and shape {image.array.shape}. Give the volume, or build with a 2D encoder and volume_encoder."
            )
        if sliced and len(image.array) < 2:
            raise ImageError(
                f"The model's 3D encoder takes {size} (slices, rows, columns), got {len(image.array)} slice. Give the "
                "whole series; a single slice is an image for a 2D encoder."
            )

    def preprocess(
        self, images: Pixels | Sequence[Pixels], *, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Stack images to ``pixel_values`` (N, 3, H, W)."""
        many: list[Any] = list(images) if isinstance(images, list | tuple) else [images]
        return BatchFeature({"pixel_values": stack([self.pixels(image) for image in many])}, tensor_type=return_tensors)


class MedVLMVideoProcessor(BaseVideoProcessor):
    """Stacks volumes whose slices are prepared already; the intensity recipes are the image processor's."""

    model_input_names = ["pixel_values_videos"]  # noqa: RUF012

    def preprocess(
        self, videos: Sequence[torch.Tensor], *, return_tensors: str | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Stack volumes to ``pixel_values_videos`` (M, S, 3, H, W)."""
        prepared = [_prepared(video) for video in videos]
        return BatchFeature({"pixel_values_videos": stack(prepared)}, tensor_type=return_tensors)


def as_image(image: Pixels) -> Image:
    """A display image of a PIL image, 8-bit array, path or address; an ``Image`` is returned as it is.

    Raises:
        ImageError: If the object is of another type, or an array whose values have no known meaning.
    """
    if isinstance(image, Image):
        return image
    if isinstance(image, str):
        image = load_image(image)
    if isinstance(image, PIL.Image.Image):
        return Image(np.asarray(image.convert("RGB")), "yxc")
    array = np.asarray(image)
    axes = _axes(array.shape)
    if array.dtype != np.uint8 or axes is None:
        raise ImageError(
            f"Expected an 8-bit array of shape (H, W), (H, W, 3), (S, H, W) or (S, H, W, 3), got {array.dtype} "
            f"{array.shape}. Say what other values mean: medvlm.study.Image(array, axes, modality=..., unit=...)."
        )
    return Image(array, axes)


def stack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Stack tensors of one shape.

    Raises:
        ImageError: If the shapes differ.
    """
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise ImageError(f"Images of one batch must have one shape, got {sorted(shapes)}; use recipes of one size.")
    return torch.stack(list(tensors))


def _axes(shape: tuple[int, ...]) -> str | None:
    if len(shape) == 3 and shape[-1] == 3:
        return "yxc"
    return {2: "yx", 3: "zyx", 4: "tyxc"}.get(len(shape))


def _prepared(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise ImageError(f"A prepared tensor has shape (3, H, W) or (S, 3, H, W), got {tuple(tensor.shape)}.")
    return tensor


def _plain(recipe: IntensityRecipe | Mapping[str, Any]) -> Mapping[str, Any]:
    return recipe.model_dump() if isinstance(recipe, IntensityRecipe) else recipe
