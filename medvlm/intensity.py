"""How pixels become numbers: named recipes that are saved beside the weights and applied alike everywhere.

A recipe turns an :class:`~medvlm.study.Image` into float32 between 0 and 1, in this order: view (volumes turned to
``orientation``, resampled to ``spacing``, slices chosen) -> window -> inversion of MONOCHROME1 -> channels -> size.
It is a pure function of the image and itself. What it cannot do rightly it refuses, with every reason. The named
recipes are in :mod:`medvlm.recipes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from medvlm.orientation import as_displayed, check_letters, same_plane, to_orientation
from medvlm.resampling import resample, resampled_shape
from medvlm.resizing import RESIZE, Floats
from medvlm.study import Image, RecipeMismatch
from medvlm.windowing import (
    WindowFunction,
    even_slices,
    maximum,
    percentile_limits,
    scale,
    slices_between,
    window_limits,
    zscore_limits,
)

Positive = Annotated[int, Field(gt=0)]
Unit = Literal["HU", "stored", "display"]
_AXES = ("yx", "yxc", "zyx", "tyx", "tyxc")

NO_PICTURES = ("SEG", "RTDOSE")
"""Modalities whose pixels are labels or doses, no picture of a patient: only a recipe that names them takes them."""


class IntensityRecipe(BaseModel):
    """How the pixels of some modalities become numbers in [0, 1]."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    modalities: tuple[str, ...]
    """DICOM modalities that it takes; ``*`` takes any but :data:`NO_PICTURES`."""
    units: tuple[Unit, ...] = ("HU", "stored", "display")
    axes: tuple[str, ...] = _AXES
    """Shapes that it takes, like :attr:`medvlm.study.Image.axes`."""
    windows: tuple[tuple[float, float], ...] | None = None
    """(center, width) for HU: one is shown in all three channels, three become the channels."""
    window_function: WindowFunction = "linear"
    """What center and width of ``windows`` mean (0028,1056); windows of a file are LINEAR, the default there."""
    use_file_window: bool = False
    """Whether the first window of the file is used where ``windows`` is not."""
    percentiles: tuple[float, float] | None = None
    """Black and white as percentiles of the pixels, where no window applies; :meth:`explain` says so."""
    zscore: Annotated[float, Field(gt=0)] | None = None
    """Black and white this many standard deviations about the mean of the pixels that are not zero, where no window
    applies; :meth:`explain` says so."""
    levels: Annotated[int, Field(gt=1)] | None = None
    """Gray levels to which values are rounded before they are resized (256 where others go through 8 bits)."""
    size: tuple[Positive, Positive] = (224, 224)
    """Height and width of the result."""
    resize: Literal["squash", "pad", "crop"] = "squash"
    """``squash`` fills the size, ``pad`` keeps the true proportions on black, ``crop`` keeps the scale."""
    slices: Positive | None = None
    """How many slices (or frames) are taken, evenly; None takes all."""
    slice_range: tuple[float, float] | None = None
    """First and last slice (or frame) of those that are taken, both included, counted from 0 in the view."""
    slice_range_in: Literal["index", "mm"] = "index"
    """Whether ``slice_range`` counts slices or measures millimetres from the first slice of the view."""
    spacing: tuple[float, float, float] | None = None
    """Millimetres (z, y, x) to which volumes are resampled before slices are chosen."""
    orientation: str | None = None
    """View: ``SPL`` is axial, feet first, patient's left on the right; ``plane`` keeps the plane of acquisition and
    shows it the usual way; None shows what is stored."""
    version: int = 1

    @field_validator("windows")
    @classmethod
    def _check_windows(cls, value: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        if value is not None and (len(value) not in (1, 3) or any(width < 1 for _, width in value)):
            raise ValueError("expected one or three (center, width) pairs with a width of at least 1")
        return value

    @field_validator("percentiles")
    @classmethod
    def _check_percentiles(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1] <= 100:
            raise ValueError("expected 0 <= low < high <= 100")
        return value

    @field_validator("slice_range")
    @classmethod
    def _check_slice_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1]:
            raise ValueError("expected 0 <= first <= last")
        return value

    @field_validator("orientation")
    @classmethod
    def _check_orientation(cls, value: str | None) -> str | None:
        return value if value in (None, "plane") else check_letters(value, 3)

    @model_validator(mode="after")
    def _one_rule_of_pixels(self) -> IntensityRecipe:
        if self.percentiles is not None and self.zscore is not None:
            raise ValueError("expected percentiles or zscore, not both")
        return self

    def reasons(self, image: Image) -> list[str]:
        """Say everything that keeps the recipe from this image; an empty list means that it fits.

        Args:
            image: Any image.
        """
        found = []
        any_picture = "*" in self.modalities and image.modality not in NO_PICTURES
        if not any_picture and image.modality not in self.modalities:
            expected = " or ".join(self.modalities).replace("*", "a picture of a patient")
            found.append(f"modality is {image.modality}, expected {expected}")
        if image.axes not in self.axes:
            found.append(f"axes are {image.axes}, expected {' or '.join(self.axes)}")
        if image.unit not in self.units:
            found.append(f"values are in unit {image.unit!r}, expected {' or '.join(self.units)}")
        elif self._by_pixels(image) and self.percentiles is None and self.zscore is None:
            found.append(f"values in unit {image.unit!r} come with no window, and the recipe has no rule for that")
        if image.is_volume and self.spacing is not None and image.spacing is None:
            found.append(f"spacing is unknown, expected one that can be resampled to {self.spacing} mm")
        measured = image.is_volume and image.spacing is not None
        if self.slice_range is not None and self.slice_range_in == "mm" and image.axes[0] in "zt" and not measured:
            found.append(f"distances between slices are unknown, expected them for {self.slice_range} mm")
        if image.is_volume and self.orientation is not None and image.unit == "HU" and image.orientation is None:
            found.append(f"orientation in the patient is unknown, so it cannot be shown as {self.orientation}")
        return found

    def explain(self, image: Image) -> tuple[str, ...]:
        """Say what the recipe had to assume about this image; a result's reader must be told.

        Args:
            image: An image that fits.
        """
        notes = []
        why = "no window in the file: " if self.use_file_window else ""
        if self._by_pixels(image) and self.percentiles is not None:
            low, high = self.percentiles
            notes.append(f"{why}black and white are percentiles {low:g} and {high:g} of its pixels")
        elif self._by_pixels(image) and self.zscore is not None:
            notes.append(f"{why}black and white are {self.zscore:g} deviations about the mean of its non-zero pixels")
        if image.is_volume and self.orientation is not None and image.orientation is None:
            notes.append("orientation in the patient is unknown: slices are shown as stored")
        return tuple(notes)

    def apply(self, image: Image) -> Floats:
        """Turn an image into numbers.

        Args:
            image: The image, as a reader returned it.

        Returns:
            float32 in [0, 1]: (3, H, W) for a plane, (S, 3, H, W) for a volume or a film of frames.

        Raises:
            RecipeMismatch: If the image does not fit, or no slice lies in the range; every reason is named.

        Examples:
            >>> ramp = Image(np.array([[-1350, 149]], np.int16), "yx", modality="CT", unit="HU")
            >>> lung = IntensityRecipe(name="lung", modalities=("CT",), windows=((-600, 1500),), size=(1, 2))
            >>> lung.apply(ramp)[0].tolist()
            [[0.0, 1.0]]
        """
        if reasons := self.reasons(image):
            raise RecipeMismatch(f"Recipe {self.name!r} does not fit: {'; '.join(reasons)}.{_hint(image)}")
        limits = self.limits(image)
        shown = self.view(image)
        sliced = shown.axes[0] in "zt"
        planes = shown.array if sliced else shown.array[None]
        aspect = shown.spacing[-2] / shown.spacing[-1] if shown.spacing else 1.0
        pixels = np.stack([self._plane(plane, limits, shown.inverted, aspect) for plane in planes])
        return pixels if sliced else pixels[0]

    def limits(self, image: Image) -> list[tuple[float, float]]:
        """Values shown black and white, one pair for all channels or one for each.

        Args:
            image: The image, as a reader returned it: percentiles and deviations are those of all its pixels.
        """
        if image.unit == "display":
            return [(0.0, maximum(image.array))]
        if image.unit == "HU" and self.windows is not None:
            return [window_limits(*window, self.window_function) for window in self.windows]
        if self.use_file_window and image.windows:
            return [window_limits(*image.windows[0])]
        if self.zscore is not None:
            return [zscore_limits(image.array, self.zscore)]
        return [percentile_limits(image.array, self.percentiles or (0.0, 100.0))]

    def view(self, image: Image) -> Image:
        """Turn an image, resample it and choose its slices; values stay what they are.

        Args:
            image: An image that fits.

        Raises:
            RecipeMismatch: If no slice lies in the range.
        """
        if self.orientation is not None and image.orientation is not None:
            image = to_orientation(image, self._letters(image, image.orientation))
        every = self.slices is None and self.slice_range is None
        if image.is_volume and self.spacing is not None:
            count = resampled_shape(image, self.spacing)[0]
            chosen = None if every else self._chosen(count, self.spacing[0])
            return resample(image, self.spacing, planes=chosen)
        if image.axes[0] not in "zt" or every:
            return image
        step = image.spacing[0] if image.is_volume and image.spacing else 1.0
        return replace(image, array=image.array[self._chosen(len(image.array), step)])

    def _chosen(self, count: int, step: float) -> list[int]:
        """Indices of the slices (or frames) that are shown, of ``count`` that lie ``step`` mm apart."""
        inside = np.arange(count)
        if self.slice_range is not None:
            step = step if self.slice_range_in == "mm" else 1.0
            inside = slices_between(count, step, *self.slice_range)
            if not inside.size:
                first, last = self.slice_range
                raise RecipeMismatch(
                    f"Recipe {self.name!r} does not fit: no slice lies between {first:g} and {last:g} "
                    f"({self.slice_range_in}), there are {count} in {count * step:g}."
                )
        shown = inside if self.slices is None else inside[even_slices(len(inside), self.slices)]
        return [int(index) for index in shown]

    def _plane(
        self, plane: NDArray[Any], limits: Sequence[tuple[float, float]], inverted: bool, aspect: float
    ) -> Floats:
        if plane.ndim == 2 and len(limits) > 1:
            scaled = np.stack([scale(plane, low, high) for low, high in limits], axis=-1)
        else:
            scaled = scale(plane, *limits[0])
            scaled = scaled[..., None] if plane.ndim == 2 else scaled
        if self.levels is not None:
            top = np.float32(self.levels - 1)
            scaled = np.asarray(np.round(scaled * top) / top, np.float32)
        if inverted:
            scaled = 1 - scaled
        sized = RESIZE[self.resize](scaled, self.size, aspect)
        channels = np.moveaxis(sized, -1, 0)
        return np.ascontiguousarray(np.broadcast_to(channels, (3, *self.size)))

    def _letters(self, image: Image, own: str) -> str:
        """Wanted orientation: a plane that does not lie in the recipe's view is shown the usual way of its own."""
        if self.orientation is None or self.orientation == "plane":
            return as_displayed(own)
        wanted = self.orientation if image.is_volume else self.orientation[1:]
        return wanted if same_plane(own, wanted) else as_displayed(own)

    def _by_pixels(self, image: Image) -> bool:
        """Whether black and white follow from the pixels, for want of a window."""
        named = image.unit == "HU" and self.windows is not None
        return image.unit != "display" and not named and not (self.use_file_window and image.windows)


def choose_recipe(image: Image, recipes: Sequence[IntensityRecipe]) -> IntensityRecipe:
    """Return the first recipe that fits an image.

    Args:
        image: The image, as a reader returned it.
        recipes: Candidates, the first one preferred (those saved with a model).

    Raises:
        RecipeMismatch: If none fits; the message gives every recipe's reasons.

    Examples:
        >>> photo = IntensityRecipe(name="photo", modalities=("*",))
        >>> choose_recipe(Image(np.zeros((4, 4, 3), np.uint8), "yxc"), [photo]).name
        'photo'
    """
    refused = []
    for recipe in recipes:
        reasons = recipe.reasons(image)
        if not reasons:
            return recipe
        refused.append(f"  {recipe.name}: {'; '.join(reasons)}")
    raise RecipeMismatch("No intensity recipe of the model fits the image:\n" + "\n".join(refused) + _hint(image))


def _hint(image: Image) -> str:
    """What to do about a file that does not say its modality, such as NIfTI."""
    return "" if image.modality != "OT" else "\nIf you know the modality, give it: read_image(path, modality='CT')."
