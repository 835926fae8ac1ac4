"""Ask a model all questions of a set, and what must do worse beside it: blind answers, other images."""

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
from medvlm.evaluation.examination import Examination, Settings
from medvlm.evaluation.outputs import write_score
from medvlm.evaluation.planning import BASELINES, IMAGES, UNSEEN, usable_baselines
from medvlm.evaluation.probes import check_probes, run_probes
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.provenance import provenance
from medvlm.evaluation.records import Record
from medvlm.evaluation.scoring import Score, compare
from medvlm.files import write_whole
from medvlm.ranks import is_first
from medvlm.study import ImageRef, Sample

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
    train: Sequence[Sample] = (),
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
        train: Training samples, of which shots are taken.
        settings: Fields of `medvlm.evaluation.examination.Settings`.

    Raises:
        ValueError: If there are no samples, two have one id, images cannot be shuffled, or shots are too few.
    """
    return _examine(engine, samples, pixels, protocol, records_path, loop, Settings(**settings), train).score()


def _examine(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    path: Path | str,
    loop: Loop,
    settings: Settings,
    train: Sequence[Sample],
) -> Examination:
    """The questions put and answered; what is not scored costs no score."""
    with Examination(engine, samples, pixels, protocol, path, settings, train=train) as examination:
        loop(examination)
    return examination


def evaluate_with_baselines(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    folder: Path | str,
    *,
    baselines: Sequence[str] = BASELINES,
    probes: Sequence[str] = (),
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
        baselines: Any of ``majority`` and ``position`` (of training), ``blank``, ``shuffled`` and ``wrong`` images; one
            that the set cannot have is left out, and a note says why.
        probes: Keys of `medvlm.evaluation.probes.PROBES`: further questions, each a section of the score.
        train: Training samples, for ``majority``, ``position`` and for shots.
        loop: Runs the batches.
        name: What the model is called on the page.
        page_images: Most images on the page; each is read once more.
        settings: Fields of `medvlm.evaluation.examination.Settings`.

    Raises:
        ValueError: If a baseline or a probe is unknown, or one of training is asked for without training samples.
    """
    check_probes(probes)
    folder = Path(folder)
    settings.setdefault("model_key", weights_hash(engine.model))
    chosen = Settings(**settings)
    asked = [protocol.ask(sample) for sample in samples]
    usable, left_out = usable_baselines(baselines, asked, train, chosen.seed)
    examined = _examine(engine, samples, pixels, protocol, folder / "real.jsonl", loop, chosen, train)
    score, real = examined.score(), examined.latest()
    others: dict[str, Sequence[Record]] = {}
    for other in usable:
        path = folder / f"{other}.jsonl"
        if other in UNSEEN:
            others[other] = UNSEEN[other](train, samples, protocol)
            if is_first():
                write_whole(path, b"".join(record.to_line() for record in others[other]))
            continue
        mode = next(mode for mode in IMAGES if mode == other)
        blind = _examine(engine, samples, pixels, protocol, path, loop, replace(chosen, image=mode), train)
        others[other] = blind.latest()
    score = compare(replace(score, notes=(*score.notes, *left_out)), real, others, seed=chosen.seed)
    probed = run_probes(
        engine, samples, pixels, protocol, folder, probes, loop=loop, records=real, train=train, **settings
    )
    score = replace(score, sections=(*score.sections, *probed))
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
