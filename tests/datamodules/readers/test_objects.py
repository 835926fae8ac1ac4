"""What becomes of every file that pydicom ships for its tests, and of every real file: pixels, or an error of ours.

``objects.csv`` holds the results; files of one folder with one result share a line. A change of behaviour shows here.
Where it is meant, write the table again: ``python tests/datamodules/readers/test_objects.py > objects.csv``.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from PIL import Image as Pil
from pydicom.errors import InvalidDicomError

from medvlm.datamodules.readers import read_image
from medvlm.datamodules.readers.sniff import HEAD, kind_of
from medvlm.study import ImageError

HERE = Path(__file__).resolve().parent
ROOTS = {"pydicom": Path(pydicom.__file__).parent / "data", "shared": HERE.parents[2].parent / "shared" / "data"}
OURS = (".py", ".pyc", ".md")
Row = tuple[str, str, str]


def _files(root: Path) -> Iterator[Path]:
    """Files that are installed or lie there; ``get_testdata_files`` would download others."""
    return (path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix not in OURS)


def _syntax(path: Path) -> str:
    """Name of the transfer syntax, or the kind of file."""
    head = path.open("rb").read(HEAD)
    kind = kind_of(head)
    if kind != "dicom":
        return kind or "-"
    try:
        meta = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
        syntax = str(meta.TransferSyntaxUID)
        # other packages teach pydicom further names while they are imported: those of its own list alone stand here
        return syntax if syntax in _LATER else str(meta.TransferSyntaxUID.name)
    except (AttributeError, InvalidDicomError, ValueError):
        return "DICOM without header"


def _result(path: Path) -> str:
    """Axes, shape, type and unit; the shape of a picture is checked by PIL instead. Of an error, how it begins."""
    try:
        image = read_image(path)
    except ImageError as error:
        reason = re.split(r"[:,;(\[]", str(error).replace(str(path), "").lstrip(": "))[0]
        return f"{type(error).__name__}: {reason.strip(' .')}"
    shape = "x".join(map(str, image.array.shape))
    if kind_of(path.open("rb").read(HEAD)) == "picture":
        with Pil.open(path) as picture:
            shape = "as PIL says" if picture.size == image.array.shape[1::-1] else shape
    return f"{image.axes} {shape} {image.array.dtype} {image.unit}"


_LATER = ("1.2.840.10008.1.2.8.1",)  # Deflated Image Frame Compression


def table(name: str) -> list[Row]:
    """Read every file below a root; files of one folder with one result are counted.

    Args:
        name: ``pydicom`` or ``shared``.
    """
    found: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom remarks on its broken files
        for path in _files(ROOTS[name]):
            found[path.parent, _syntax(path), _result(path)].append(path.name)
    rows = []
    for (folder, syntax, result), names in found.items():
        place = f"{name}/{folder.relative_to(ROOTS[name]).as_posix()}/{names[0]}"
        rows.append((place + (f" and {len(names) - 1} more" if len(names) > 1 else ""), syntax, result))
    return rows


def _recorded(name: str) -> list[Row]:
    with (HERE / "objects.csv").open(encoding="utf-8", newline="") as file:
        return [(row[0], row[1], row[2]) for row in csv.reader(file) if row[0].startswith(f"{name}/")]


def _print(rows: list[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ROOTS)
def test_every_object_ends_as_recorded(name: str) -> None:
    if not ROOTS[name].is_dir():
        pytest.skip("no ../shared/data: real files are not on this machine")
    rows = table(name)
    print(_print(rows))
    assert sorted(rows) == sorted(_recorded(name))


def test_the_record_is_not_empty() -> None:
    rows = [*_recorded("pydicom"), *_recorded("shared")]
    assert sum("ImageError" not in row[2] for row in rows) > 100
    assert not any("!" in row[2] for row in rows)


if __name__ == "__main__":
    sys.stdout.write(_print([("file", "syntax", "result"), *table("pydicom"), *table("shared")]))
