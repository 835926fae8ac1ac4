"""The names and tables of CT-RATE: which volume a name means, its rescale, its spacing, its labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medvlm.study import SampleError

from .records import UnusableRecordError, find_file, inside, is_there
from .table import read_table

TITLE = "CT-RATE"
SPLITS = {"train": ("train", "train"), "validate": ("validation", "valid")}
SECTIONS = {
    "clinical_information": "ClinicalInformation_EN",
    "technique": "Technique_EN",
    "findings": "Findings_EN",
    "impression": "Impressions_EN",
}
LABELS = (
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
)
NAME = re.compile(r"^((train|valid)_\d+)_([a-z]+)_(\d+)(?:\.nii\.gz)?$")
# Volumes that users of the set found to be broken.
BAD = frozenset({"train_1267_a_4", "train_11755_a_3", "train_11755_a_4"})


@dataclass(frozen=True, slots=True)
class Volume:
    """The parts of a volume's name.

    Attributes:
        name: Without ``.nii.gz``.
        patient: ``train_1``.
        scan: ``a``, ``b``, ...
        reconstruction: From 1.
    """

    name: str
    patient: str
    scan: str
    reconstruction: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}.nii.gz"

    @property
    def path(self) -> str:
        """Its file below the folder of a split."""
        return f"{self.patient}/{self.patient}_{self.scan}/{self.file}"


def read_name(text: str, where: str) -> Volume:
    """Take the name of a volume apart.

    Raises:
        UnusableRecordError: If it is none.

    Examples:
        >>> read_name("valid_12_b_1.nii.gz", "1").path
        'valid_12/valid_12_b/valid_12_b_1.nii.gz'
    """
    match = NAME.match(text.strip())
    if match is None:
        raise UnusableRecordError(where, "volume name is not train_1_a_1.nii.gz", text)
    return Volume(text.strip().removesuffix(".nii.gz"), match[1], match[3], int(match[4]))


def volume_path(folder: Path, tree: str, volume: Volume, where: str) -> Path:
    """Return the file of a volume: in the fixed tree if it is there, else in the first one.

    Args:
        folder: The ``dataset`` folder.
        tree: ``train`` or ``valid``.
        volume: The volume.
        where: Name of the record.
    """
    fixed, first = (inside(folder / name, volume.path, where) for name in (f"{tree}_fixed", tree))
    return fixed if is_there(fixed) or not is_there(first) else first


def find_table(root: Path | str, name: str) -> Path:
    """Find a table of the release."""
    return find_file(root, [f"dataset/{name}", name], TITLE)


def read_metadata(path: Path) -> dict[str, dict[str, str]]:
    """Return the row of each volume of a metadata table by the volume's name."""
    rows = read_table(path, ("VolumeName", "RescaleIntercept", "RescaleSlope", "XYSpacing", "ZSpacing"))
    return {row["VolumeName"].removesuffix(".nii.gz"): row for row in rows if not isinstance(row, UnusableRecordError)}


def read_rescale(row: Mapping[str, str], where: str) -> tuple[float, float]:
    """Return slope and intercept of a row of the metadata table.

    Raises:
        UnusableRecordError: If they are no finite numbers, or the slope is 0.

    Examples:
        >>> read_rescale({"RescaleSlope": "1", "RescaleIntercept": "-8192"}, "1")
        (1.0, -8192.0)
    """
    try:
        slope, intercept = float(row["RescaleSlope"]), float(row["RescaleIntercept"])
    except ValueError:
        slope, intercept = math.nan, math.nan
    if not (math.isfinite(slope) and math.isfinite(intercept) and slope):
        raise UnusableRecordError(where, "no slope and intercept in the metadata table")
    return slope, intercept


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Return the row of each volume of a label table by the volume's name."""
    rows = read_table(path, ("VolumeName", *LABELS))
    return {row["VolumeName"].removesuffix(".nii.gz"): row for row in rows if not isinstance(row, UnusableRecordError)}


def read_state(text: str, where: str) -> bool:
    """Read a label."""
    if text.strip() not in ("0", "1", "0.0", "1.0"):
        raise UnusableRecordError(where, "label is not 0 or 1", text)
    return text.strip().startswith("1")


def spacing(row: Mapping[str, str]) -> tuple[float, float, float]:
    """Return the spacing (z, y, x) in mm of a row of the metadata table; XYSpacing is the text of a list there.

    Raises:
        SampleError: If it is none.

    Examples:
        >>> spacing({"XYSpacing": "[0.341796875, 0.341796875]", "ZSpacing": "1.5"})
        (1.5, 0.341796875, 0.341796875)
    """
    try:
        y, x = (float(text) for text in row["XYSpacing"].strip(" []").split(","))
        return float(row["ZSpacing"]), y, x
    except ValueError:
        raise SampleError(f"{TITLE}: no spacing in {row['XYSpacing']!r} and {row['ZSpacing']!r}") from None
