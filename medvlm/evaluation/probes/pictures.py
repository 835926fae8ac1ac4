"""Pictures that a medical model has nothing to say about, drawn by arithmetic, and phantoms of the wrong kind."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from medvlm.files import write_whole

SIDE = 256
"""Height and width in pixels."""
Bytes = NDArray[np.uint8]


def _gradient(rng: np.random.Generator) -> Bytes:
    return np.broadcast_to(np.arange(SIDE, dtype=np.uint8), (SIDE, SIDE)).copy()


def _noise(rng: np.random.Generator) -> Bytes:
    return rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def _checkerboard(rng: np.random.Generator) -> Bytes:
    rows, columns = np.indices((SIDE, SIDE)) // (SIDE // 8)
    return np.where((rows + columns) % 2, 255, 0).astype(np.uint8)


def _page(rng: np.random.Generator) -> Bytes:
    """Lines of dark words of random lengths on white, as a page of text looks from afar."""
    page = np.full((SIDE, SIDE), 255, np.uint8)
    for top in range(16, SIDE - 20, 12):
        left = 16
        while left < SIDE - 40:
            width = int(rng.integers(6, 30))
            page[top : top + 5, left : left + width] = rng.choice((0, 60, 110), (5, width))
            left += width + 5
    return page


def _blank(rng: np.random.Generator) -> Bytes:
    return np.full((SIDE, SIDE), 255, np.uint8)


def _tissue(rng: np.random.Generator) -> Bytes:
    from medvlm.datamodules.phantoms.specimen import sample_specimen
    from medvlm.datamodules.phantoms.stain import render_tissue

    return render_tissue(sample_specimen(0, 0), SIDE).pixels


def _radiograph(rng: np.random.Generator) -> Bytes:
    from medvlm.datamodules.phantoms.findings import sample_patient
    from medvlm.datamodules.phantoms.render import render_radiograph

    return (render_radiograph(sample_patient(0, 0)[0], SIDE).pixels >> 4).astype(np.uint8)


_COMPUTED: Mapping[str, Callable[[np.random.Generator], Bytes]] = {
    "gradient": _gradient,
    "noise": _noise,
    "checkerboard": _checkerboard,
    "page of text": _page,
    "blank page": _blank,
}
_WRONG_KIND: Mapping[bool, tuple[str, Callable[[np.random.Generator], Bytes]]] = {
    True: ("tissue under the microscope", _tissue),
    False: ("chest radiograph", _radiograph),
}


def write_pictures(folder: Path, *, chest: bool, seed: int = 0) -> dict[str, Path]:
    """Write the pictures as PNG, the same bytes for the same seed; the files by what they show.

    Five are not medical: a gradient, noise, a checkerboard, a page of text and a blank one, in gray, as radiographs
    are, so that colour alone does not give them away. One is medical and of the wrong kind: for a set of the chest a
    stained tile of tissue, for any other a radiograph of the chest, both of the phantoms that medvlm draws.

    Args:
        folder: Where they go; it is made.
        chest: Whether the set is of the chest.
        seed: Seed of the noise and of the page.
    """
    name, draw = _WRONG_KIND[chest]
    written = {}
    for place, (picture, make) in enumerate({**_COMPUTED, name: draw}.items()):
        path = folder / f"{picture.replace(' ', '-')}.png"
        buffer = io.BytesIO()
        Pil.fromarray(make(np.random.default_rng([seed, place]))).save(buffer, format="PNG")
        if not path.exists() or path.read_bytes() != buffer.getvalue():
            write_whole(path, buffer.getvalue())
        written[picture] = path
    return written
