"""Draw a contact sheet of a phantom: studies side by side, with what is in them written below.

    python -m medvlm.datamodules.phantoms.sheet --phantom tissue --out sheet.png

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .findings import sample_patient
from .hardness import Hardness
from .render import WINDOW, Radiograph, render_radiograph
from .specimen import sample_specimen
from .stain import render_tissue
from .tissue_questions import diagnosis
from .write import NOTICE

if TYPE_CHECKING:
    from PIL import Image as Pil

CAPTION = "computed, not a patient"
_LINE = 15

Shown = tuple[NDArray[np.uint8], dict[str, tuple[float, float, float, float]], str]
"""Pixels ``yxc``, boxes by name, and one line of words."""


def displayed(image: Radiograph) -> NDArray[np.uint8]:
    """A radiograph in its display window (PS3.3 C.11.2.1.2), as 8-bit colours."""
    low = WINDOW[0] - 0.5 - (WINDOW[1] - 1) / 2
    gray = np.clip((image.pixels - low) / (WINDOW[1] - 1), 0, 1)
    colors: NDArray[np.uint8] = np.repeat(np.rint(gray * 255).astype(np.uint8)[..., None], 3, axis=2)
    return colors


def thorax_studies(size: int, hardness: Hardness, seed: int) -> Iterator[Shown]:
    """First studies of a cohort, as they are displayed."""
    for index in count():
        study = sample_patient(seed, index, hardness)[0]
        image = render_radiograph(study, size)
        words = ", ".join(f"{f.size} {f.side} {f.kind}".replace("  ", " ") for f in study.findings) or "no finding"
        yield displayed(image), dict(image.boxes), words


def tissue_fields(size: int, hardness: Hardness, seed: int) -> Iterator[Shown]:
    """Fields of view of a cohort."""
    for index in count():
        specimen = sample_specimen(seed, index, hardness)
        image = render_tissue(specimen, size)
        words = ", ".join(
            diagnosis(area)
            + (f" ({area.mitoses} {'mitosis' if area.mitoses == 1 else 'mitoses'})" if area.grade else "")
            for area in specimen.areas
        )
        yield image.pixels, dict(image.boxes), words or "normal tissue"


def draw_sheet(shown: Sequence[Shown], columns: int, *, boxes: bool = False) -> Pil.Image:
    """Put studies on one page.

    Args:
        shown: Pictures of one size, with their boxes and words.
        columns: Pictures in a row.
        boxes: Whether boxes are drawn.
    """
    from PIL import Image as Pil
    from PIL import ImageDraw

    height, width = shown[0][0].shape[:2]
    rows = -(-len(shown) // columns)
    page = Pil.new("RGB", (columns * (width + 6) + 6, rows * (height + _LINE + 6) + _LINE + 6), (250, 250, 250))
    pen = ImageDraw.Draw(page)
    for number, (pixels, found, words) in enumerate(shown):
        x, y = 6 + number % columns * (width + 6), 6 + number // columns * (height + _LINE + 6)
        page.paste(Pil.fromarray(pixels), (x, y))
        for x0, y0, x1, y1 in found.values() if boxes else ():
            corners = (x + x0 * width, y + y0 * height, x + x1 * width - 1, y + y1 * height - 1)
            pen.rectangle(corners, outline=(255, 200, 0))
        pen.text((x + 2, y + height + 1), words, fill=(60, 60, 60))
    pen.text((8, page.height - _LINE), f"medvlm: {CAPTION}", fill=(120, 30, 30))
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a sheet to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=NOTICE)
    parser.add_argument("--out", type=Path, required=True, help="file to write, PNG or JPEG by its suffix")
    parser.add_argument("--phantom", choices=("thorax", "tissue"), default="thorax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first patient (default 0)")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--size", type=int, default=256, help="pixels along each side (default 256)")
    parser.add_argument("--boxes", action="store_true", help="draw the boxes of findings")
    for knob, default in (("noise", 1.0), ("contrast", 1.0), ("extent", 1.0), ("confounders", 0)):
        parser.add_argument(f"--{knob}", type=type(default), default=default, help="see the module hardness")
    given = parser.parse_args(arguments)
    if given.count < 1 or given.columns < 1:
        parser.error("--count and --columns are 1 or more")
    try:
        hardness = Hardness(given.noise, given.contrast, given.extent, given.confounders)
        make = thorax_studies if given.phantom == "thorax" else tissue_fields
        shown = list(islice(make(given.size, hardness, given.seed), given.first, given.first + given.count))
    except ValueError as error:
        parser.error(str(error))
    draw_sheet(shown, min(given.columns, given.count), boxes=given.boxes).save(given.out, quality=88)
    print(f"{given.out}: {given.count} studies of the {given.phantom} phantom ({CAPTION})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
