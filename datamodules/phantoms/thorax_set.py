"""The thorax phantom as a set: written once as DICOM (and NIfTI), read like any other set.

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medvlm.study import ImageRef, Sample, SampleError

from .findings import Finding, Study, sample_patient
from .miner import MINERS, Label, Labels, Miner, mine_labels, true_labels
from .questions import Asked, ask
from .render import box_of, render_radiograph, render_volume
from .report import FAITHFUL, write_report
from .write import write_nifti, write_radiograph, write_series

Modality = Literal["cr", "ct", "both"]
VERSION = 1
KINDS_OF_ANSWER = ("choice", "closed", "open", "box", "report")
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
    recipe = {"version": VERSION, "patients": patients, "seed": seed, "size": size, "modality": modality}
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
        boxes = boxes or {kind: box_of(mask.any(axis=1)[::-1]) for kind, mask in volume.masks.items()}
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


def load_thorax(
    root: str | Path,
    split: str,
    *,
    modality: str = "cr",
    miner: Miner | float = "crude",
    kinds: Sequence[str] = KINDS_OF_ANSWER,
    pool: str | None = None,
    per_image: float = 5.0,
) -> Iterator[Sample]:
    """Yield the questions of a phantom root; no pixels are read.

    Args:
        root: A folder that ``make_thorax`` wrote.
        split: ``train``, ``validate`` or ``test``; each virtual patient is in one of them.
        modality: ``cr`` shows the radiograph, ``ct`` the DICOM series, ``nifti`` the same volume as NIfTI.
        miner: Who made ``weak_answer`` from the report: ``crude`` (about 40 % wrong), ``fair``, ``exact`` (never wrong),
            or the share of studies (0 to 1) that ``crude`` read, the others being exact.
        kinds: Forms of answers: any of choice, closed, open, box, report.
        pool: Only patients of this pool of ``train``: ``sft`` or ``rl``.
        per_image: About how many questions a study with findings gets.

    Yields:
        Samples. ``answer`` and ``rationale`` are true; ``weak_answer`` and ``extra["weak_rationale"]`` are mined.

    Raises:
        ValueError: If an argument is none of the above.
        SampleError: If the folder is no phantom root, or was made without this modality.
    """
    _check(split, modality, miner, kinds, pool, per_image)
    for record in read_manifest(root):
        member = record["pool"]
        if ("train" if member in ("sft", "rl") else member) != split or pool not in (None, member):
            continue
        if modality not in record["files"]:
            raise SampleError(
                f"{root} has no {modality!r} files, only {', '.join(record['files'])}: make it with modality='both'."
            )
        yield from _samples(Path(root), record, split, modality, miner, kinds, per_image)


def _check(
    split: str, modality: str, miner: Miner | float, kinds: Sequence[str], pool: str | None, per_image: float
) -> None:
    known = (isinstance(miner, (int, float)) and 0 <= miner <= 1) or miner in MINERS
    for good, what, given, expected in (
        (split in ("train", "validate", "test"), "split", split, "train, validate or test"),
        (modality in ("cr", "ct", "nifti"), "modality", modality, "cr, ct or nifti"),
        (known, "miner", miner, "crude, fair, exact or a share from 0 to 1"),
        (bool(kinds) and set(kinds) <= set(KINDS_OF_ANSWER), "kinds", kinds, f"some of {', '.join(KINDS_OF_ANSWER)}"),
        (pool in (None, "sft", "rl"), "pool", pool, "sft, rl or None"),
        (per_image > 0, "per_image", per_image, "more than 0"),
    ):
        if not good:
            raise ValueError(f"{what}={given!r}: expected {expected}.")


def _believed(record: Mapping[str, Any], truth: Labels, miner: Miner | float) -> Labels:
    """The labels that a miner makes of one study."""
    if isinstance(miner, (int, float)):
        rng = np.random.default_rng([record["seed"], record["index"], record["number"], 5])
        miner = "crude" if rng.random() < miner else "exact"
    return truth if miner == "exact" else mine_labels(record["report"], miner)


def _truth(record: Mapping[str, Any]) -> dict[str, Label]:
    findings = tuple(Finding(**{**item, "place": tuple(item["place"])}) for item in record["findings"])
    return true_labels(findings)


def _samples(
    root: Path,
    record: Mapping[str, Any],
    split: str,
    modality: str,
    miner: Miner | float,
    kinds: Sequence[str],
    per_image: float,
) -> Iterator[Sample]:
    truth = _truth(record)
    weak = _believed(record, truth, miner)
    rng = np.random.default_rng([record["seed"], record["index"], record["number"], 4])
    image = ImageRef(root / record["files"][modality], volume=modality != "cr")
    for asked in ask(truth, rng, kinds, per_image):
        yield Sample(
            id=f"{record['patient']}/{record['study']}/{asked.template.name}",
            images=(image,),
            question=asked.text,
            answer=_answer(asked, truth, record, true=True),
            kind=asked.template.kind,
            options=asked.options,
            group=record["patient"],
            split=split,
            categories={
                "task": asked.template.skill,
                "template": asked.template.name,
                "pool": record["pool"],
                "organ": "CHEST",
            },
            rationale=asked.rationale(truth),
            weak_answer=_answer(asked, weak, record, true=miner == "exact"),
            extra={"weak_rationale": asked.rationale(weak), "finding": asked.finding},
        )


def _answer(asked: Asked, labels: Labels, record: Mapping[str, Any], *, true: bool) -> str:
    if asked.template.kind == "report":
        return str(record["faithful" if true else "report"])
    if asked.template.kind == "box":
        box = record["boxes"][asked.finding] if true else atlas_box(asked.finding, labels[asked.finding])
        return " ".join(f"{edge:.2f}" for edge in box)
    return asked.answer(labels)


_ATLAS: Mapping[str, tuple[float, float, float, float]] = {
    "effusion": (0.56, 0.5, 0.84, 0.78),
    "pneumothorax": (0.54, 0.12, 0.86, 0.66),
    "consolidation": (0.6, 0.5, 0.84, 0.7),
    "nodule": (0.64, 0.52, 0.78, 0.66),
    "cardiomegaly": (0.3, 0.3, 0.84, 0.74),
}


def atlas_box(kind: str, label: Label) -> tuple[float, float, float, float]:
    """Where a finding usually lies, by its mined side and zone: the box of someone who did not look.

    Args:
        kind: Kind of finding.
        label: What was mined about it.
    """
    x0, y0, x1, y1 = _ATLAS[kind]
    if label.zone == "upper":
        y0, y1 = y0 - 0.3, y1 - 0.3
    return (1 - x1, y0, 1 - x0, y1) if label.side == "right" else (x0, y0, x1, y1)


def label_error_rate(samples: Iterable[Sample]) -> dict[str, float]:
    """How often the mined answer differs from the true one, by template and over ``all`` (boxes and reports left out).

    Args:
        samples: What ``load_thorax`` yields.

    Raises:
        SampleError: If no sample has a mined answer.
    """
    wrong: dict[str, list[bool]] = {}
    for sample in samples:
        if sample.kind not in ("box", "report") and sample.weak_answer is not None:
            wrong.setdefault(sample.categories["template"], []).append(sample.weak_answer != sample.answer)
    if not wrong:
        raise SampleError(
            "No sample has a mined answer: give the samples of load_thorax(...) with kinds choice, closed or open."
        )
    rates = {name: float(np.mean(marks)) for name, marks in sorted(wrong.items())}
    return rates | {"all": float(np.mean([mark for marks in wrong.values() for mark in marks]))}
