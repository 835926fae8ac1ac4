"""A preference pair, and the JSONL file of pairs, which is at the same time a data set in medvlm's own format.

A line holds what the format of ``medvlm.datamodules.sets.jsonl`` asks for (``id``, ``images``, ``question``,
``answer``, ``kind``, ...), and beside it ``sample`` (the id that the question has in its set), ``chosen``, ``rejected``
(complete answers, reasoning tags included), ``how`` and ``scores``. So a file of pairs trains beside the set from which
it was made, matched by sample id, or alone (``data.set=jsonl data.root=PAIRS.jsonl``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medvlm.files import atomic_file
from medvlm.study import ImageRef, Sample, SampleError

KEY = "pairs"
"""Where a sample carries its pairs, in ``Sample.extra``."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two complete answers to the question of a sample.

    Attributes:
        sample: Id of the sample.
        chosen: The better answer, as the model would write it.
        rejected: The worse one.
        how: How the pair was made: a corruption by name, ``reward``, ``disagreement``, ...
        scores: What each got, where they were scored (``chosen``, ``rejected``).

    Raises:
        SampleError: If an answer is empty, or both are the same but for white space.
    """

    sample: str
    chosen: str
    rejected: str
    how: str
    scores: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, text in (("chosen", self.chosen), ("rejected", self.rejected)):
            if not text.strip():
                raise SampleError(f"Pair of sample {self.sample!r} ({self.how}): the {name} answer is empty.")
        if self.chosen.split() == self.rejected.split():
            raise SampleError(
                f"Pair of sample {self.sample!r} ({self.how}): both answers are the same, {self.chosen[:80]!r}; "
                "a pair needs two that differ. Leave it out."
            )


def record(sample: Sample, pair: Pair, number: int) -> dict[str, Any]:
    """A pair as a line of its file.

    Args:
        sample: Whose question it answers.
        pair: The pair.
        number: Counts the pairs of a sample, from 0.
    """
    return {
        "id": f"{sample.id}#{number}",
        "sample": sample.id,
        "images": [_image(image) for image in sample.images],
        "question": sample.question,
        "answer": sample.answer,
        "kind": sample.kind,
        "options": list(sample.options),
        "group": sample.group,
        "split": sample.split,
        "categories": dict(sample.categories),
        "rationale": sample.rationale,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
        "how": pair.how,
        "scores": dict(pair.scores),
    }


def _image(image: ImageRef) -> Any:
    """An image as the data format writes it."""
    entry: dict[str, Any] = {"path": str(image.path.absolute())}
    if image.volume:
        entry["volume"] = True
    if image.modality is not None:
        entry["modality"] = image.modality
    if image.region is not None:
        entry |= {"box": list(image.region.box), "size": list(image.region.size)}
    return entry if len(entry) > 1 else entry["path"]


def write_pairs(path: Path | str, samples: Iterable[Sample], pairs: Iterable[Pair]) -> int:
    """Write pairs in the order given, whole or not at all, and return how many.

    Args:
        path: The file.
        samples: Those that the pairs answer, and perhaps others.
        pairs: The pairs.

    Raises:
        SampleError: If there is no pair, or one answers no sample.
    """
    known = {sample.id: sample for sample in samples}
    numbers: Counter[str] = Counter()
    with atomic_file(Path(path)) as file:
        for pair in pairs:
            if pair.sample not in known:
                raise SampleError(f"A pair answers sample {pair.sample!r}, which the set does not have.")
            line = record(known[pair.sample], pair, numbers[pair.sample])
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            numbers[pair.sample] += 1
        if not numbers:
            raise SampleError(f"{path}: no pair is left to write; loosen the margin or the length window.")
    return numbers.total()


def read_pairs(path: Path | str) -> list[Pair]:
    """Read a file of pairs.

    Raises:
        FileNotFoundError: If it is absent.
        SampleError: If a line is no pair; the message names the line, and what is wrong with it.
    """
    path, pairs = Path(path), []
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; `medvlm pairs --help` says how pairs are made.")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                pairs.append(pair_of(json.loads(line)))
            except (ValueError, SampleError) as error:
                raise SampleError(f"{path} line {number}: {error}") from None
    if not pairs:
        raise SampleError(f"{path} holds no pair.")
    return pairs


def pair_of(fields: Any, sample: str | None = None) -> Pair:
    """A pair from the fields of a line.

    Args:
        fields: The line.
        sample: Id of the sample, where the line stands for itself.

    Raises:
        SampleError: If a field is missing or no text.
    """
    fields = fields if isinstance(fields, Mapping) else {}
    name = fields.get("sample") if sample is None else sample
    texts = {"sample": name, "chosen": fields.get("chosen"), "rejected": fields.get("rejected")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
        raise SampleError(f"no pair: {', '.join(wrong)} missing or no text; expected sample, chosen and rejected.")
    scores = fields.get("scores") or {}
    return Pair(**texts, how=str(fields.get("how", "given")), scores=dict(scores))


def attach(samples: Sequence[Sample], pairs: Iterable[Pair], *, held_out: Iterable[str] = ()) -> list[Sample]:
    """The samples, those that have pairs with their pairs in ``extra``.

    Args:
        samples: Of the training split.
        pairs: Of these samples.
        held_out: Ids that must not be trained on.

    Raises:
        SampleError: If a pair is of a held-out sample or of none; the message names the first.
    """
    of: dict[str, list[Pair]] = {sample.id: [] for sample in samples}
    forbidden = set(held_out)
    for pair in pairs:
        if pair.sample in forbidden:
            raise SampleError(f"A pair is of {pair.sample!r}, a held-out sample; pairs are made of the training split.")
        if pair.sample not in of:
            some = next(iter(of), "nothing")
            raise SampleError(
                f"A pair is of {pair.sample!r}, which is no training sample; their ids look like {some!r}."
            )
        of[pair.sample].append(pair)
    return [with_pairs(sample, of[sample.id]) if of[sample.id] else sample for sample in samples]


def with_pairs(sample: Sample, pairs: Sequence[Pair]) -> Sample:
    """The sample with these pairs, those of the same two answers once."""
    distinct = {(pair.chosen, pair.rejected): pair for pair in pairs}
    return replace(sample, extra={**sample.extra, KEY: tuple(distinct.values())})


def pairs_of(sample: Sample) -> tuple[Pair, ...]:
    """The pairs that a sample carries."""
    found: tuple[Pair, ...] = sample.extra.get(KEY, ())
    return found
