"""What a model will see of an image, in numbers: what the file says, what the recipe does, what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medvlm.intensity import IntensityRecipe, choose_recipe
from medvlm.recipes import ABOUT, DEFAULT_RECIPES, RECIPES
from medvlm.resizing import Floats
from medvlm.study import Image, WeightsError
from medvlm.windowing import even_slices

CHANNELS = ("red", "green", "blue")
MOST = 32
"""Slices that are prepared where a recipe takes all: of more, so many evenly, for a sheet holds no more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An image beside what a recipe makes of it.

    Attributes:
        image: As a reader returned it.
        recipe: The recipe.
        view: Turned, resampled, slices chosen; values as in the file.
        limits: Values shown black and white, one pair for all channels or one for each.
        pixels: (S, 3, H, W), 0 to 1; a plane is one slice.
        places: Which of the result's slices these are.
        shape: Of the whole result.
    """

    image: Image
    recipe: IntensityRecipe
    view: Image
    limits: tuple[tuple[float, float], ...]
    pixels: Floats
    places: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def markers(self) -> tuple[str, str, str, str]:
        """Patient sides at the left, right, top and bottom of the picture; empty where they are unknown."""
        if self.view.orientation is None:
            return ("", "", "", "")
        down, right = self.view.orientation[-2], self.view.orientation[-1]
        return _OPPOSITE[right], right, _OPPOSITE[down], down


_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "I": "S", "S": "I"}


def see(image: Image, recipe: IntensityRecipe | None = None, recipes: Sequence[IntensityRecipe] = ()) -> Seen:
    """Apply a recipe and keep what it did.

    Args:
        image: As a reader returned it.
        recipe: The recipe; else the first of ``recipes`` (or of the general list) that fits.
        recipes: Those of a model.

    Raises:
        RecipeMismatch: If it does not fit, or none does.
    """
    chosen = recipe or choose_recipe(image, tuple(recipes) or DEFAULT_RECIPES)
    view = chosen.view(image)
    count = len(view.array) if view.axes[0] in "zt" else 1
    thinned = chosen.slices is None and count > MOST
    pixels = (chosen.model_copy(update={"slices": MOST}) if thinned else chosen).apply(image)
    places = even_slices(count, MOST) if thinned else range(count)
    whole = (count, *pixels.shape[1:]) if pixels.ndim == 4 else pixels.shape
    limits = tuple(chosen.limits(image))
    return Seen(image, chosen, view, limits, pixels.reshape(-1, *pixels.shape[-3:]), tuple(map(int, places)), whole)


def named_recipe(name: str) -> IntensityRecipe:
    """A recipe by its name.

    Args:
        name: One of :data:`medvlm.recipes.RECIPES`.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}; there are {', '.join(RECIPES)}.")
    return RECIPES[name]


def recipes_of_model(source: Path | str) -> tuple[IntensityRecipe, ...]:
    """The recipes that are saved with a model; its weights are not read.

    Args:
        source: Folder or Hub name.

    Raises:
        WeightsError: If there is no model, or it carries no recipes.
    """
    from transformers import AutoProcessor

    from medvlm.models import MedVLMImageProcessor
    from medvlm.models.weights import check_source, explained

    name = check_source(source)
    with explained(name):
        processor: Any = AutoProcessor.from_pretrained(name, trust_remote_code=False)  # type: ignore[no-untyped-call]
    images = getattr(processor, "image_processor", None)
    if not isinstance(images, MedVLMImageProcessor):
        raise WeightsError(f"{source} carries no intensity recipes: medvlm did not compose it.")
    return images.intensity_recipes


def lines(seen: Seen) -> list[str]:
    """The numbers: the file's, the recipe's, the result's, and what a reader must know.

    Args:
        seen: What :func:`see` gave.
    """
    image, recipe = seen.image, seen.recipe
    about = ABOUT.get(recipe.name, "a recipe of the model")
    return [
        f"file     {image.source or 'array'}: {image.modality}, {_shape(image)}, {image.array.dtype}, {image.unit}",
        f"values   {_values(image)}",
        f"place    {_place(image)}",
        f"recipe   {recipe.name} version {recipe.version}: {about}",
        *(f"{'window' if index == 0 else '':<9}{line}" for index, line in enumerate(_windows(seen))),
        f"result   {' x '.join(map(str, seen.shape))}, {_result(seen)}",
        *(f"note     {note}" for note in (*image.notes, *recipe.explain(image))),
    ]


