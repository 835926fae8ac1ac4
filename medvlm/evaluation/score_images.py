"""Pictures for a page: read once, true in proportion, at most so large, and together within a number of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from medvlm.datamodules.readers import read_image
from medvlm.datamodules.readers.published import published_rescale
from medvlm.datamodules.shard_files import local_file
from medvlm.evaluation.png import data_uri
from medvlm.intensity import IntensityRecipe, choose_recipe
from medvlm.recipes import default_recipes
from medvlm.study import Image, ImageRef, MedvlmError, Sample

Bytes = NDArray[np.uint8]

SIDE = 384
BUDGET = 2_200_000
_SIZES = ((SIDE, False), (320, False), (320, True), (256, True), (192, True), (128, True), (96, True))
"""Sides in pixels, and whether colours are reduced to 256, from the best down."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image as the page shows it.

    Attributes:
        uri: PNG as a data URI; empty where there is none.
        width: In pixels.
        height: In pixels.
        caption: What a reader must know: slice, window, further images.
        problem: Why it cannot be shown; empty where it can.
    """

    uri: str = ""
    width: int = 0
    height: int = 0
    caption: str = ""
    problem: str = ""


def show_images(samples: Sequence[Sample], *, budget: int = BUDGET) -> Mapping[str, Shown]:
    """The first image of each sample, by its id; samples without images are left out.

    Args:
        samples: A few.
        budget: Most characters of all pictures together; each may take its share, and is made smaller until it does.
    """
    first = {sample.id: sample.images[0] for sample in samples if sample.images}
    counts = {sample.id: len(sample.images) for sample in samples}
    share = budget // max(1, len(first))
    made: dict[ImageRef, Shown] = {}
    shown = {}
    for name, ref in first.items():
        if ref not in made:
            made[ref] = _show(ref, share)
        shown[name] = _counted(made[ref], counts[name])
    return shown


def _counted(shown: Shown, images: int) -> Shown:
    """Say that there are further images."""
    more = f"image 1 of {images}" if images > 1 else ""
    caption = ", ".join(part for part in (more, shown.caption) if part)
    return Shown(shown.uri, shown.width, shown.height, caption, shown.problem)


def _show(ref: ImageRef, share: int) -> Shown:
    try:
        pixels, caption = picture(ref)
    except (MedvlmError, OSError) as error:
        reason = str(error).replace(str(ref.path), ref.path.name)
        return Shown(problem=f"{type(error).__name__}: {reason}")
    uri, (height, width) = fit_bytes(pixels, share)
    return Shown(uri, width, height, caption)


def picture(ref: ImageRef, side: int = SIDE) -> tuple[Bytes, str]:
    """The pixels of an image as on a screen, and what must be said of them.

    Nothing is cropped or padded: shares of the picture are shares of the image. Of a volume the middle slice is shown,
    of several windows the middle one.

    Args:
        ref: An image.
        side: Most pixels of its longer side; smaller images stay as they are.

    Returns:
        ``(H, W)`` of gray images, else ``(H, W, 3)``.

    Raises:
        MedvlmError: If it cannot be read, or no recipe fits it.
        OSError: If it is not there.
    """
    with local_file(ref.path) as path:
        image = read_image(path, modality=ref.modality, region=ref.region, size=(side, side))
    if ref.rescale is not None:
        image = published_rescale(image, *ref.rescale)
    recipe, said = _one_window(choose_recipe(image, default_recipes((side, side), slices=1)), image)
    pixels = recipe.model_copy(update={"size": _size(recipe.view(image), side), "resize": "squash"}).apply(image)
    slices = f"middle one of {len(image.array)} slices" if image.axes[0] in "zt" else ""
    plane = pixels[0] if pixels.ndim == 4 else pixels
    shown = np.moveaxis((plane * 255).round().astype(np.uint8), 0, -1)
    gray = bool((shown == shown[..., :1]).all())
    return shown[..., 0] if gray else shown, ", ".join(part for part in (slices, said) if part)


def _one_window(recipe: IntensityRecipe, image: Image) -> tuple[IntensityRecipe, str]:
    """A recipe that shows one window in gray, not three as colours."""
    if image.unit != "HU" or not recipe.windows:
        return recipe, ""
    center, width = recipe.windows[len(recipe.windows) // 2]
    return recipe.model_copy(update={"windows": ((center, width),)}), f"window {center:g}/{width:g} HU"


def _size(view: Image, side: int) -> tuple[int, int]:
    """Height and width in true proportions."""
    last = 3 if view.axes.endswith("c") else 2
    height, width = view.array.shape[-last : len(view.axes) - last + 2]
    aspect = view.spacing[-2] / view.spacing[-1] if view.spacing else 1.0
    tall = height * aspect
    scale = min(1.0, side / max(tall, width))
    return max(1, round(tall * scale)), max(1, round(width * scale))


def fit_bytes(pixels: Bytes, share: int) -> tuple[str, tuple[int, int]]:
    """A picture as a data URI that is no longer than its share, if its smallest form is; with its height and width.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``.
        share: Most characters.
    """
    whole = Picture.fromarray(pixels)
    uri, size = "", (0, 0)
    for side, few in _SIZES:
        scale = min(1.0, side / max(whole.size))
        width, height = (max(1, round(length * scale)) for length in whole.size)
        small = whole.resize((width, height), Picture.Resampling.LANCZOS) if scale < 1 else whole
        if few and small.mode == "RGB":
            small = small.quantize(256, method=Picture.Quantize.MEDIANCUT)
        uri, size = data_uri(small), (height, width)
        if len(uri) <= share:
            break
    return uri, size
