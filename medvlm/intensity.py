"""How pixels become numbers: named recipes that are saved beside the weights and applied alike everywhere.

A recipe turns an :class:`~medvlm.study.Image` into float32 between 0 and 1, in this order: view (volumes turned to
``orientation``, resampled to ``spacing``, slices chosen) -> window -> inversion of MONOCHROME1 -> channels -> size.
It is a pure function of the image and itself. What it cannot do rightly it refuses, with every reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from medvlm.orientation import as_displayed, check_letters, same_plane, to_orientation
from medvlm.resizing import RESIZE, Floats, resample
from medvlm.study import Image, RecipeMismatch

Positive = Annotated[int, Field(gt=0)]
Unit = Literal["HU", "stored", "display"]
_AXES = ("yx", "yxc", "zyx", "tyx", "tyxc")


class IntensityRecipe(BaseModel):
    """How the pixels of some modalities become numbers in [0, 1]."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    modalities: tuple[str, ...]
    """DICOM modalities that it takes; ``*`` takes any."""
    units: tuple[Unit, ...] = ("HU", "stored", "display")
    axes: tuple[str, ...] = _AXES
    """Shapes that it takes, like :attr:`medvlm.study.Image.axes`."""
    windows: tuple[tuple[float, float], ...] | None = None
    """(center, width) for HU: one is shown in all three channels, three become the channels."""
    use_file_window: bool = False
    """Whether the first window of the file is used where ``windows`` is not."""
    percentiles: tuple[float, float] | None = None
    """Black and white as percentiles of the pixels, where no window applies; :meth:`explain` says so."""
    size: tuple[Positive, Positive] = (224, 224)
    """Height and width of the result."""
    resize: Literal["squash", "pad", "crop"] = "squash"
    """``squash`` fills the size, ``pad`` keeps the true proportions on black, ``crop`` keeps the scale."""
    slices: Positive | None = None
    """How many slices (or frames) are taken, evenly; None takes all."""
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

    @field_validator("orientation")
    @classmethod
    def _check_orientation(cls, value: str | None) -> str | None:
        return value if value in (None, "plane") else check_letters(value, 3)

    def reasons(self, image: Image) -> list[str]:
        """Say everything that keeps the recipe from this image; an empty list means that it fits.

        Args:
            image: Any image.
        """
        found = []
        if "*" not in self.modalities and image.modality not in self.modalities:
            found.append(f"modality is {image.modality}, expected {' or '.join(self.modalities)}")
        if image.axes not in self.axes:
            found.append(f"axes are {image.axes}, expected {' or '.join(self.axes)}")
        if image.unit not in self.units:
            found.append(f"values are in unit {image.unit!r}, expected {' or '.join(self.units)}")
        elif self._by_percentile(image) and self.percentiles is None:
            found.append(f"values in unit {image.unit!r} come with no window, and the recipe has no rule for that")
        if image.is_volume and self.spacing is not None and image.spacing is None:
            found.append(f"spacing is unknown, expected one that can be resampled to {self.spacing} mm")
        if image.is_volume and self.orientation is not None and image.unit == "HU" and image.orientation is None:
            found.append(f"orientation in the patient is unknown, so it cannot be shown as {self.orientation}")
        return found

    def explain(self, image: Image) -> tuple[str, ...]:
        """Say what the recipe had to assume about this image; a result's reader must be told.

        Args:
            image: An image that fits.
        """
        notes = []
        if self._by_percentile(image) and self.percentiles is not None:
            low, high = self.percentiles
            notes.append(f"no window in the file: black and white are percentiles {low:g} and {high:g} of its pixels")
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
            RecipeMismatch: If the image does not fit; every reason is named.

        Examples:
            >>> ramp = Image(np.array([[-1350, 149]], np.int16), "yx", modality="CT", unit="HU")
            >>> RECIPES["ct_chest"].model_copy(update={"size": (1, 2)}).apply(ramp)[0].tolist()
            [[0.0, 1.0]]
        """
        if reasons := self.reasons(image):
            raise RecipeMismatch(f"Recipe {self.name!r} does not fit: {'; '.join(reasons)}.")
        limits = self._limits(image)
        image = self._view(image)
        planes = image.array if image.axes[0] in "zt" else image.array[None]
        if self.slices is not None and image.axes[0] in "zt":
            planes = planes[even_slices(len(planes), self.slices)]
        aspect = image.spacing[-2] / image.spacing[-1] if image.spacing else 1.0
        pixels = np.stack([self._plane(plane, limits, image.inverted, aspect) for plane in planes])
        return pixels if image.axes[0] in "zt" else pixels[0]

    def _plane(
        self, plane: NDArray[Any], limits: Sequence[tuple[float, float]], inverted: bool, aspect: float
    ) -> Floats:
        scaled = (
            np.stack([_scale(plane, low, high) for low, high in limits], axis=-1)
            if plane.ndim == 2
            else _scale(plane, *limits[0])
        )
        if inverted:
            scaled = 1 - scaled
        sized = RESIZE[self.resize](scaled, self.size, aspect)
        channels = np.moveaxis(sized, -1, 0)
        return np.ascontiguousarray(np.broadcast_to(channels, (3, *self.size)))

    def _view(self, image: Image) -> Image:
        if self.orientation is not None and image.orientation is not None:
            image = to_orientation(image, self._letters(image, image.orientation))
        return resample(image, self.spacing) if image.is_volume and self.spacing is not None else image

    def _letters(self, image: Image, own: str) -> str:
        """Wanted orientation: a plane that does not lie in the recipe's view is shown the usual way of its own."""
        if self.orientation is None or self.orientation == "plane":
            return as_displayed(own)
        wanted = self.orientation if image.is_volume else self.orientation[1:]
        return wanted if same_plane(own, wanted) else as_displayed(own)

    def _by_percentile(self, image: Image) -> bool:
        named = image.unit == "HU" and self.windows is not None
        return image.unit != "display" and not named and not (self.use_file_window and image.windows)

    def _limits(self, image: Image) -> list[tuple[float, float]]:
        """Values shown black and white, a pair for each channel."""
        if image.unit == "display":
            return [(0.0, maximum(image.array))]
        if image.unit == "HU" and self.windows is not None:
            return [window_limits(*window) for window in self.windows]
        if self.use_file_window and image.windows:
            return [window_limits(*image.windows[0])]
        numbers: NDArray[Any] = image.array
        low, high = np.percentile(numbers, self.percentiles or (0.0, 100.0))
        return [(float(low), float(high))]