def _shape(image: Image) -> str:
    return " x ".join(f"{count} {axis}" for axis, count in zip(image.axes, image.array.shape, strict=True))


def _values(image: Image) -> str:
    values: NDArray[Any] = image.array
    said = f"{values.min():g} to {values.max():g}, mean {values.mean():.5g}"
    window = "; ".join(f"center {center:g} width {width:g}" for center, width in image.windows[:3])
    inverted = ", low values shown white" if image.inverted else ""
    return f"{said}{inverted}, {'windows of the file: ' + window if window else 'no window in the file'}"


def _place(image: Image) -> str:
    """Spacing and orientation."""
    axes = [axis for axis in image.axes if axis in "zyx"]
    spacing = "unknown spacing"
    if image.spacing is not None:
        spacing = ", ".join(f"{axis} {value:.4g}" for axis, value in zip(axes, image.spacing, strict=True)) + " mm"
    if image.orientation is None:
        return f"{spacing}; orientation in the patient unknown"
    grows = ", ".join(f"{axis} to {_SIDES[letter]}" for axis, letter in zip(axes, image.orientation, strict=True))
    return f"{spacing}; {grows} ({image.orientation})"


_SIDES = {"R": "the right", "L": "the left", "A": "the front", "P": "the back", "I": "the feet", "S": "the head"}


def _windows(seen: Seen) -> list[str]:
    """Black and white of each channel, and how much of the view lies outside."""
    names = CHANNELS if len(seen.limits) == 3 else ("gray" if "c" not in seen.view.axes else "all channels",)
    values: NDArray[Any] = seen.view.array
    found = []
    for name, (low, high) in zip(names, seen.limits, strict=True):
        below, above = float((values < low).mean()), float((values > high).mean())
        found.append(f"{name} {low:g} to {high:g}: {below:.1%} black, {above:.1%} white")
    return found


def _result(seen: Seen) -> str:
    means = ", ".join(f"{name} {value:.3f}" for name, value in zip(CHANNELS, seen.pixels.mean((0, 2, 3)), strict=True))
    left, right, top, bottom = seen.markers
    sides = f"; left {left}, right {right}, top {top}, bottom {bottom}" if left else "; sides of the patient unknown"
    drawn = len(seen.pixels)
    part = f" of the {drawn} that are drawn" if len(seen.shape) == 4 and drawn < seen.shape[0] else ""
    return f"mean {means}{part}{sides}{_proportions(seen)}"


def _proportions(seen: Seen) -> str:
    """How much a picture that was squashed to its size is distorted."""
    if seen.recipe.resize != "squash":
        return f"; {seen.recipe.resize}"
    axes = [index for index, axis in enumerate(seen.view.axes) if axis in "yx"]
    height, width = (float(seen.view.array.shape[index]) for index in axes)
    if seen.view.spacing is not None:
        height, width = height * seen.view.spacing[-2], width * seen.view.spacing[-1]
    stretch = (seen.pixels.shape[-2] / height) / (seen.pixels.shape[-1] / width)
    return f"; squashed: heights are shown {stretch:.2f} times as long as widths" if abs(stretch - 1) > 0.01 else ""


def histogram(values: NDArray[Any], low: float, high: float, bins: int = 128) -> Floats:
    """Share of values in each bin between two ends, on a logarithmic scale from 0 to 1.

    Args:
        values: Any shape.
        low: Lower end.
        high: Upper end, above ``low``.
        bins: How many.
    """
    counts, _ = np.histogram(values, bins=bins, range=(low, high))
    height = np.log1p(counts)
    return np.asarray(height / max(float(height.max()), 1.0), np.float32)
