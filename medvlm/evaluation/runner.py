"""Ask a model all questions of a set, and those that must do worse beside it: majority, blank and shuffled images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from medvlm.evaluation.answerer import Answerer, weights_hash
from medvlm.evaluation.baselines import majority_records
from medvlm.evaluation.examination import Examination, Settings
from medvlm.evaluation.outputs import write_score
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.provenance import provenance
from medvlm.evaluation.records import Record
from medvlm.evaluation.scoring import Score, compare
from medvlm.evaluation.showing import ImageMode
from medvlm.files import write_whole
from medvlm.ranks import is_first
from medvlm.study import ImageRef, Sample

BASELINES = ("majority", "blank", "shuffled")

Loop = Callable[[Examination], None]
"""Answers every batch of an examination: the plain loop with a bar, or a trainer's test loop."""


def plain_loop(examination: Examination, *, progress: bool = False) -> None:
    """Answer every batch, the model in evaluation mode meanwhile.

    Args:
        examination: Open.
        progress: Whether a bar is shown.
    """
    with _evaluating(examination.engine.model), _bar(progress) as bar:
        task = bar.add_task(examination.name, total=len(examination.samples), completed=examination.answered)
        for batch in examination.batches():
            bar.advance(task, examination.answer(batch))
        examination.join()


def evaluate(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    records_path: Path | str,
    *,
    loop: Loop = plain_loop,
    **settings: Any,
) -> Score:
    """Ask, record and score; what an interrupted call has recorded is not asked again.

    Args:
        engine: Answers.
        samples: Questions with unique ids.
        pixels: Prepared pixels of an image reference; a `MedvlmError` or `OSError` that it raises becomes a record.
        protocol: How answers are scored.
        records_path: A JSONL file, one line a question.
        loop: Runs the batches.
        settings: Fields of `medvlm.evaluation.examination.Settings`.

    Raises:
        ValueError: If there are no samples, two have one id, or images cannot be shuffled.
    """
    return _examine(engine, samples, pixels, protocol, records_path, loop, Settings(**settings))[0]


def _examine(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    path: Path | str,
    loop: Loop,
    settings: Settings,
) -> tuple[Score, list[Record]]:
    with Examination(engine, samples, pixels, protocol, path, settings) as examination:
        loop(examination)
        return examination.score(), examination.latest()


def evaluate_with_baselines(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    folder: Path | str,
    *,
    baselines: Sequence[str] = BASELINES,
    train: Sequence[Sample] = (),
    loop: Loop = plain_loop,
    name: str = "",
    page_images: int = 12,
    **settings: Any,
) -> Score:
    """Evaluate on the real images and on what must do worse; the score and all records are left in a folder.

    Args:
        engine: Answers.
        samples: Questions with unique ids.
        pixels: Prepared pixels of an image reference.
        protocol: How answers are scored.
        folder: Where ``real.jsonl``, ``blank.jsonl``, ... and what `write_score` leaves are written.
        baselines: Any of ``majority``, ``blank`` and ``shuffled``.
        train: Training samples, for ``majority``.
        loop: Runs the batches.
        name: What the model is called on the page.
        page_images: Most images on the page; each is read once more.
        settings: Fields of `medvlm.evaluation.examination.Settings`.

    Raises:
        ValueError: If a baseline is unknown, or ``majority`` is asked for without training samples.
    """
    if unknown := set(baselines) - set(BASELINES):
        raise ValueError(f"baselines {sorted(unknown)} are unknown; expected some of {', '.join(BASELINES)}")
    if "majority" in baselines and not train:
        raise ValueError("the majority baseline needs training samples: pass train=, or leave it out")
    folder = Path(folder)
    settings.setdefault("model_key", weights_hash(engine.model))
    chosen = Settings(**settings)
    score, real = _examine(engine, samples, pixels, protocol, folder / "real.jsonl", loop, chosen)
    others: dict[str, Sequence[Record]] = {}
    for other in baselines:
        path = folder / f"{other}.jsonl"
        if other == "majority":
            others[other] = majority_records(train, samples, protocol)
            if is_first():
                write_whole(path, b"".join(record.to_line() for record in others[other]))
            continue
        mode: ImageMode = "blank" if other == "blank" else "shuffled"
        _, others[other] = _examine(engine, samples, pixels, protocol, path, loop, replace(chosen, image=mode))
    score = compare(score, real, others, seed=chosen.seed)
    score = replace(score, provenance=provenance(score.header, weights=chosen.model_key or "", seed=chosen.seed))
    if is_first():
        write_score(folder, score, real, samples, name=name, images=page_images, seed=chosen.seed)
    return score


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode for a while."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _bar(progress: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), disable=not progress, transient=True)
