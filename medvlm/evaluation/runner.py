"""Ask a model all questions of a set, one read of each image, every answer on disk before the next batch."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from medvlm.evaluation.answerer import Answerer, run_key, weights_hash
from medvlm.evaluation.baselines import majority_records
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.records import Record, RecordFile, grade, read_records
from medvlm.evaluation.scoring import Score, compare, score_records
from medvlm.evaluation.showing import ImageMode, Key, group_by_images, load_images, shown_images
from medvlm.generation.engine import Ask
from medvlm.study import ImageRef, MedvlmError, Sample

BASELINES = ("majority", "blank", "shuffled")


def evaluate(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    records_path: Path | str,
    *,
    batch: int = 16,
    max_new_tokens: int = 64,
    questions: int = 32,
    image: ImageMode = "real",
    model_key: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Score:
    """Ask, record and score; what an interrupted call has recorded is not asked again.

    Args:
        engine: Answers; its model is put into evaluation mode meanwhile.
        samples: Questions with unique ids.
        pixels: Prepared pixels of an image reference; a `MedvlmError` or `OSError` that it raises becomes a record.
        protocol: How answers are scored.
        records_path: A JSONL file, one line a question.
        batch: Images answered together.
        max_new_tokens: Longest answer.
        questions: Most questions of one image in one ask.
        image: ``real`` images, ``blank`` ones (zeros after normalisation), or those of other groups (``shuffled``).
        model_key: Name of the weights; None computes `weights_hash`.
        seed: Seed of the shuffling and of the intervals.
        progress: Whether a bar is shown.

    Raises:
        ValueError: If there are no samples, two have one id, or images cannot be shuffled.
    """
    _check(samples)
    key = run_key(engine, protocol, max_new_tokens=max_new_tokens, image=image, seed=seed, model_key=model_key)
    shown = shown_images(samples, image, seed)
    with RecordFile(records_path, key) as file, _evaluating(engine.model), _bar(progress) as bar:
        by_id = {sample.id: sample for sample in samples}
        known = {record.id for record in file.records if record.id in by_id and record.asks(by_id[record.id])}
        task = bar.add_task(f"{protocol.name} {image}", total=len(samples), completed=len(known))
        groups = group_by_images([sample for sample in samples if sample.id not in known], questions)
        for start in range(0, len(groups), batch):
            asked = _load(groups[start : start + batch], shown, image, pixels)
            added = list(_answer(engine, asked, max_new_tokens, protocol, key))
            file.append(added)
            bar.advance(task, len(added))
        found = {record.id: record for record in file.records}
    header = f"{protocol.header(samples)} | greedy, at most {max_new_tokens} tokens | image: {image} | run {key}"
    score = score_records([found[sample.id] for sample in samples], protocol, header=header, seed=seed)
    return replace(score, notes=(*protocol.notes(samples), *score.notes))


def evaluate_with_baselines(
    engine: Answerer,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    protocol: ScoringProtocol,
    folder: Path | str,
    *,
    baselines: Sequence[str] = BASELINES,
    train: Sequence[Sample] = (),
    seed: int = 0,
    **settings: Any,
) -> Score:
    """Evaluate on the real images and on what must do worse; the score and all records are left in a folder.

    Args:
        engine: Answers.
        samples: Questions with unique ids.
        pixels: Prepared pixels of an image reference.
        protocol: How answers are scored.
        folder: Where ``real.jsonl``, ``blank.jsonl``, ..., ``score.json`` and ``score.txt`` are written.
        baselines: Any of ``majority``, ``blank`` and ``shuffled``.
        train: Training samples, for ``majority``.
        seed: Seed of the shuffling and of the intervals.
        settings: What `evaluate` takes besides.

    Raises:
        ValueError: If a baseline is unknown, or ``majority`` is asked for without training samples.
    """
    if unknown := set(baselines) - set(BASELINES):
        raise ValueError(f"baselines {sorted(unknown)} are unknown; expected some of {', '.join(BASELINES)}")
    if "majority" in baselines and not train:
        raise ValueError("the majority baseline needs training samples: pass train=, or leave it out")
    folder = Path(folder)
    settings.setdefault("model_key", weights_hash(engine.model))
    score = evaluate(engine, samples, pixels, protocol, folder / "real.jsonl", seed=seed, **settings)
    others: dict[str, Sequence[Record]] = {}
    for name in baselines:
        path = folder / f"{name}.jsonl"
        if name == "majority":
            others[name] = majority_records(train, samples, protocol)
            path.write_bytes(b"".join(record.to_line() for record in others[name]))
            continue
        mode: ImageMode = "blank" if name == "blank" else "shuffled"
        evaluate(engine, samples, pixels, protocol, path, image=mode, seed=seed, **settings)
        others[name] = _latest(path, samples)
    score = compare(score, _latest(folder / "real.jsonl", samples), others, seed=seed)
    (folder / "score.json").write_text(json.dumps(score.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "score.txt").write_text(score.to_text(), encoding="utf-8")
    return score


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise ValueError("no samples to evaluate; check the split and the filters")
    counts = Counter(sample.id for sample in samples)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{len(twice)} sample ids occur more than once, first {twice[0]!r}; records need unique ids")


def _load(
    groups: Sequence[list[Sample]], shown: Mapping[Key, Key], mode: ImageMode, pixels: Callable[[ImageRef], Tensor]
) -> list[Ask | tuple[list[Sample], str]]:
    """An ask for each group, or its samples and why their images cannot be read."""
    asked: list[Ask | tuple[list[Sample], str]] = []
    for group in groups:
        try:
            asked.append(Ask(load_images(shown[group[0].images], mode, pixels), tuple(group)))
        except (MedvlmError, OSError) as error:
            asked.append((group, f"{type(error).__name__}: {error}"))
    return asked


def _answer(
    engine: Answerer,
    asked: Sequence[Ask | tuple[list[Sample], str]],
    max_new_tokens: int,
    protocol: ScoringProtocol,
    run: str,
) -> Iterator[Record]:
    asks = [ask for ask in asked if isinstance(ask, Ask)]
    replies = iter(engine.generate(asks, n=1, max_new_tokens=max_new_tokens) if asks else [])
    for ask in asked:
        if not isinstance(ask, Ask):
            for sample in ask[0]:
                yield grade(sample, "", run=run, cluster=protocol.cluster_of(sample), error=ask[1])
            continue
        for sample, (reply,) in zip(ask.questions, next(replies), strict=True):
            yield grade(
                sample,
                reply.text,
                run=run,
                cluster=protocol.cluster_of(sample),
                logps=reply.logps,
                finished=reply.finished,
            )


def _latest(path: Path, samples: Sequence[Sample]) -> list[Record]:
    """The last record of each sample."""
    found = {record.id: record for record in read_records(path)}
    return [found[sample.id] for sample in samples]


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
