"""The thorax phantom's studies as files: written once as DICOM (and NIfTI), with a manifest of what is in them.

Layout of a root::

    phantom.json                       the parameters that made it
    manifest.jsonl                     one line a study: split, findings with boxes, reports
    studies/<patient>/<study>/image.dcm          the radiograph
    studies/<patient>/<study>/ct/0001.dcm ...    the CT series
    nifti/<patient>_<study>.nii.gz               the same volume

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .findings import Study, sample_patient
from .hardness import EASY, Hardness
from .render import box_of, render_radiograph, render_volume
from .report import FAITHFUL, write_report
from .roots import make_root, pool_of
from .write import write_nifti, write_radiograph, write_series

Modality = Literal["cr", "ct", "both"]
VERSION = 2


def make_thorax(
    root: str | Path,
    *,
    patients: int = 1000,
    seed: int = 0,
    size: int = 128,
    modality: Modality = "cr",
    shape: tuple[int, int, int] = (32, 64, 64),
    hardness: Hardness | Mapping[str, float] = EASY,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a phantom root once; a root with the same parameters is left as it is.

    Args:
        root: Folder to make; it appears only when it is complete.
        patients: Virtual patients; a quarter has a prior study too.
        seed: Seed of the cohort.
        size: Pixels along each side of a radiograph.
        modality: ``cr`` radiographs, ``ct`` volumes, or ``both``.
        shape: Voxels (z, y, x) of a volume.
        hardness: How hard the images are to read; as a recipe writes it: ``{contrast: 0.5}``.
        progress: Called with (patients done, patients) after each patient.

    Returns:
        The root.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder holds something else, or a phantom of other parameters.
    """
    if patients < 1 or modality not in ("cr", "ct", "both"):
        raise ValueError(f"A phantom has 1 or more patients and modality cr, ct or both, got {patients}, {modality!r}.")
    hard = Hardness.of(hardness)
    recipe: dict[str, Any] = {
        "version": VERSION,
        "patients": patients,
        "seed": seed,
        "size": size,
        "modality": modality,
        "shape": list(shape) if modality != "cr" else None,
    }
    if hard.changed():
        recipe["hardness"] = hard.changed()

    def fill(draft: Path) -> None:
        with (draft / "manifest.jsonl").open("w") as manifest:
            for index in range(patients):
                for study in sample_patient(seed, index, hard):
                    manifest.write(json.dumps(_write_study(draft, study, size, modality, shape)) + "\n")
                if progress is not None:
                    progress(index + 1, patients)

    return make_root(root, recipe, fill)


def _write_study(root: Path, study: Study, size: int, modality: str, shape: tuple[int, int, int]) -> dict[str, Any]:
    """Write the files of one study and return its line of the manifest."""
    name = f"s{study.number}"
    folder = root / "studies" / study.patient / name
    folder.mkdir(parents=True)
    files: dict[str, str] = {}
    boxes: Mapping[str, Sequence[float]] = {}
    if modality != "ct":
        image = render_radiograph(study, size)
        write_radiograph(study, image, folder / "image.dcm")
        files["cr"], boxes = f"studies/{study.patient}/{name}/image.dcm", image.boxes
    if modality != "cr":
        volume = render_volume(study, shape)
        write_series(study, volume, folder / "ct")
        (root / "nifti").mkdir(exist_ok=True)
        files["ct"] = f"studies/{study.patient}/{name}/ct"
        files["nifti"] = f"nifti/{study.patient}_{name}.nii.gz"
        write_nifti(volume, root / files["nifti"])
        # A frontal view of the volume has its head at the top, as a radiograph has.
        boxes = boxes or {kind: box_of(np.any(mask, axis=1)[::-1]) for kind, mask in volume.masks.items()}
    return _record(study, files, boxes)


def _record(study: Study, files: Mapping[str, str], boxes: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {
        "patient": study.patient,
        "study": f"s{study.number}",
        "index": study.index,
        "number": study.number,
        "seed": study.seed,
        "pool": pool_of(study.index),
        "files": dict(files),
        "findings": [asdict(finding) for finding in study.findings],
        "resolved": [asdict(finding) for finding in study.resolved],
        "boxes": {kind: [round(float(edge), 4) for edge in box] for kind, box in boxes.items()},
        "prior": "s0" if study.has_prior else None,
        "report": write_report(study),
        "faithful": write_report(study, FAITHFUL),
    }
