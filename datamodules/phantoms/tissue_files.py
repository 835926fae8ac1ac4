"""The tissue phantom's specimens as files: PNG tiles and slides, with a manifest of what is in them.

Layout of a root::

    phantom.json            the parameters that made it
    manifest.jsonl          one line a patient: split, areas with boxes, mitoses, report, regions of the slide
    tiles/<patient>.png     a field of view of 224 microns
    slides/<patient>.tif    the same findings on a slide of 1120 x 896 microns (a pyramid that OpenSlide reads)

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..readers.tissue import farthest_points, grid_of, shares, tissue_mask
from .hardness import EASY, Hardness
from .pyramid import write_pyramid
from .roots import make_root, pool_of
from .specimen import FIELD_UM, Specimen, sample_specimen, slide_of
from .stain import Tissue, render_tissue
from .tissue_questions import write_tissue_report
from .write import NOTICE

VERSION = 1
SLIDE_MPP = 0.5
"""Microns per pixel of slides: 2,240 x 1,792 pixels."""
SLIDE_TILES = 6
"""Tiles of a slide that the manifest lists."""


def make_tissue(
    root: str | Path,
    *,
    patients: int = 1000,
    seed: int = 0,
    size: int = 128,
    slides: int = 0,
    hardness: Hardness | Mapping[str, float] = EASY,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a phantom root once; a root with the same parameters is left as it is.

    Args:
        root: Folder to make; it appears only when it is complete.
        patients: Virtual patients, each with one tile.
        seed: Seed of the cohort.
        size: Pixels along each side of a tile (448 is 0.5 microns per pixel).
        slides: How many of the first patients get a slide too (about 9 MB each).
        hardness: How hard the images are to read; as a recipe writes it: ``{contrast: 0.5}``.
        progress: Called with (patients done, patients) after each patient.

    Returns:
        The root.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder holds something else, or a phantom of other parameters.
    """
    if patients < 1 or not 0 <= slides <= patients:
        raise ValueError(f"A phantom has 1 or more patients and 0 to that many slides, got {patients}, {slides}.")
    hard = Hardness.of(hardness)
    recipe: dict[str, Any] = {"phantom": "tissue", "version": VERSION, "patients": patients, "seed": seed, "size": size}
    recipe |= {"slides": slides, "hardness": hard.changed()}

    def fill(draft: Path) -> None:
        for name in ("tiles", *(["slides"] if slides else [])):
            (draft / name).mkdir()
        with (draft / "manifest.jsonl").open("w") as manifest:
            for index in range(patients):
                record = _write(draft, sample_specimen(seed, index, hard), size, slide=index < slides)
                manifest.write(json.dumps(record) + "\n")
                if progress is not None:
                    progress(index + 1, patients)

    return make_root(root, recipe, fill)


def _write(root: Path, specimen: Specimen, size: int, *, slide: bool) -> dict[str, Any]:
    """Write the files of one patient and return its line of the manifest."""
    tile = render_tissue(specimen, size)
    files = {"tile": f"tiles/{specimen.patient}.png"}
    write_tile(tile.pixels, root / files["tile"])
    record: dict[str, Any] = {
        "patient": specimen.patient,
        "index": specimen.index,
        "seed": specimen.seed,
        "pool": pool_of(specimen.index),
        "files": files,
        "mpp": FIELD_UM / size,
        "areas": [asdict(area) for area in specimen.areas],
        "boxes": _rounded(tile),
        "mitoses": [[round(edge, 4) for edge in box] for box in tile.mitoses],
        "report": write_tissue_report(specimen),
    }
    if slide:
        whole = slide_of(specimen)
        picture = render_tissue(whole, round(whole.field[1] / SLIDE_MPP))
        files["slide"] = f"slides/{specimen.patient}.tif"
        write_pyramid(root / files["slide"], picture.pixels, SLIDE_MPP, comment=NOTICE)
        record |= {"slide_boxes": _rounded(picture), "regions": _regions(picture.pixels, specimen.index)}
    return record


def _rounded(picture: Tissue) -> dict[str, list[float]]:
    return {kind: [round(float(edge), 4) for edge in box] for kind, box in picture.boxes.items()}


def write_tile(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a picture as PNG that says it is a phantom.

    Args:
        pixels: Colours, ``yxc``.
        path: File to write.
    """
    from PIL import Image as Pil
    from PIL import PngImagePlugin

    about = PngImagePlugin.PngInfo()
    about.add_text("Description", NOTICE)
    Pil.fromarray(pixels).save(path, pnginfo=about)


def _regions(pixels: NDArray[np.uint8], seed: int, size: int = 448) -> list[list[int]]:
    """Level-0 boxes of tiles of tissue, chosen as the slide reader chooses them."""
    height, width = pixels.shape[:2]
    points = np.stack(np.meshgrid(grid_of(width, size), grid_of(height, size)), axis=-1).reshape(-1, 2)
    share = shares(tissue_mask(pixels[::4, ::4]), points[:, 1] / 4, points[:, 0] / 4, size / 4, size / 4)
    rich = np.flatnonzero(share >= 0.5)
    chosen = points[rich[farthest_points(points[rich], share[rich], SLIDE_TILES, seed)]]
    return [[int(x), int(y), int(x) + size, int(y) + size] for x, y in chosen]
