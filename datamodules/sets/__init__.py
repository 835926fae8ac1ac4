"""Sets of questions about images: each a function ``(root, split, **options)`` that gives samples and reads no pixels.

Examples:
    >>> load_set("vqa-rad", ".", "test")
    Traceback (most recent call last):
    ValueError: set 'vqa-rad' is unknown; did you mean 'vqa_rad'? Known: vqa_rad, slake, rexvqa, jsonl, thorax
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medvlm.study import Sample

from .jsonl import load_jsonl
from .records import Absent, LoadReport, UnusableRecordError, collect, one_of
from .rexvqa import load_rexvqa
from .slake import load_slake
from .vqa_rad import load_vqa_rad

__all__ = ["SETS", "LoadReport", "UnusableRecordError", "load_set"]


def load_thorax(
    root: Path | str,
    split: str,
    *,
    report: LoadReport | None = None,
    absent: Absent = "keep",
    **options: Any,
) -> Iterator[Sample]:
    """Give the samples of the thorax phantom; it loads only when asked for, for it draws what it needs.

    Args:
        root: Folder where the phantom writes its studies.
        split: ``train``, ``validate`` or ``test``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).
        options: What the phantom takes: see ``medvlm.datamodules.phantoms.thorax_set``.
    """
    from ..phantoms.thorax_set import load_thorax as load

    _check_options("thorax", load, options)
    samples = load(root, split, **options)
    return collect(samples, lambda sample: sample, name=f"thorax {split}", report=report, absent=absent)


SETS: dict[str, Callable[..., Iterator[Sample]]] = {
    "vqa_rad": load_vqa_rad,
    "slake": load_slake,
    "rexvqa": load_rexvqa,
    "jsonl": load_jsonl,
    "thorax": load_thorax,
}


def load_set(name: str, root: Path | str, split: str, **options: Any) -> Iterator[Sample]:
    """Give the samples of a set by its name.

    Args:
        name: A key of ``SETS``.
        root: Folder (or file) of the set.
        split: ``train``, ``validate``, ``test`` or ``all``.
        options: What the set takes; every set takes ``report`` and ``absent``.

    Raises:
        ValueError: If the set, the split or an option is unknown; the message names the nearest known one.
        FileNotFoundError: If the set is not at ``root``.
        SampleError: After the last record, if none was usable.
    """
    load = SETS[one_of("set", name, SETS)]
    if load is not load_thorax:  # which passes options on, and tests them itself
        _check_options(name, load, options)
    return load(root, split, **options)


def _check_options(name: str, load: Callable[..., Iterator[Sample]], options: Mapping[str, Any]) -> None:
    """Refuse an option that a set does not take, naming the nearest one that it does."""
    parameters = inspect.signature(load).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for option in options:
        one_of(f"option of {name}", option, known)