def window_limits(center: float, width: float) -> tuple[float, float]:
    """Values shown black and white by a DICOM window (PS3.3 C.11.2.1.2.1, LINEAR).

    Args:
        center: (0028,1050).
        width: (0028,1051), at least 1.

    Examples:
        >>> window_limits(40, 400)
        (-160.0, 239.0)
    """
    return center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2


def maximum(array: NDArray[Any]) -> float:
    """Value shown white in a display image: the largest of an integer type, 1 for floats.

    Args:
        array: Display values.
    """
    return float(np.iinfo(array.dtype).max) if np.issubdtype(array.dtype, np.integer) else 1.0


def even_slices(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of ``wanted`` slices spread evenly over ``count``; slices repeat where there are too few.

    Args:
        count: Slices in the volume.
        wanted: Slices to take.

    Examples:
        >>> even_slices(10, 5).tolist()
        [1, 3, 5, 7, 9]
    """
    return np.floor((np.arange(wanted) + 0.5) * count / wanted).astype(np.intp)


def _scale(values: NDArray[Any], low: float, high: float) -> Floats:
    if high <= low:  # a window of width 1, or a flat image: PS3.3 makes it a threshold
        return np.asarray(values > low, np.float32)
    scaled = values.astype(np.float32)
    scaled -= np.float32(low)
    scaled *= np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def choose_recipe(image: Image, recipes: Sequence[IntensityRecipe]) -> IntensityRecipe:
    """Return the first recipe that fits an image.

    Args:
        image: The image, as a reader returned it.
        recipes: Candidates, the first one preferred (those saved with a model).

    Raises:
        RecipeMismatch: If none fits; the message gives every recipe's reasons.

    Examples:
        >>> choose_recipe(Image(np.zeros((4, 4, 3), np.uint8), "yxc"), DEFAULT_RECIPES).name
        'photo'
    """
    refused = []
    for recipe in recipes:
        reasons = recipe.reasons(image)
        if not reasons:
            return recipe
        refused.append(f"  {recipe.name}: {'; '.join(reasons)}")
    hint = "" if image.modality != "OT" else "\nIf you know the modality, give it: read_image(path, modality='CT')."
    raise RecipeMismatch("No intensity recipe of the model fits the image:\n" + "\n".join(refused) + hint)


_GRAY = ("yx", "zyx", "tyx")
_PERCENTILES = (0.5, 99.5)
_XRAY = {"axes": ("yx", "tyx"), "units": ("stored", "display"), "use_file_window": True, "percentiles": _PERCENTILES}
_CT = {"modalities": ("CT",), "units": ("HU",), "axes": _GRAY, "orientation": "SPL"}

RECIPES: dict[str, IntensityRecipe] = {
    recipe.name: recipe
    for recipe in (
        IntensityRecipe.model_validate({"name": "cxr", "modalities": ("CR", "DX", "OT"), **_XRAY}),
        IntensityRecipe.model_validate(
            {"name": "xray", "modalities": ("MG", "XA", "RF", "IO", "PX", "RG", "XC"), **_XRAY}
        ),
        # wide, soft tissue, brain: a general model must show any part of the body
        IntensityRecipe.model_validate({"name": "ct", "windows": ((0, 2048), (40, 400), (40, 80)), **_CT}),
        # lung, mediastinum, bone
        IntensityRecipe.model_validate(
            {"name": "ct_chest", "windows": ((-600, 1500), (40, 400), (300, 1500)), **_CT}
        ),
        # brain, subdural, bone
        IntensityRecipe.model_validate(
            {"name": "ct_brain", "windows": ((40, 80), (80, 200), (600, 2800)), **_CT}
        ),
        IntensityRecipe.model_validate({"name": "ct_bone", "windows": ((600, 2800),), **_CT}),
        # scanner units differ from scan to scan, and file windows with them: percentiles are steadier
        IntensityRecipe(
            name="mr", modalities=("MR",), units=("stored", "display"), axes=_GRAY, percentiles=_PERCENTILES,
            orientation="plane",
        ),
        IntensityRecipe(
            name="nuclear", modalities=("NM", "PT"), units=("stored", "display"), axes=_GRAY,
            percentiles=(0.0, 99.5), orientation="plane",
        ),
        IntensityRecipe(name="photo", modalities=("*",), units=("stored", "display"), use_file_window=True),
    )
}  # fmt: skip


def default_recipes(size: tuple[int, int] = (224, 224), slices: int | None = 32) -> tuple[IntensityRecipe, ...]:
    """Return recipes for a model that takes any modality: X-ray, CT, MR, nuclear medicine, pictures.

    Args:
        size: Height and width that the encoder takes.
        slices: Slices of a volume that it takes.
    """
    names = ("cxr", "xray", "ct", "mr", "nuclear", "photo")
    return tuple(RECIPES[name].model_copy(update={"size": size, "slices": slices}) for name in names)


DEFAULT_RECIPES: tuple[IntensityRecipe, ...] = default_recipes()
