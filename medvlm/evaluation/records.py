"""One line on disk for every question asked: what was answered, how it was read and scored. A killed run goes on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from medvlm.evaluation.boxes import box_scores, read_boxes
from medvlm.evaluation.metrics import finding_counts, text_scores
from medvlm.evaluation.parser import is_correct, parse_for
from medvlm.study import Sample


@dataclass(frozen=True, slots=True)
class Record:
    """What came of one question.

    Attributes:
        run: Key of the run: model, protocol and decoding.
        id: The sample's.
        cluster: What is resampled together: image or patient.
        kind: Form of the answer.
        question: Text of the question.
        options: Option texts of a choice.
        reference: The answer wanted.
        text: What the model wrote.
        value: The answer read from it; None if unparsed.
        how: How it was read, or ``unparsed``.
        reason: Why it is unparsed.
        correct: Whether it is right; None for a report.
        scores: Further scores of this answer.
        logp: Mean log-probability of the answer's tokens; None where there are none.
        confidence: Its exponential, the mean probability a token.
        tokens: Tokens written.
        finished: Whether the answer ended by itself, and was not cut off.
        categories: Those of the sample.
        error: Why the question could not be asked; empty otherwise.
        probabilities: Of each option letter, or of ``yes`` and ``no``, among themselves; empty where not asked for.
        drafts: Every text that was drawn where the answer came of several; empty otherwise.
    """

    run: str
    id: str
    cluster: str
    kind: str
    question: str
    options: tuple[str, ...]
    reference: str
    text: str
    value: str | None
    how: str
    reason: str
    correct: bool | None
    scores: Mapping[str, float] = field(default_factory=dict)
    logp: float | None = None
    confidence: float | None = None
    tokens: int = 0
    finished: bool = True
    categories: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    drafts: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        """The record as a line of JSON, its line end included."""
        line = json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)
        return line.encode("utf-8", "backslashreplace") + b"\n"

    def asks(self, sample: Sample) -> bool:
        """Whether this is a record of the sample as it is now.

        Args:
            sample: A sample with the same id.
        """
        asked = (self.question, self.options, self.reference, self.kind)
        return asked == (sample.question, sample.options, sample.answer, sample.kind)


def grade(
    sample: Sample,
    text: str,
    *,
    run: str,
    cluster: str,
    logps: Sequence[float] = (),
    finished: bool = True,
    error: str = "",
) -> Record:
    """Read and score one answer.

    Args:
        sample: What was asked.
        text: What the model wrote; empty where there was an error.
        run: Key of the run.
        cluster: What is resampled together with this sample.
        logps: Log-probability of each token of the answer.
        finished: Whether the answer ended by itself.
        error: Why the question could not be asked.

    Raises:
        SampleError: If the reference cannot be read.
    """
    parsed = parse_for(sample, text)
    mean = sum(logps) / len(logps) if logps else math.nan
    logp = mean if math.isfinite(mean) else None
    return Record(
        run=run,
        id=sample.id,
        cluster=cluster,
        kind=sample.kind,
        question=sample.question,
        options=tuple(sample.options),
        reference=sample.answer,
        text=text,
        value=parsed.value,
        how=parsed.how,
        reason=parsed.reason,
        correct=None if sample.kind == "report" else is_correct(parsed, sample),
        scores=_scores(sample, parsed.value),
        logp=logp,
        confidence=None if logp is None else math.exp(logp),
        tokens=len(logps),
        finished=finished,
        categories={str(name): str(value) for name, value in sample.categories.items()},
        error=error,
    )


def _scores(sample: Sample, value: str | None) -> dict[str, float]:
    if sample.kind == "open":
        return dict(text_scores(value or "", sample.answer))
    if sample.kind == "box":
        return {"iou": box_scores(read_boxes(value or ""), read_boxes(sample.answer) or []).iou}
    if sample.kind == "report":
        counts = finding_counts(value or "", sample.answer).values()
        return dict(zip(("hits", "extra", "missed"), map(float, map(sum, zip(*counts, strict=True))), strict=True))
    return {}


class RecordFile:
    """The records of a run on disk: those already there are kept, new ones are appended and synced.

    A torn last line is dropped. The file of another run is set aside as ``NAME.RUN.jsonl``, not overwritten.

    Args:
        path: The file.
        run: Key of the run.

    Raises:
        ValueError: If a line that is not the last one is no record.
    """

    def __init__(self, path: Path | str, run: str) -> None:
        self.path, self.run = Path(path), run
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.records = read_records(self.path) if self.path.exists() else []
        if self.records and self.records[0].run != run:
            self.path.rename(self.path.with_name(f"{self.path.stem}.{self.records[0].run}{self.path.suffix}"))
            self.records = []
        self._file = self.path.open("ab")
        self._file.truncate(_whole(self.path.read_bytes()))

    def append(self, records: Iterable[Record]) -> None:
        """Add records; they are on disk when this returns.

        Args:
            records: Records of this run.
        """
        added = list(records)
        self._file.write(b"".join(record.to_line() for record in added))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.records += added

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_records(path: Path | str) -> list[Record]:
    """The records of a file; a torn last line is left out.

    Args:
        path: A file that a run wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If another line is no record.
    """
    data = Path(path).read_bytes()
    lines = data[: _whole(data)].split(b"\n")[:-1]
    return [_from_line(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _whole(data: bytes) -> int:
    """Bytes up to the last line end."""
    return data.rfind(b"\n") + 1


def _from_line(line: bytes, where: str) -> Record:
    try:
        values: dict[str, Any] = json.loads(line)
        texts = {name: tuple(values.get(name, ())) for name in ("options", "drafts")}
        return Record(**{**values, **texts})
    except (ValueError, TypeError, KeyError) as error:
        names = ", ".join(item.name for item in fields(Record))
        raise ValueError(f"{where} is no record ({error}); expected a JSON object with {names}") from error
