"""A file of predictions, of medvlm or of anyone: matched to a set by id, then graded and scored as a run is."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medvlm.evaluation.outputs import write_score
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.provenance import provenance
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.scoring import Score, score_records
from medvlm.files import write_whole
from medvlm.study import Sample, SampleError

IDS = ("id", "question_id", "qid")
TEXTS = ("prediction", "text", "answer")
MISSING = "no prediction in the file"
_SHOWN = 5


def read_predictions(path: Path | str) -> dict[str, str]:
    """The predictions of a JSONL file by id, in the order of the file.

    A line is an object with ``id`` (or ``question_id``, ``qid``) and the first there is of ``prediction``, ``text`` and
    ``answer``; null is an empty prediction, other fields are left alone. A byte order mark, CRLF and empty lines are
    no matter.

    Args:
        path: The file, in UTF-8.

    Raises:
        FileNotFoundError: If there is no such file.
        SampleError: If it holds no prediction, a line is none, or an id occurs twice.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "p.jsonl"
        ...     _ = file.write_text('{"id": 7, "prediction": "left lung"}')
        ...     read_predictions(file)
        {'7': 'left lung'}
    """
    data = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
    pairs = [_from_line(line, f"{path}:{number}") for number, line in lines]
    if not pairs:
        raise SampleError(f'{path} holds no prediction; expected lines such as {{"id": "1", "prediction": "yes"}}')
    counts = Counter(_form(name) for name, _ in pairs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise SampleError(f"{path}: {len(twice)} ids occur more than once ({_some(twice)}); keep one line of each")
    return dict(pairs)


def _from_line(line: bytes, where: str) -> tuple[str, str]:
    try:
        record: Any = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise SampleError(f"{where} is no JSON in UTF-8 ({error}); write one object a line") from None
    if not isinstance(record, Mapping):
        raise SampleError(f"{where} is {type(record).__name__}; expected an object with id and prediction")
    name, text = (next((key for key in keys if key in record), None) for keys in (IDS, TEXTS))
    if name is None or text is None:
        raise SampleError(
            f"{where} has the fields {', '.join(record) or 'none'}; expected one of {', '.join(IDS)} and one of "
            f"{', '.join(TEXTS)}"
        )
    return _plain(record[name], f"{where}: {name}"), _plain("" if record[text] is None else record[text], where)


def _plain(value: Any, where: str) -> str:
    """A text or number as text; ids are often numbers in one file and texts in another."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SampleError(f"{where}: {value!r} is neither text nor a number")
    return str(value)


def match(
    predictions: Mapping[str, str],
    samples: Sequence[Sample],
    others: Callable[[], Mapping[str, Iterable[str]]] = dict,
) -> dict[str, str]:
    """The predictions by the ids of the samples; ids are compared as Unicode NFC.

    Args:
        predictions: What `read_predictions` gave.
        samples: The questions of the split.
        others: Gives the ids of every other split by its name; called only if an id is not in this one.

    Raises:
        SampleError: If an id is in no split, or in another one; the message has counts and examples.
    """
    names = {_form(sample.id): sample.id for sample in samples}
    found = {_form(name): text for name, text in predictions.items()}
    if foreign := [name for name in found if name not in names]:
        raise SampleError(_foreign(foreign, len(found), others()))
    return {names[name]: text for name, text in found.items()}


def _foreign(ids: Sequence[str], total: int, others: Mapping[str, Iterable[str]]) -> str:
    """What is said of ids that are not in the split."""
    left, parts = list(ids), []
    for split, known in others.items():
        there = {_form(name) for name in known}
        if inside := [name for name in left if name in there]:
            parts.append(f"{len(inside)} are of split {split} ({_some(inside)})")
            left = [name for name in left if name not in there]
    if left:
        parts.append(f"{len(left)} are unknown ({_some(left)})")
    return (
        f"{len(ids)} of {total} predictions are not of this split: {'; '.join(parts)}. Name the split that was asked "
        "(--split), what its loader takes (--option), or take these lines out"
    )


def predicted_records(
    samples: Sequence[Sample], predictions: Mapping[str, str], protocol: Protocol, *, run: str
) -> list[Record]:
    """A record for each sample; one without a prediction is wrong, and its ``error`` says why.

    Args:
        samples: The questions.
        predictions: Texts by the samples' ids.
        protocol: Names the clusters.
        run: Key of the run.
    """
    return [
        grade(
            sample,
            predictions.get(sample.id, ""),
            run=run,
            cluster=protocol.cluster_of(sample),
            error="" if sample.id in predictions else MISSING,
        )
        for sample in samples
    ]


def score_predictions(
    samples: Sequence[Sample],
    predictions: Mapping[str, str],
    protocol: Protocol,
    *,
    source: str,
    seed: int = 0,
    unusable: int = 0,
) -> tuple[Score, list[Record]]:
    """Grade and score predictions as those of a run; empty and missing ones are wrong and are named in the notes.

    Args:
        samples: The questions, with unique ids.
        predictions: Texts by the samples' ids, as `match` gives them.
        protocol: How answers are scored.
        source: What the header calls the predictions.
        seed: Seed of the intervals.
        unusable: Records of the split that its loader left out as unusable.

    Raises:
        ValueError: If there are no samples.
        SampleError: If two samples have one id.
    """
    if twice := [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]:
        raise SampleError(f"{len(twice)} ids of the set occur more than once ({_some(twice)}); repair the set")
    run = _key(predictions, protocol)
    records = predicted_records(samples, predictions, protocol, run=run)
    header = f"{protocol.header(samples, unusable=unusable)} | predictions: {source} | run {run}"
    score = score_records(records, protocol, header=header, seed=seed)
    split = protocol.check_split(samples, unusable=unusable).to_json()
    notes = (*protocol.notes(samples, unusable=unusable), *_unanswered(records), *score.notes)
    return replace(score, provenance=provenance(header, seed=seed), split=split, notes=notes), records


def write_scored(
    folder: Path, score: Score, records: Sequence[Record], samples: Iterable[Sample] = (), *, name: str = ""
) -> None:
    """Leave ``real.jsonl`` and what `write_score` writes in a folder, as a run does.

    Args:
        folder: Where; made if absent.
        score: The score.
        records: One a question.
        samples: The questions, whose images the page shows; none shows none.
        name: What the predictions are called.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "real.jsonl", b"".join(record.to_line() for record in records))
    write_score(folder, score, records, samples, name=name)


def _unanswered(records: Sequence[Record]) -> list[str]:
    missing = [record.id for record in records if record.error]
    empty = [record.id for record in records if not record.error and not record.text.strip()]
    said = [(missing, "questions have no prediction"), (empty, "predictions are empty")]
    return [f"{len(ids)} {what} and count as wrong: {_some(ids)}" for ids, what in said if ids]


def _key(predictions: Mapping[str, str], protocol: Protocol) -> str:
    """Twelve hex digits of the predictions and of all that can change their score."""
    text = json.dumps([protocol.fingerprint, sorted(predictions.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
