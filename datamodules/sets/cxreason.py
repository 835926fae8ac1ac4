"""CXReasonBench (Lee et al. 2025): 18,988 questions in stages on 1,200 chest radiographs, 12 tasks; credentialed.

::

    root/dx_by_dicoms.json                                      # {task: [dicom, ...]}; the zips, unpacked
    root/qa/<task>/path1/{init,stage1,stage1.5,stage2,stage3,stage4}/<any>/<dicom>.json
    root/segmask_bodypart/...                                   # pictures that stage2 shows
    root/files/p10/p10000032/s50414267/<dicom>.jpg              # MIMIC-CXR-JPG; or give its folder as ``images``

The stages are one conversation: verdict, criterion, body part, measurement, verdict again. A sample is one question;
with ``history`` the earlier ones stand before it with their right answers. Its images are those of the study and,
where a stage shows pictures of its own, these after them. The options are part of the question's text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvlm.study import ImageRef, Sample, SampleError

from .cards import SetCard
from .records import Absent, LoadReport, UnusableRecordError, as_record, collect, find_file, inside
from .row import known_split

TITLE = "CXReasonBench"
TASKS = "dx_by_dicoms.json"
STAGES = ("init", "stage1", "stage1.5", "stage2", "stage3", "stage4")
OPTIONAL = ("stage1.5",)
DICOM_NAME = re.compile(r"[\w.-]{1,128}")
NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
PATIENT = re.compile(r"(?:^|/)p\d\d/p(\d+)/s\d+/")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question of a conversation.

    Attributes:
        where: Its name.
        task: The diagnostic task.
        stage: One of ``STAGES``.
        record: The file that it is in.
        question: Its text.
        answer: Its right answer.
        pictures: Paths of the pictures of its own.
        study: Paths of the images of the study.
        before: Questions and answers of the conversation before it.
    """

    where: str
    task: str
    stage: str
    record: dict[str, Any]
    question: str
    answer: str
    pictures: tuple[str, ...]
    study: tuple[str, ...]
    before: tuple[tuple[str, str], ...] = field(default=())


def load_cxreason(
    root: Path | str,
    split: str,
    *,
    history: bool = True,
    images: Path | str | None = None,
    report: LoadReport | None = None,
    absent: Absent = "keep",
) -> Iterator[Sample]:
    """Give the questions of the reasoning path, conversation by conversation.

    Args:
        root: Folder of ``dx_by_dicoms.json``.
        split: ``test`` or ``all``: the benchmark has no other.
        history: Whether earlier questions of the conversation stand before a question, with their right answers.
        images: The ``files`` folder of MIMIC-CXR-JPG; without it ``root/files``.
        report: Filled with what was read, kept and left out.
        absent: Whether samples whose image file is not there are given (``keep``) or left out (``skip``).

    Raises:
        FileNotFoundError: If the folder or the list of tasks is absent.
    """
    known_split(split, ("test",), TITLE)
    path = find_file(root, [TASKS], TITLE)
    files = Path(root) / "files" if images is None else Path(images)

    def make(asked: _Asked) -> Sample:
        return _sample(asked, files, path.parent / "segmask_bodypart", history)

    return collect(_conversations(path), make, name=TITLE, report=report, absent=absent)


def _conversations(path: Path) -> Iterator[_Asked | UnusableRecordError]:
    """Give the questions of every conversation."""
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig", errors="replace"))
    except json.JSONDecodeError as error:
        raise SampleError(f"{path}: expected an object of tasks, found no valid JSON: {error.msg}") from None
    if not isinstance(tasks, dict) or not all(isinstance(names, list) for names in tasks.values()):
        raise SampleError(f"{path}: expected an object {{task: [dicom, ...]}}")
    for task, names in tasks.items():
        for name in names:
            if NAME.fullmatch(task):
                yield from _conversation(path.parent / "qa" / task / "path1", task, str(name))
            else:
                yield UnusableRecordError(str(name), "task is no name of a folder", task)


