"""What can be scored without looking: the most frequent training answer to the same question, the usual letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from string import ascii_uppercase

from medvlm.evaluation.parser import reference_letter
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.text import normalise
from medvlm.evaluation.values import to_box
from medvlm.study import Sample

MAJORITY = "majority"
POSITION = "position"


class Majority:
    """Answers each question with the most frequent answer of the training samples.

    First those with the same template (``categories["template"]``, or else the same words) are asked, then all of the
    same kind. A choice takes the most frequent answer that is among its options, else the most frequent letter; a box
    takes the median edges. Ties go to the answer that came first.

    Args:
        train: Training samples with their reference answers.
    """

    def __init__(self, train: Iterable[Sample]) -> None:
        self.answers: dict[tuple[str, ...], Counter[str]] = {}
        self.letters: Counter[str] = Counter()
        for sample in train:
            for key in _keys(sample):
                self.answers.setdefault(key, Counter())[sample.answer] += 1
            if sample.kind == "choice":
                self.letters[reference_letter(sample)] += 1

    def answer(self, sample: Sample) -> str:
        """The answer to a question, as a model would write it; empty where training has none of its kind.

        Args:
            sample: A question.
        """
        for key in _keys(sample):
            seen = self.answers.get(key, Counter())
            if sample.kind == "box" and seen:
                return _median_box(seen)
            for answer, _ in seen.most_common():
                if sample.kind != "choice":
                    return answer
                if answer in sample.options:
                    return ascii_uppercase[sample.options.index(answer)]
        possible = ascii_uppercase[: len(sample.options)]
        return next((letter for letter, _ in self.letters.most_common() if letter in possible), "")


def majority_records(train: Iterable[Sample], test: Sequence[Sample], protocol: Protocol) -> list[Record]:
    """The records of the majority baseline.

    Args:
        train: Training samples.
        test: Samples to answer.
        protocol: Names the clusters.
    """
    majority = Majority(train)
    return [
        grade(sample, majority.answer(sample), run=MAJORITY, cluster=protocol.cluster_of(sample)) for sample in test
    ]


def position_records(train: Iterable[Sample], test: Sequence[Sample], protocol: Protocol) -> list[Record]:
    """The records of the best constant letter: the one that is most often right in training, among those offered.

    Args:
        train: Training samples; only choices count. The first letter wins a tie.
        test: Samples to answer, of which only choices are.
        protocol: Names the clusters.
    """
    letters = Counter(reference_letter(sample) for sample in train if sample.kind == "choice")
    ranked = sorted(letters, key=lambda letter: (-letters[letter], letter))
    return [
        grade(
            sample,
            next((letter for letter in ranked if letter in ascii_uppercase[: len(sample.options)]), ""),
            run=POSITION,
            cluster=protocol.cluster_of(sample),
        )
        for sample in test
        if sample.kind == "choice"
    ]


def _keys(sample: Sample) -> list[tuple[str, ...]]:
    template = sample.categories.get("template") or normalise(sample.question)
    return [(sample.kind, template), (sample.kind,)]


def _median_box(answers: Counter[str]) -> str:
    boxes = [box for answer in answers.elements() if (box := to_box(answer))]
    return " ".join(f"{median(edge):.2f}" for edge in zip(*boxes, strict=True))
