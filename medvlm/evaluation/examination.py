"""All questions of a set put to one model: batches that any loop may run, every answer on disk before the next one.

Several processes take batches in turn and record what was answered in files of their own, which the first one joins in
the order of the set: the file is that of one process, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor

from medvlm import ranks
from medvlm.evaluation.answerer import Answerer, run_key
from medvlm.evaluation.answering.answer import Job, to_record
from medvlm.evaluation.answering.settings import GREEDY, Answering
from medvlm.evaluation.answering.shots import Shots, shots_digest
from medvlm.evaluation.answering.strategies import answer_asks, check_answering
from medvlm.evaluation.protocols import Protocol as ScoringProtocol
from medvlm.evaluation.records import Record, RecordFile, grade, read_records
from medvlm.evaluation.scoring import Score, score_records
from medvlm.evaluation.showing import ImageMode, Key, group_by_images, load_images, pairing_digest, shown_images
from medvlm.generation.engine import Ask
from medvlm.study import ImageRef, MedvlmError, Sample, SampleError


@dataclass(frozen=True, slots=True)
class Settings:
    """How questions are put.

    Attributes:
        batch: Images answered together.
        max_new_tokens: Longest answer.
        questions: Most questions of one image in one ask.
        image: ``real`` images, ``blank`` ones (zeros after normalisation), those of other groups
            (``shuffled``), or ones of another kind (``wrong``).
        model_key: Name of the weights; None computes `weights_hash`.
        seed: Seed of the shuffling, of draws, of shots and of the intervals.
        answering: How questions are answered.
        unusable: Records of the split that its loader left out as unusable, of which the header speaks.
    """

    batch: int = 16
    max_new_tokens: int = 64
    questions: int = 32
    image: ImageMode = "real"
    model_key: str | None = None
    seed: int = 0
    answering: Answering = GREEDY
    unusable: int = 0


class Examination:
    """Questions, where their answers are recorded, and what is still to ask.

    Use it as a context manager: the record file is open inside.

    Args:
        engine: Answers.
        samples: Questions with unique ids.
        pixels: Prepared pixels of an image reference; a `MedvlmError` or `OSError` that it raises becomes a record.
        protocol: How answers are scored.
        path: A JSONL file, one line a question; what an interrupted examination has recorded is not asked again.
        settings: How questions are put.
        train: Training samples, of which shots are taken.

    Raises:
        ValueError: If there are no samples, two have one id, images cannot be shuffled, or shots are too few.
        SampleError: If an answer is a pseudo-label, the protocol does not ask questions of a kind, or a choice has not
            the options that its way of answering needs.
    """

    def __init__(
        self,
        engine: Answerer,
        samples: Sequence[Sample],
        pixels: Callable[[ImageRef], Tensor],
        protocol: ScoringProtocol,
        path: Path | str,
        settings: Settings,
        *,
        train: Sequence[Sample] = (),
    ) -> None:
        _check(samples)
        samples = [protocol.ask(sample) for sample in samples]
        answering = settings.answering
        check_answering(engine, samples, answering)
        self.engine, self.samples, self.pixels, self.protocol = engine, samples, pixels, protocol
        self.path, self.settings = Path(path), settings
        self._examples: dict[ImageRef, Tensor] = {}
        self._shots: Shots | None = None
        if answering.shots:
            examples = [protocol.ask(sample) for sample in train if sample.kind in protocol.instructions]
            self._shots = Shots(examples, answering.shots, seed=settings.seed, names=protocol.breakdown)
        self._shown: Mapping[Key, Key] = shown_images(samples, settings.image, settings.seed)
        self.key = run_key(
            engine,
            protocol,
            max_new_tokens=settings.max_new_tokens,
            image=settings.image,
            shown=pairing_digest(samples, self._shown),
            seed=settings.seed,
            model_key=settings.model_key,
            answering=answering,
            shots="" if self._shots is None else shots_digest(samples, self._shots),
        )

    def __enter__(self) -> Self:
        with ranks.in_turn():
            self._file = RecordFile(self.path, self.key)
            if ranks.is_first():
                self._take_in(self._parts())  # of a run that was killed before it joined them
        self._own = None if ranks.world_size() == 1 else RecordFile(self._part(ranks.rank()), self.key)
        by_id = {sample.id: sample for sample in self.samples}
        self._known = {
            record.id for record in self._file.records if record.id in by_id and record.asks(by_id[record.id])
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
        if self._own is not None:
            self._own.__exit__(kind, error, trace)

    @property
    def name(self) -> str:
        """What a progress bar calls it."""
        return f"{self.protocol.name} {self.settings.image}"

    @property
    def answered(self) -> int:
        """Questions whose answers were on disk when it was opened."""
        return len(self._known)

    def batches(self) -> list[list[list[Sample]]]:
        """What is still to ask in this process, as ``[batch][images][question]``."""
        return self._batches()[ranks.rank() :: ranks.world_size()]

    def _batches(self) -> list[list[list[Sample]]]:
        """What is still to ask in all processes: the same batches, whatever their number, for the same numbers."""
        left = [sample for sample in self.samples if sample.id not in self._known]
        groups = group_by_images(left, self.settings.questions)
        return [groups[start : start + self.settings.batch] for start in range(0, len(groups), self.settings.batch)]

    def join(self) -> None:
        """Join what all processes have recorded, once each has answered its batches; one alone has nothing to join."""
        if self._own is None:
            return
        ranks.wait()
        with ranks.in_turn():
            if ranks.is_first():
                order = [sample.id for batch in self._batches() for group in batch for sample in group]
                self._take_in(self._parts(), order)
            else:
                self._file.records = read_records(self.path)

    def _part(self, rank: int) -> Path:
        """Where a process records what it has answered."""
        return self.path.with_name(f"{self.path.stem}.part-{rank}{self.path.suffix}")

    def _parts(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.stem}.part-*{self.path.suffix}"))

    def _take_in(self, parts: Sequence[Path], order: Sequence[str] = ()) -> None:
        """Append the records of this run that lie in other files, in an order of ids, and remove the files."""
        known = {record.id for record in self._file.records}
        lines = [record for part in parts for record in read_records(part) if record.run == self.key]
        found = {record.id: record for record in lines if record.id not in known}
        self._file.append(found[name] for name in (order or found))
        for part in parts:
            part.unlink()

    def answer(self, groups: Sequence[list[Sample]]) -> int:
        """Ask the questions of a batch and record the answers; the number of questions.

        Args:
            groups: One of `batches`.
        """
        added = list(self._records([self._load(group) for group in groups]))
        (self._own or self._file).append(added)
        return len(added)

    def latest(self) -> list[Record]:
        """The last record of each sample, in the order of the samples.

        Raises:
            KeyError: If a sample was not asked yet.
        """
        found = {record.id: record for record in self._file.records}
        return [found[sample.id] for sample in self.samples]

    def score(self) -> Score:
        """Score all answers, once every batch was answered."""
        settings, protocol = self.settings, self.protocol
        decoding = settings.answering.describe(settings.max_new_tokens, settings.seed)
        asked = protocol.header(self.samples, unusable=settings.unusable)
        header = f"{asked} | {decoding} | image: {settings.image} | run {self.key}"
        score = score_records(self.latest(), protocol, header=header, seed=settings.seed)
        notes = protocol.notes(self.samples, unusable=settings.unusable)
        split = protocol.check_split(self.samples, unusable=settings.unusable).to_json()
        return replace(score, notes=(*notes, *score.notes), split=split)

    def _load(self, group: list[Sample]) -> list[Ask] | tuple[list[Sample], str]:
        """Asks for a group, one for each choice of shots, or its samples and why images cannot be read."""
        try:
            images = load_images(self._shown[group[0].images], self.settings.image, self.pixels)
            if self._shots is None:
                return [Ask(images, tuple(group))]
            return [self._with_shots(images, shots, part) for shots, part in self._by_shots(self._shots, group)]
        except (MedvlmError, OSError) as error:
            return group, f"{type(error).__name__}: {error}"

    def _by_shots(self, shots: Shots, group: list[Sample]) -> list[tuple[tuple[Sample, ...], list[Sample]]]:
        """Questions that have the same examples together."""
        parts: dict[tuple[str, ...], tuple[tuple[Sample, ...], list[Sample]]] = {}
        for sample in group:
            chosen = shots.of(sample)
            parts.setdefault(tuple(shot.id for shot in chosen), (chosen, []))[1].append(sample)
        return list(parts.values())

    def _with_shots(self, images: tuple[Tensor, ...], shots: Sequence[Sample], questions: Sequence[Sample]) -> Ask:
        """An ask whose examples show their own images, whatever is shown with the questions."""
        shown = [self._example(image) for shot in shots for image in shot.images]
        return Ask((*shown, *images), tuple(questions), tuple(shots))

    def _example(self, image: ImageRef) -> Tensor:
        """The pixels of an example; one and the same tensor each time, so that it is encoded once a batch."""
        if image not in self._examples:
            self._examples[image] = self.pixels(image)
        return self._examples[image]

    def _records(self, asked: Sequence[list[Ask] | tuple[list[Sample], str]]) -> Iterator[Record]:
        settings, protocol = self.settings, self.protocol
        asks = [ask for found in asked if isinstance(found, list) for ask in found]
        job = Job(settings.answering, settings.max_new_tokens, settings.seed)
        answers = iter(answer_asks(self.engine, asks, job, most=settings.questions))
        self._examples.clear()
        for found in asked:
            if isinstance(found, tuple):
                for sample in found[0]:
                    yield grade(sample, "", run=self.key, cluster=protocol.cluster_of(sample), error=found[1])
                continue
            for ask in found:
                for sample, answer in zip(ask.questions, next(answers), strict=True):
                    yield to_record(sample, answer, run=self.key, cluster=protocol.cluster_of(sample))


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise ValueError("no samples to evaluate; check the split and the filters")
    counts = Counter(sample.id for sample in samples)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{len(twice)} sample ids occur more than once, first {twice[0]!r}; records need unique ids")
    if voted := sum("pseudo" in sample.extra for sample in samples):
        raise SampleError(
            f"{voted} of {len(samples)} samples have answers that a model voted for (pseudo): they may train one, but "
            "are no truth to score by; evaluate on verified answers"
        )
