"""Whether a recipe's model can read the images of its set, known from configurations before a weight is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from medvlm.datamodules.readers import read_image
from medvlm.intensity import IntensityRecipe
from medvlm.models import MedVLMConfig
from medvlm.models.encoders.volume import shown
from medvlm.models.projectors import check_slices, slices_span
from medvlm.recipes import default_recipes
from medvlm.settings import ModelSettings
from medvlm.study import ImageRef, Sample, SampleError


def check_images(
    settings: ModelSettings,
    config: Any,
    samples: Iterable[Sample],
    *,
    recipes: Sequence[IntensityRecipe] | None,
    modality: str | None,
) -> None:
    """Refuse images that the composed model cannot read; native models show the slices of a volume as images.

    Args:
        settings: The recipe's model section.
        config: Of the model.
        samples: Of training; the first one of each kind is looked at.
        recipes: Intensity recipes; the general list if None.
        modality: DICOM modality of files that cannot say it.

    Raises:
        SampleError: If a volume would go into a model of 2D images, or an image into one of volumes.
        ImageError: If a volume has too few or too many slices for the compressor.
    """
    if not isinstance(config, MedVLMConfig):
        return
    volume, plane = _first(samples, volume=True), _first(samples, volume=False)
    if plane is not None and not config.reads_planes:
        raise SampleError(
            f"Sample {plane.id!r} shows {len(plane.images)} image(s), the model reads volumes of "
            f"{shown(config.vision_config.volume_size)} (slices, rows, columns) only. Set model.encoder to a 2D one "
            "and model.volume_encoder to the 3D one to read both, or choose volumes (data.options, stages.N.kinds)."
        )
    if volume is None:
        return
    if settings.source is None and settings.compressor is None and config.volume_traits is None:
        rows, columns = config.slice_grid
        raise SampleError(
            f"Sample {volume.id!r} shows a volume, the model reads 2D images only ({rows * columns} tokens each; "
            "model.compressor and model.volume_encoder are not set). Let its slices pass the encoder with "
            "model.compressor={kind: slices_pool, tokens: 64}, or name a 3D encoder (model.volume_encoder)."
        )
    chosen = default_recipes() if recipes is None else recipes
    _check_slices(config, volume, chosen, modality)


def _check_slices(
    config: MedVLMConfig, sample: Sample, recipes: Sequence[IntensityRecipe], modality: str | None
) -> None:
    """Slabs of a 3D encoder or slices of a 2D one, as the recipe chooses them or as the first volume has them."""
    kind, grid = config.compressor, config.compressed_grid
    if config.volume_traits is not None:
        check_slices(kind["kind"], config.volume_traits.grid[0], grid=grid, **_options(kind))
        return
    if slices_span(**kind, grid=grid) == (1, None):
        return
    given = next((recipe.slices for recipe in recipes if any(axes[0] == "z" for axes in recipe.axes)), None)
    if given is None:
        given = _slices_of_file(next(image for image in sample.images if image.volume), modality)
    check_slices(kind["kind"], given, grid=grid, **_options(kind))


def _options(kind: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kind.items() if name != "kind"}


def _slices_of_file(image: ImageRef, modality: str | None) -> int:
    """Slices of a volume as its file has them."""
    return len(read_image(image.path, modality=image.modality or modality).array)


def _first(samples: Iterable[Sample], *, volume: bool) -> Sample | None:
    """The first sample that shows a volume, or an image."""
    return next((sample for sample in samples if any(image.volume == volume for image in sample.images)), None)
