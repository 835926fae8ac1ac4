"""Intensity recipes brought to the sizes that a model's encoders take."""

from __future__ import annotations

from collections.abc import Sequence

from medvlm.intensity import IntensityRecipe
from medvlm.recipes import default_recipes

from .encoders import EncoderSpec
from .encoders.volume import shown
from .encoders.volume_registry import VolumeSpec
from .image_processing import MedVLMImageProcessor


def image_processor(
    spec: EncoderSpec, volume: VolumeSpec | None, recipes: Sequence[IntensityRecipe] | None
) -> MedVLMImageProcessor:
    """The image processor of a model.

    Args:
        spec: The encoder of images; the 3D one where the model reads volumes only.
        volume: The encoder of volumes; None where slices pass ``spec``.
        recipes: Intensity recipes, tried in order; a set for any modality if None.

    Raises:
        ValueError: If the model reads volumes only and no recipe takes one.
    """
    if volume is None:
        size = spec.image_size
        chosen = default_recipes(size) if recipes is None else [r.model_copy(update={"size": size}) for r in recipes]
        return MedVLMImageProcessor(list(chosen), spec.mean, spec.std)
    planes = spec is not volume
    fitted = fit_recipes(default_recipes() if recipes is None else recipes, spec, volume, planes=planes)
    return MedVLMImageProcessor(
        fitted,
        spec.mean,
        spec.std,
        volume_size=volume.volume_traits.size,
        volume_mean=volume.mean,
        volume_std=volume.std,
        reads_planes=planes,
    )


def fit_recipes(
    recipes: Sequence[IntensityRecipe], spec: EncoderSpec, volume: VolumeSpec, *, planes: bool
) -> list[IntensityRecipe]:
    """Recipes for planes at the 2D encoder's size, and for volumes and films at the 3D encoder's slices and size.

    Slices are spread evenly over the volume, or over the recipe's range of it; where a volume has fewer, they repeat.

    Args:
        recipes: As they are named; one that takes both planes and volumes becomes two.
        spec: The 2D encoder.
        volume: The 3D encoder.
        planes: Whether planes are read at all.

    Raises:
        ValueError: If no recipe takes volumes and nothing else is read.
    """
    slices, *size = volume.volume_traits.size
    found = []
    for recipe in recipes:
        flat = tuple(axes for axes in recipe.axes if axes[0] not in "zt")
        deep = tuple(axes for axes in recipe.axes if axes[0] in "zt")
        if flat and planes:
            found.append(recipe.model_copy(update={"axes": flat, "size": spec.image_size}))
        if deep:
            found.append(recipe.model_copy(update={"axes": deep, "size": tuple(size), "slices": slices}))
    if not found:
        raise ValueError(
            f"None of the recipes {[recipe.name for recipe in recipes]} takes a volume, and the model reads volumes of "
            f"{shown(volume.volume_traits.size)} only. Name one that does, such as ct or mr."
        )
    return found
