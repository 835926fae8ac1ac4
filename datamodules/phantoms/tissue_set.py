"""The tissue phantom as a set: questions about the specimens that ``make_tissue`` wrote, without reading pixels.

A field of view is fibrous stroma with glands and, in a quadrant each, up to two abnormal areas: a tumour nest of low or
high grade with 0 to 5 mitoses, necrosis, a lymphocytic infiltrate. ``.github/tissue.jpg`` shows eight of them;
``python -m medvlm.datamodules.phantoms.sheet --phantom tissue --out FILE.png`` draws such a sheet, and :mod:`.hardness`
says how to make them harder to read. What each module does: :mod:`.specimen` (what is there), :mod:`.cells` (where
glands and nuclei lie), :mod:`.stain` (pixels, masks, boxes), :mod:`.tissue_questions`, :mod:`.tissue_files`.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Region, Sample, SampleError

from .hardness import EASY
from .roots import read_manifest, split_of
from .specimen import Area, Specimen
from .tissue_files import make_tissue
from .tissue_questions import Asked, ask_tissue

__all__ = ["load_tissue", "make_tissue"]

KINDS_OF_ANSWER = ("choice", "closed", "open", "box", "number", "report")
THUMBNAIL = (448, 560)
"""Height and width at which a slide is shown: 2 microns per pixel."""


def load_tissue(
    root: str | Path,
    split: str,
    *,
    modality: str = "tile",
    tiles: int = 0,
    kinds: Sequence[str] = KINDS_OF_ANSWER,
    pool: str | None = None,
    per_image: float = 5.0,
) -> Iterator[Sample]:
    """Yield the questions of a phantom root; no pixels are read.

    Args:
        root: A folder that ``make_tissue`` wrote.
        split: ``train``, ``validate`` or ``test``; each virtual patient is in one of them.
        modality: ``tile`` shows the field of view, ``slide`` the slide (of patients that have one).
        tiles: How many tiles follow the thumbnail of a slide, up to 6.
        kinds: Forms of answers: any of choice, closed, open, box, number, report.
        pool: Only patients of this pool of ``train``: ``sft`` or ``rl``.
        per_image: About how many questions a specimen with findings gets.

    Raises:
        ValueError: If an argument is none of the above.
        SampleError: If the folder is no phantom root, or was made without slides.
    """
    for good, name, value, expected in (
        (split in ("train", "validate", "test"), "split", split, "train, validate or test"),
        (modality in ("tile", "slide"), "modality", modality, "tile or slide"),
        (tiles == 0 or (modality == "slide" and 0 < tiles <= 6), "tiles", tiles, "0, or up to 6 of modality='slide'"),
        (bool(kinds) and set(kinds) <= set(KINDS_OF_ANSWER), "kinds", kinds, f"some of {', '.join(KINDS_OF_ANSWER)}"),
        (pool in (None, "sft", "rl"), "pool", pool, "sft, rl or None"),
        (per_image > 0, "per_image", per_image, "more than 0"),
    ):
        if not good:
            raise ValueError(f"{name}={value!r}: expected {expected}.")
    seen = False
    for record in read_manifest(root, "make_tissue"):
        seen = seen or modality in record["files"]
        if split_of(record["pool"]) == split and pool in (None, record["pool"]) and modality in record["files"]:
            images = _images(Path(root), record, modality, tiles)
            yield from (_sample(asked, record, images, split, modality) for asked in _ask(record, kinds, per_image))
    if not seen:
        raise SampleError(f"{root} has no slides: make it with make_tissue(..., slides=10).")


def _images(root: Path, record: Mapping[str, Any], modality: str, tiles: int) -> tuple[ImageRef, ...]:
    path = root / record["files"][modality]
    if modality == "tile":
        return (ImageRef(path),)
    whole = Region((0, 0, 4 * THUMBNAIL[1], 4 * THUMBNAIL[0]), THUMBNAIL)
    parts = [Region((x0, y0, x1, y1), (y1 - y0, x1 - x0)) for x0, y0, x1, y1 in record["regions"][:tiles]]
    return tuple(ImageRef(path, region=region) for region in (whole, *parts))


def _ask(record: Mapping[str, Any], kinds: Sequence[str], per_image: float) -> Iterator[Asked]:
    """The questions about a record's specimen; they follow from its areas alone."""
    areas = tuple(
        Area(**{**area, "place": tuple(area["place"]), "wave": tuple(area["wave"])}) for area in record["areas"]
    )
    specimen = Specimen(record["patient"], record["index"], record["seed"], areas, (1, 1), 255, hardness=EASY)
    return ask_tissue(specimen, specimen.rng(4), kinds, per_image)


def _sample(asked: Asked, record: Mapping[str, Any], images: tuple[ImageRef, ...], split: str, modality: str) -> Sample:
    boxes = record["boxes" if modality == "tile" else "slide_boxes"]
    return Sample(
        id=f"{record['patient']}/{modality}/{asked.name}",
        images=images,
        question=asked.text,
        answer=" ".join(f"{edge:.2f}" for edge in boxes[asked.finding]) if asked.kind == "box" else asked.answer,
        kind=asked.kind,
        options=asked.options,
        group=record["patient"],
        split=split,
        categories={"task": asked.skill, "template": asked.name, "pool": record["pool"], "organ": "TISSUE"},
        rationale=asked.rationale,
        extra={"finding": asked.finding, "mpp": record["mpp"]},
    )
