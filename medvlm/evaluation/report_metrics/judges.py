"""Judges of reports: a language model in a folder, or a file of what one has said, by the ids of the reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.published import CRIMSON, GREEN, Published
from medvlm.evaluation.report_metrics.judged import crimson, crimson_scores, green_scores, radrscore
from medvlm.evaluation.report_metrics.reports import Reports
from medvlm.evaluation.steps import StepScores, step_scores, steps_of
from medvlm.study import SampleError

MOST_TOKENS = 2048
_PARTS = ("factuality", "completeness", "effectiveness")


def green(reports: Reports, place: Path, device: str) -> list[Metric]:
    """GREEN of what its model says; a report that is empty scores 0 and is not asked about.

    Args:
        reports: Pairs.
        place: Folder of the model with ``prompt.txt``, or a JSONL file of ``id`` and ``output``.
        device: Where the model computes.
    """
    return green_scores([text or "" for text in _said(reports, place, GREEN, device)])


def crimson_of(reports: Reports, place: Path, device: str) -> list[Metric]:
    """CRIMSON of what a judge says; what is no evaluation counts 0.

    Args:
        reports: Pairs.
        place: Folder of the model with ``prompt.txt``, or a JSONL file of ``id`` and ``output`` (its JSON, or a text).
        device: Where the model computes.
    """
    return crimson_scores([_evaluation(text or "") for text in _said(reports, place, CRIMSON, device)])


def _evaluation(text: str) -> Mapping[str, Any] | None:
    """The JSON object of a reply if CRIMSON can be computed of it."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
        crimson(found)
    except ValueError:
        return None
    return found if isinstance(found, Mapping) else None


def radrscore_of(reports: Reports, place: Path | None, device: str) -> list[Metric]:
    """RadRScore by a judge's file, or without one by the rule labeler on the thoughts of each answer.

    Args:
        reports: Pairs, with the whole texts.
        place: A JSONL file of ``id``, ``factuality``, ``completeness`` and ``effectiveness``, each 0 to 1.
        device: Not used.

    Raises:
        SampleError: If a line has other fields.
    """
    if place is None:
        both = zip(reports.texts, reports.wanted, strict=True)
        return radrscore([step_scores(steps_of(text), wanted) for text, wanted in both])
    lines = read_by_id(place, reports.ids)
    return radrscore([_steps(lines[name], place) if name in lines else None for name in reports.ids], judge=place.name)


def _steps(line: Mapping[str, Any], place: Path) -> StepScores | None:
    values = [line.get(part) for part in _PARTS]
    if all(value is None for value in values):
        return None
    if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in values):
        raise SampleError(
            f"{place}, id {line['id']}: {values}; expected {', '.join(_PARTS)}, each from 0 to 1, or null"
        )
    return StepScores(*(float(value) for value in values if value is not None))


def _said(reports: Reports, place: Path, source: Published, device: str) -> list[str | None]:
    """What the judge said of each pair; None of an empty report, or where the file has nothing."""
    if not place.is_dir() and place.suffix == ".jsonl":
        lines = read_by_id(place, reports.ids)
        found = [lines.get(name, {}).get("output") for name in reports.ids]
        return [text if text is None or isinstance(text, str) else json.dumps(text) for text in found]
    return _ask(reports, source.folder(place), device)


def _ask(reports: Reports, folder: Path, device: str) -> list[str | None]:
    """Greedy answers of a language model to the prompt of each pair."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prompt = (folder / "prompt.txt").read_text(encoding="utf-8")
    if "{reference}" not in prompt or "{candidate}" not in prompt:
        raise ValueError(f"{folder / 'prompt.txt'}: expected {{reference}} and {{candidate}} where the reports go")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    model.eval().to(device)
    answers: list[str | None] = []
    for given, wanted in zip(reports.given, reports.wanted, strict=True):
        if not given:
            answers.append(None)
            continue
        asked = wanted.join(part.replace("{candidate}", given) for part in prompt.split("{reference}"))
        if tokenizer.chat_template:
            talk = [{"role": "user", "content": asked}]
            asked = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(asked, return_tensors="pt", add_special_tokens=not tokenizer.chat_template).to(device)
        with torch.no_grad():
            tokens = model.generate(**inputs, do_sample=False, max_new_tokens=MOST_TOKENS)
        answers.append(tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    return answers


def read_by_id(path: Path, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The lines of a JSONL file by their ``id``.

    Args:
        path: The file, in UTF-8; CRLF and empty lines are no matter.
        ids: Those of the reports.

    Raises:
        FileNotFoundError: If there is no such file.
        SampleError: If a line is no object with an id, or an id is unknown or there twice.
    """
    lines: list[Mapping[str, Any]] = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line.decode("utf-8"))
        except ValueError as error:
            raise SampleError(f"{path}:{number} is no JSON in UTF-8 ({error}); write one object a line") from None
        if not isinstance(found, Mapping) or "id" not in found:
            raise SampleError(f"{path}:{number} is no object with an id")
        lines.append(found)
    counts, known = Counter(str(line["id"]) for line in lines), set(ids)
    if wrong := [name for name, count in counts.items() if count > 1 or name not in known]:
        raise SampleError(f"{path}: {len(wrong)} ids are unknown or there twice, first {wrong[0]!r}; one line a report")
    return {str(line["id"]): line for line in lines}
