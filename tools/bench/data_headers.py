"""Headers of a CT series of 64 slices: what choosing and ordering them takes, against pydicom's quickest way to it.

pydicom stops before the pixels and keeps only the same attributes. Both sides hand out every value; ``apart`` counts
those that differ.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.multival import MultiValue

from medvlm.datamodules.phantoms.findings import sample_patient
from medvlm.datamodules.phantoms.render import render_volume
from medvlm.datamodules.phantoms.write import write_series
from medvlm.datamodules.readers.dicom import HEADER
from medvlm.datamodules.readers.headers import read_header
from tools.bench.data_rows import Row, compare

SLICES = 64


def measure(repeats: int) -> list[Row]:
    """The row of a series.

    Args:
        repeats: Timed runs of each side.
    """
    study = sample_patient(3, 0)[0]
    with tempfile.TemporaryDirectory() as folder:
        write_series(study, render_volume(study, (SLICES, 64, 64)), Path(folder))
        files = sorted(Path(folder).rglob("*.dcm"))
        return [
            compare(
                f"headers of {len(files)} slices",
                lambda: [read_header(path, HEADER) for path in files],
                lambda: [_by_pydicom(path) for path in files],
                peer_name=f"pydicom {version('pydicom')}",
                repeats=repeats,
                difference=lambda one, two: float(sum(a[k] != b[k] for a, b in zip(one, two, strict=True) for k in b)),
                target=5.0,
            )
        ]


def _by_pydicom(path: Path) -> dict[str, Any]:
    dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(HEADER))
    found = {keyword: dataset.get(keyword) for keyword in HEADER if keyword in dataset}
    return {keyword: list(one) if isinstance(one, MultiValue) else one for keyword, one in found.items()}
