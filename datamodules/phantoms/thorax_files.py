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
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medvlm.study import SampleError

from .findings import Study, sample_patient
from .render import box_of, render_radiograph, render_volume
from .report import FAITHFUL, write_report
from .write import write_nifti, write_radiograph, write_series

Modality = Literal["cr", "ct", "both"]
VERSION = 2
SHARES: Mapping[str, float] = {"sft": 0.5, "rl": 0.25, "validate": 0.05, "test": 0.2}
"""Share of the virtual patients in each pool; ``sft`` and ``rl`` together are the split ``train``."""


def pool_of(index: int) -> str:
    """The pool of a patient; it depends on its number only, so that two roots never mix splits.

    Examples:
        >>> sorted({pool_of(index) for index in range(40)})
        ['rl', 'sft', 'test', 'validate']
    """
    place = (index * 0.6180339887498949 + 0.1) % 1.0
    for pool, share in SHARES.items():
        if place < share:
            return pool
        place -= share
    return "test"


def make_thorax(
    root: str | Path,
    *,
    patients: int = 1000,
    seed: int = 0,
    size: int = 128,
    modality: Modality = "cr",
    shape: tuple[int, int, int] = (32, 64, 64),
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
        progress: Called with (patients done, patients) after each patient.

    Returns:
        The root.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If the folder holds something else, or a phantom of other parameters.
    """
    if patients < 1 or modality not in ("cr", "ct", "both"):
        raise ValueError(f"A phantom has 1 or more patients and modality cr, ct or both, got {patients}, {modality!r}.")
    root = Path(root)
    recipe: dict[str, Any] = {
        "version": VERSION,
        "patients": patients,
        "seed": seed,
        "size": size,
        "modality": modality,
    }
    recipe["shape"] = list(shape) if modality != "cr" else None
    if root.exists() and any(root.iterdir()):
        _same(root, recipe)
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _fill(draft, recipe, shape, progress)
        if root.exists():
            root.rmdir()
        draft.chmod(0o755)
        os.replace(draft, root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def _same(root: Path, recipe: Mapping[str, Any]) -> None:
    about = root / "phantom.json"
    if not about.is_file():
        raise FileExistsError(f"{root} is not empty and no phantom root (no phantom.json): name another folder.")
    found = json.loads(about.read_text())
    if found != recipe:
        changed = ", ".join(
            f"{key}={found.get(key)!r}, wanted {recipe[key]!r}" for key in recipe if found.get(key) != recipe[key]
        )
        raise FileExistsError(
            f"{root} holds a phantom of other parameters ({changed}): name another folder or delete it."
        )


def _fill(
    root: Path, recipe: Mapping[str, Any], shape: tuple[int, int, int], progress: Callable[[int, int], None] | None
) -> None:
    total = int(recipe["patients"])
    with (root / "manifest.jsonl").open("w") as manifest:
        for index in range(total):
            for study in sample_patient(int(recipe["seed"]), index):
                record = _write_study(root, study, int(recipe["size"]), str(recipe["modality"]), shape)
                manifest.write(json.dumps(record) + "\n")
            if progress is not None:
                progress(index + 1, total)
    (root / "phantom.json").write_text(json.dumps(recipe) + "\n")


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


def read_manifest(root: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the studies of a phantom root as dictionaries.

    Raises:
        SampleError: If the folder is no phantom root or a line is broken.
    """
    path = Path(root) / "manifest.jsonl"
    if not path.is_file():
        raise SampleError(f"{root} is no phantom root (no manifest.jsonl): make one with make_thorax({str(root)!r}).")
    with path.open() as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise SampleError(f"{path}, line {number}: no JSON ({error}); make the root again.") from None
