"""M3D-Cap (Bai et al. 2024): captions of CT volumes; withdrawn, for those who hold it already.

::

    root/M3D_Cap_npy/M3D_Cap.json                  # {"train": [{"image", "text"}], "validation": [...], "test": [...]}
    root/M3D_Cap_npy/ct_case/000007/Axial_non_contrast.npy     # volume as prepared: floats 0 to 1, (1, 32, 256, 256)
    root/M3D_Cap/ct_case/000007/Axial_non_contrast/0.png       # volume as released
    root/M3D_Cap/ct_case/000007/text.txt

M3D-Cap was taken off its site after a complaint about Radiopaedia's images. The pictures are windowed to 8 bit, not
Hounsfield units; ``read_image`` takes both forms and counts slices by number (9 before 10). ``text`` in the index is
the path of a file. A volume is the prepared file, or the folder of slices where only that is there. The group is the
case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from medvlm.study import ImageRef, Sample, SampleError

from .cards import SetCard
from .records import Absent, LoadReport, as_record, collect, find_file, inside, is_there
from .row import Row, known_split

KEYS = {"train": "train", "validate": "validation", "test": "test"}
INDEX = ("M3D_Cap_npy/M3D_Cap.json", "M3D_Cap/M3D_Cap.json", "M3D_Cap.json")
QUESTION = "Describe the findings of this CT study."


def load_m3d_cap(
    root: Path | str, split: str, *, report: LoadReport | None = None, absent: Absent = "keep"
) -> Iterator[Sample]:
    """Give the captions of M3D-Cap, one a volume, in the order of the index.

    Args:
        root: Folder from which the paths in the index start.
        split: ``train``, ``validate``, ``test`` or ``all``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose volume is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the index is absent.
        SampleError: If the index is no JSON object of lists.
    """
    known_split(split, KEYS, CARD.title)
    index = find_file(root, INDEX, CARD.title)

    def make(item: tuple[str, int, Any]) -> Sample:
        where = f"{item[0]}-{item[1]}"
        return _sample(Row(as_record(item[2], where), where, item[0]), Path(root))

    parts = tuple(KEYS) if split == "all" else (split,)
    return collect(_read(index, parts), make, name=f"{CARD.title} {split}", report=report, absent=absent)


def _read(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, int, Any]]:
    """Give the records of some splits."""
    try:
        lists = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SampleError(f"{path}: expected a JSON object of lists, found no valid JSON: {error}") from None
    if not isinstance(lists, dict) or not all(isinstance(lists.get(KEYS[part]), list) for part in parts):
        raise SampleError(f"{path}: expected a JSON object with the lists {', '.join(KEYS[part] for part in parts)}")
    for part in parts:
        for number, record in enumerate(lists[KEYS[part]]):
            yield part, number, record


def _sample(row: Row, root: Path) -> Sample:
    """Make a sample of one captioned volume."""
    name, text = row.need("image"), row.need("text")
    if text.endswith(".txt"):
        path = inside(root, text, row.where)
        text = path.read_text(encoding="utf-8", errors="replace").strip() if is_there(path) and path.is_file() else ""
    if not text:
        raise row.refuse("no text: the file of the caption is absent or empty")
    return Sample(
        id=name,
        images=(volume_of(row, root, name),),
        question=QUESTION,
        answer=text,
        kind="report",
        group=case_of(name),
        split=row.split,
        extra=row.fields,
    )


def volume_of(row: Row, root: Path, name: str) -> ImageRef:
    """Return a volume of M3D-Cap: the prepared file, or the folder of slices if only that is there."""
    volume = row.image(root, name, volume=True)
    slices = row.image(root, name.removesuffix(".npy").replace("M3D_Cap_npy", "M3D_Cap"), volume=True)
    return slices if not is_there(volume.path) and is_there(slices.path) else volume


def case_of(name: str) -> str:
    """Return the case of a volume: the two folders above it.

    Examples:
        >>> case_of("M3D_Cap_npy/ct_case/000007/Axial_non_contrast.npy")
        'ct_case/000007'
    """
    return "/".join(PurePosixPath(name).parts[-3:-1]) or name


CARD = SetCard(
    name="m3d_cap",
    title="M3D-Cap",
    paper="Bai et al. 2024, arXiv 2404.00578",
    licence="apache-2.0 by its card; contested: the images are Radiopaedia's",
    access="withdrawn",
    source="huggingface.co/datasets/GoodBaiBai88/M3D-Cap gives it out no longer; for those who hold it",
    kinds=("report",),
    load=load_m3d_cap,
    note="about 42,500 texts on 120,000 images; 8-bit windowed pictures, not Hounsfield units",
)
