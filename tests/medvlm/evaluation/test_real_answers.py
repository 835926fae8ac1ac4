"""The reference answers of real sets, given back as a reply, are read and are correct."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medvlm.evaluation.parser import is_correct, parse_answer
from medvlm.study import AnswerKind, Sample

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = ["vqa_rad/VQA_RAD Dataset Public.json", "slake/Slake1.0/train.json", "slake/Slake1.0/test.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["{}", "<think>yes, no, A</think><answer>{}</answer>"])
def test_every_reference_is_its_own_correct_answer(name: str, form: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no ../shared/data: {name}")
    for record in json.loads((DATA / name).read_text(encoding="utf-8")):
        answer = str(record["answer"]).strip()
        kind: AnswerKind = "closed" if record["answer_type"].strip() == "CLOSED" else "open"
        right = is_correct(parse_answer(form.format(answer), kind), Sample("s", (), "?", answer, kind))
        assert right or answer.strip(".") in ("", "Not sure"), record["qid"]
