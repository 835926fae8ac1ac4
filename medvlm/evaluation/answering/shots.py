"""Few-shot examples: which answered training questions stand before a question, with their images.

Examples are of the question's kind and of as many and the same form of images; those that share more of its categories
come first, then a seeded order by id decides. None is of the question's group (patient) or shows one of its images, and
no two are of one group. So the examples of a question depend on the training samples, the seed and the question alone,
and most questions of one kind and category have the same ones: they are read once for all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from medvlm.study import Sample


class Shots:
    """Chooses examples.

    Args:
        train: Training samples; pseudo-labels and choices whose answer is no option are left out.
        count: Examples a question.
        seed: Of their order.
        names: Categories that should agree; None takes all of a question.

    Raises:
        ValueError: If there are no training samples.
    """

    def __init__(
        self, train: Sequence[Sample], count: int, *, seed: int = 0, names: Sequence[str] | None = None
    ) -> None:
        if not train:
            raise ValueError(f"{count} shots need training samples: pass train=, or ask without (shots=0)")
        self.count, self.names = count, names
        self._pools: dict[tuple[object, ...], list[Sample]] = {}
        for sample in sorted(train, key=lambda sample: (_place(seed, sample.id), sample.id)):
            if "pseudo" not in sample.extra and (sample.kind != "choice" or sample.answer in sample.options):
                self._pools.setdefault(_form(sample), []).append(sample)
        self._ranked: dict[tuple[object, ...], list[Sample]] = {}

    def of(self, sample: Sample) -> tuple[Sample, ...]:
        """The examples of a question, the most alike last, next to it.

        Args:
            sample: The question.

        Raises:
            ValueError: If there are too few; the message says how many there are of what.
        """
        found: list[Sample] = []
        groups = {_group(sample)}
        shown = {image.path for image in sample.images}
        for shot in self._candidates(sample):
            own = {image.path for image in shot.images}
            if shot.id == sample.id or _group(shot) in groups or own & shown:
                continue
            found.append(shot)
            groups.add(_group(shot))
            if len(found) == self.count:
                return tuple(reversed(found))
        raise ValueError(
            f"sample {sample.id!r}: {len(found)} training samples can be shown with it (kind {sample.kind}, "
            f"{len(sample.images)} images, other groups), expected {self.count}; ask for fewer shots"
        )

    def _candidates(self, sample: Sample) -> Sequence[Sample]:
        """Examples of the form of a question, those that share more categories first."""
        wanted = self._categories(sample.categories)
        key = (_form(sample), tuple(wanted.items()))
        if key not in self._ranked:
            pool = self._pools.get(_form(sample), [])
            self._ranked[key] = sorted(pool, key=lambda shot: -len(wanted.items() & dict(shot.categories).items()))
        return self._ranked[key]

    def _categories(self, categories: Mapping[str, str]) -> dict[str, str]:
        names = sorted(categories) if self.names is None else self.names
        return {name: categories[name] for name in names if name in categories}


def shots_digest(samples: Sequence[Sample], shots: Shots) -> str:
    """Twelve hex digits that change with any example of any question.

    Args:
        samples: All questions.
        shots: Chooses.

    Raises:
        ValueError: If a question has too few.
    """

    def chosen() -> Iterator[tuple[object, ...]]:
        for sample in sorted(samples, key=lambda sample: sample.id):
            for shot in shots.of(sample):
                images = [image.path.name for image in shot.images]
                yield sample.id, shot.id, shot.question, shot.answer, shot.options, images

    digest = hashlib.sha256()
    for item in chosen():
        digest.update(json.dumps(item).encode())
    return digest.hexdigest()[:12]


def _form(sample: Sample) -> tuple[object, ...]:
    return sample.kind, tuple(image.volume for image in sample.images)


def _group(sample: Sample) -> str:
    """What must not be shown twice: the group, or where there is none the images, or the sample itself."""
    images = "|".join(str(image.path) for image in sample.images)
    return sample.group or images or sample.id


def _place(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
