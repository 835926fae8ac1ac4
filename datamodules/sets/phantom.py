"""The phantoms of medvlm as sets: NOT PATIENTS. They load only when asked for, for they draw what they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medvlm.study import Sample

from .cards import SetCard
from .records import Absent, LoadReport, check_options, collect


def load_thorax(
    root: Path | str,
    split: str,
    *,
    report: LoadReport | None = None,
    absent: Absent = "keep",
    **options: Any,
) -> Iterator[Sample]:
    """Give the samples of the thorax phantom.

    Args:
        root: Folder where the phantom writes its studies.
        split: ``train``, ``validate`` or ``test``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
        options: What the phantom takes: see ``medvlm.datamodules.phantoms.thorax_set``.
    """
    from ..phantoms.thorax_set import load_thorax as load

    return _counted("thorax", load, root, split, report, absent, options)


THORAX = SetCard(
    name="thorax",
    title="thorax phantom",
    paper="none: drawn by medvlm.datamodules.phantoms",
    licence="Apache-2.0",
    access="open",
    source="medvlm.datamodules.phantoms.thorax_set.make_thorax writes it",
    kinds=("choice", "closed", "open", "box", "report"),
    load=load_thorax,
)


def load_tissue(
    root: Path | str,
    split: str,
    *,
    report: LoadReport | None = None,
    absent: Absent = "keep",
    **options: Any,
) -> Iterator[Sample]:
    """Give the samples of the tissue phantom.

    Args:
        root: Folder where the phantom writes its tiles and slides.
        split: ``train``, ``validate`` or ``test``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
        options: What the phantom takes: see ``medvlm.datamodules.phantoms.tissue_set``.
    """
    from ..phantoms.tissue_set import load_tissue as load

    return _counted("tissue", load, root, split, report, absent, options)


TISSUE = SetCard(
    name="tissue",
    title="tissue phantom",
    paper="none: drawn by medvlm.datamodules.phantoms",
    licence="Apache-2.0",
    access="open",
    source="medvlm.datamodules.phantoms.tissue_set.make_tissue writes it",
    kinds=("choice", "closed", "open", "box", "number", "report"),
    load=load_tissue,
)


def _counted(
    name: str,
    load: Callable[..., Iterator[Sample]],
    root: Path | str,
    split: str,
    report: LoadReport | None,
    absent: Absent,
    options: Mapping[str, Any],
) -> Iterator[Sample]:
    """Give what a phantom's loader gives, its options checked and its samples counted as those of any set."""
    check_options(name, load, options)
    samples = load(root, split, **options)
    return collect(samples, lambda sample: sample, name=f"{name} {split}", report=report, absent=absent)


def make_phantom(name: str, root: Path | str, **options: Any) -> Path:
    """Write a phantom's images, unless they are there.

    Args:
        name: ``thorax`` or ``tissue``.
        root: Folder to make.
        options: What ``make_thorax`` or ``make_tissue`` takes: ``patients``, ``seed``, ``size``, ``hardness``, ...

    Raises:
        ValueError: If the phantom is unknown, or an option is out of range.
        FileExistsError: If the folder holds something else.
    """
    if name == "thorax":
        from ..phantoms.thorax_set import make_thorax

        return make_thorax(root, **options)
    if name == "tissue":
        from ..phantoms.tissue_set import make_tissue

        return make_tissue(root, **options)
    raise ValueError(f"phantom {name!r} is unknown; there are thorax and tissue.")
