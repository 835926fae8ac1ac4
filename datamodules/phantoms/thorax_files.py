"""The thorax phantom's studies as files: written once as DICOM (and NIfTI), with a manifest of what is in them.

Layout of a root::

    phantom.json                       the parameters that made it
    manifest.jsonl                     one line a study: split, findings with boxes, reports
    studies/<patient>/<study>/image.dcm          the radiograph
    studies/<patient>/<study>/ct/0001.dcm ...    the CT series
    studies/<patient>/<study>/slice.dcm          a coronal slice of it
    nifti/<patient>_<study>.nii.gz               the same volume

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from .findings import Study, sample_patient
from .hardness import EASY, Hardness
from .render import box_of, render_radiograph, render_volume
from .report import FAITHFUL, write_report
from .roots import make_root, pool_of
from .scanner import PLAIN, Scanner
from .slab import render_slab
from .write import write_nifti, write_radiograph, write_series, write_slab

Modality = Literal["cr", "ct", "both", "slice"]
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
    scanner: Scanner | Mapping[str, float] = PLAIN,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a phantom root once; a root with the same parameters is left as it is.

    Args:
        root: Folder to make; it appears only when it is complete.
        patients: Virtual patients; a quarter has a prior study too.
        seed: Seed of the cohort.
        size: Pixels along each side of a radiograph or slice.
        modality: ``cr`` radiographs, ``ct`` volumes, ``both``, or ``slice``: one coronal slice of each volume.
        shape: Voxels (z, y, x) of a volume.
        hardness: How hard the images are to read; as a recipe writes it: ``{contrast: 0.5}``.
        scanner: What takes the radiographs; as a recipe writes it: ``{blur: 2.0}``.
        progress: Called with (patients done, patients) after each patient.

    Returns:
        The root.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder holds something else, or a phantom of other parameters.
    """
    if patients < 1 or modality not in get_args(Modality):
        known = ", ".join(get_args(Modality))
        raise ValueError(f"A phantom has 1 or more patients and modality {known}; got {patients}, {modality!r}.")
    hard, taken = Hardness.of(hardness), Scanner.of(scanner)
    if taken.changed() and modality in ("ct", "slice"):
        raise ValueError(f"scanner={taken.changed()} changes radiographs; modality {modality!r} has none.")
    recipe: dict[str, Any] = {
        "version": VERSION,
        "patients": patients,
        "seed": seed,
        "size": size,
        "modality": modality,
        "shape": list(shape) if modality in ("ct", "both") else None,
    }
    for knobs, changed in (("hardness", hard.changed()), ("scanner", taken.changed())):
        if changed:
            recipe[knobs] = changed

    def fill(draft: Path) -> None:
        with (draft / "manifest.jsonl").open("w") as manifest:
            for index in range(patients):
                for study in sample_patient(seed, index, hard):
                    manifest.write(json.dumps(_write_study(draft, study, size, modality, shape, taken)) + "\n")
                if progress is not None:
                    progress(index + 1, patients)

    return make_root(root, recipe, fill)


def _write_study(
    root: Path, study: Study, size: int, modality: str, shape: tuple[int, int, int], scanner: Scanner
) -> dict[str, Any]:
    """Write the files of one study and return its line of the manifest."""
    name = f"s{study.number}"
    folder = root / "studies" / study.patient / name
    folder.mkdir(parents=True)
    files: dict[str, str] = {}
    boxes: Mapping[str, Sequence[float]] = {}
    if modality == "slice":
        slab = render_slab(study, size)
        write_slab(study, slab, folder / "slice.dcm")
        files["slice"], boxes = f"studies/{study.patient}/{name}/slice.dcm", slab.boxes
    if modality in ("cr", "both"):
        image = render_radiograph(study, size, scanner=scanner)
        write_radiograph(study, image, folder / "image.dcm")
        files["cr"], boxes = f"studies/{study.patient}/{name}/image.dcm", image.boxes
    if modality in ("ct", "both"):
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