def _conversation(folder: Path, task: str, name: str) -> Iterator[_Asked | UnusableRecordError]:
    """Give the questions of one conversation, as far as its files can be read."""
    study: tuple[str, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    for stage in STAGES:
        where = f"{task}-{name}-{stage}"
        found = sorted((folder / stage).glob(f"*/{name}.json")) if DICOM_NAME.fullmatch(name) else []
        if not found and stage in OPTIONAL:
            continue
        try:
            record = _read(found, where)
            for asked in _asked(record, task, stage, where, study, before):
                study = study or asked.pictures
                yield asked
                before = (*before, (asked.question, asked.answer))
        except UnusableRecordError as error:
            yield error
            return


def _read(found: list[Path], where: str) -> dict[str, Any]:
    """Read the file of one stage."""
    if not found:
        raise UnusableRecordError(where, "no file of this stage")
    try:
        return as_record(json.loads(found[0].read_text(encoding="utf-8", errors="replace")), where)
    except json.JSONDecodeError as error:
        raise UnusableRecordError(where, f"no valid JSON: {error.msg}") from None


def _asked(
    record: dict[str, Any],
    task: str,
    stage: str,
    where: str,
    study: tuple[str, ...],
    before: tuple[tuple[str, str], ...],
) -> Iterator[_Asked]:
    """Give the questions of one stage: one, or a list of them with a list of answers and of picture lists."""
    question, answer = record.get("question"), record.get("answer")
    if not isinstance(question, list):
        question, answer = [question], [answer]
    if not isinstance(answer, list) or len(answer) != len(question):
        raise UnusableRecordError(where, "as many answers as questions expected", answer)
    pictures = _pictures(record.get("img_path"), len(question), where)
    for place, (text, right) in enumerate(zip(question, answer, strict=True)):
        name = f"{where}-{place}" if len(question) > 1 else where
        if not isinstance(text, str) or not text.strip():
            raise UnusableRecordError(name, "question is no text", text)
        own = pictures[place]
        asked = _Asked(name, task, stage, record, text.strip(), _text(right, name), own, study or own, before)
        yield asked
        before = (*before, (asked.question, asked.answer))


def _pictures(value: Any, count: int, where: str) -> list[tuple[str, ...]]:
    """Read the pictures of each question: a list of paths for all of them, or a list of such lists."""
    paths = [value] if isinstance(value, str) else value or []
    if isinstance(paths, list) and all(isinstance(path, str) for path in paths):
        return [tuple(paths)] * count
    lists = paths if isinstance(paths, list) and len(paths) == count else []
    if not lists or not all(isinstance(own, list) and all(isinstance(path, str) for path in own) for own in lists):
        raise UnusableRecordError(where, "img_path is no list of paths", value)
    return [tuple(own) for own in lists]


def _text(answer: Any, where: str) -> str:
    """Write an answer, or the several of a list, as one text."""
    parts = answer if isinstance(answer, list) else [answer]
    texts = [str(part).strip() for part in parts if isinstance(part, str | int | float) and str(part).strip()]
    if not texts or len(texts) < len(parts):
        raise UnusableRecordError(where, "no answer")
    return ", ".join(texts)


def _sample(asked: _Asked, files: Path, masks: Path, history: bool) -> Sample:
    """Make a sample of one question."""
    patient = next((match[1] for path in asked.study if (match := PATIENT.search(path))), "")
    if not patient:
        raise UnusableRecordError(asked.where, "no image of a study p10/p10000032/s50414267", asked.study)
    paths = [(files, path.removeprefix("files/")) for path in asked.study]
    if asked.stage != "init":
        paths += [(masks, path.lstrip("/")) for path in asked.pictures]
    earlier = [f"Question: {question}\nAnswer: {answer}" for question, answer in asked.before if history]
    return Sample(
        id=asked.where,
        images=tuple(ImageRef(inside(folder, path, asked.where)) for folder, path in paths),
        question="\n\n".join([*earlier, asked.question]),
        answer=asked.answer,
        kind="open",
        group=patient,
        split="test",
        categories={"task": asked.task, "stage": asked.stage},
        extra={**asked.record, "before": asked.before},
    )


CARD = SetCard(
    name="cxreason",
    title=TITLE,
    paper="Lee et al. 2025, arXiv 2505.18087",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    access="credentialed",
    source="physionet.org/content/chexstruct-cxreasonbench; images: physionet.org/content/mimic-cxr-jpg",
    kinds=("open",),
    load=load_cxreason,
    note="18,988 questions over both of its paths; the reasoning path is read, the guided one is not",
)
