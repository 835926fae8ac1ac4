"""The thorax phantom as a set: questions about the studies that ``make_thorax`` wrote, without reading pixels.

``.github/thorax.jpg`` shows eight patients; ``python -m medvlm.datamodules.phantoms.sheet --out FILE.png`` draws such a
sheet, and :mod:`.hardness` says how to make them harder to read.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medvlm.study import ImageRef, Sample, SampleError

from .compare import comparison
from .findings import Finding
from .miner import MINERS, Label, Labels, Miner, mine_labels, true_labels
from .questions import Asked, ask
from .roots import pool_of, read_manifest, split_of
from .thorax_files import make_thorax

__all__ = ["atlas_box", "label_error_rate", "load_thorax", "make_thorax", "pool_of", "read_manifest"]

KINDS_OF_ANSWER = ("choice", "closed", "open", "box", "report")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a caller of ``load_thorax`` asks for."""

    root: Path
    split: str
    modality: str
    miner: Miner | float
    kinds: Sequence[str]
    pool: str | None
    per_image: float

    def check(self) -> None:
        """Refuse what is not known, and say what is."""
        share = isinstance(self.miner, (int, float)) and 0 <= self.miner <= 1
        kinds = bool(self.kinds) and set(self.kinds) <= set(KINDS_OF_ANSWER)
        for good, what, expected in (
            (self.split in ("train", "validate", "test"), "split", "train, validate or test"),
            (self.modality in ("cr", "ct", "nifti", "slice"), "modality", "cr, ct, nifti or slice"),
            (share or self.miner in MINERS, "miner", "crude, fair, exact or a share from 0 to 1"),
            (kinds, "kinds", f"some of {', '.join(KINDS_OF_ANSWER)}"),
            (self.pool in (None, "sft", "rl"), "pool", "sft, rl or None"),
            (self.per_image > 0, "per_image", "more than 0"),
        ):
            if not good:
                raise ValueError(f"{what}={getattr(self, what)!r}: expected {expected}.")

    def takes(self, pool: str) -> bool:
        """Whether a patient of that pool is wanted."""
        return split_of(pool) == self.split and self.pool in (None, pool)

    def image(self, record: Mapping[str, Any]) -> ImageRef:
        """The image of a study in the wanted form."""
        files = record["files"]
        if self.modality not in files:
            make = "slice" if self.modality == "slice" else "both"
            raise SampleError(
                f"{self.root} has no {self.modality!r} files, only {', '.join(files)}: make it with modality={make!r}."
            )
        modality = "CT" if self.modality == "nifti" else None
        return ImageRef(self.root / files[self.modality], volume=self.modality in ("ct", "nifti"), modality=modality)


def load_thorax(
    root: str | Path,
    split: str,
    *,
    modality: str = "cr",
    miner: Miner | float = "crude",
    kinds: Sequence[str] = KINDS_OF_ANSWER,
    pool: str | None = None,
    per_image: float = 5.0,
    compare: bool = False,
) -> Iterator[Sample]:
    """Yield the questions of a phantom root; no pixels are read.

    Args:
        root: A folder that ``make_thorax`` wrote.
        split: ``train``, ``validate`` or ``test``; each virtual patient is in one of them.
        modality: ``cr`` shows the radiograph, ``ct`` the DICOM series, ``nifti`` the same volume as NIfTI,
            ``slice`` a coronal slice of it.
        miner: Who made ``weak_answer`` from the report: ``crude`` (about 40 % wrong), ``fair``,
            ``exact`` (never wrong), or the share of studies (0 to 1) that ``crude`` read, the others being exact.
        kinds: Forms of answers: any of choice, closed, open, box, report.
        pool: Only patients of this pool of ``train``: ``sft`` or ``rl``.
        per_image: About how many questions a study with findings gets.
        compare: Whether follow-ups also get a question with two images, the prior first.

    Yields:
        Samples. ``answer`` and ``rationale`` are true; ``weak_answer`` and ``extra["weak_rationale"]`` are mined.

    Raises:
        ValueError: If an argument is none of the above.
        SampleError: If the folder is no phantom root, or was made without this modality.
    """
    wanted = _Wanted(Path(root), split, modality, miner, kinds, pool, per_image)
    wanted.check()
    prior: ImageRef | None = None
    for record in read_manifest(root):
        if not wanted.takes(record["pool"]):
            continue
        image = wanted.image(record)
        yield from _samples(wanted, record, image)
        if compare and record["prior"] and prior is not None:
            sample = comparison(record, (prior, image), split, exact=_reader(record, miner) == "exact")
            yield from () if sample is None else (sample,)
        prior = image


def _reader(record: Mapping[str, Any], miner: Miner | float) -> Miner:
    """Who reads the report of a study, where a share of the studies is read crudely."""
    if not isinstance(miner, (int, float)):
        return miner
    rng = np.random.default_rng([record["seed"], record["index"], record["number"], 5])
    return "crude" if rng.random() < miner else "exact"


def _truth(record: Mapping[str, Any]) -> dict[str, Label]:
    findings = tuple(Finding(**{**item, "place": tuple(item["place"])}) for item in record["findings"])
    return true_labels(findings)


def _samples(wanted: _Wanted, record: Mapping[str, Any], image: ImageRef) -> Iterator[Sample]:
    truth, miner = _truth(record), _reader(record, wanted.miner)
    weak = truth if miner == "exact" else mine_labels(record["report"], miner)
    rng = np.random.default_rng([record["seed"], record["index"], record["number"], 4])
    for asked in ask(truth, rng, wanted.kinds, wanted.per_image):
        yield Sample(
            id=f"{record['patient']}/{record['study']}/{asked.template.name}",
            images=(image,),
            question=asked.text,
            answer=_answer(asked, truth, record, true=True),
            kind=asked.template.kind,
            options=asked.options,
            group=record["patient"],
            split=wanted.split,
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
