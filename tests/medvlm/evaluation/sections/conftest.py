"""Records as a run leaves them, with what a test needs to say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from medvlm.evaluation.records import Record, grade
from medvlm.study import AnswerKind, Sample

Maker = Callable[..., Record]


def make_record(
    text: str = "yes",
    reference: str = "yes",
    *,
    kind: AnswerKind = "closed",
    options: tuple[str, ...] = (),
    cluster: str = "p",
    confidence: float | None = None,
    probabilities: Mapping[str, float] | None = None,
    **categories: str,
) -> Record:
    sample = Sample("1", (), "?", reference, kind, options, categories=categories)
    record = grade(sample, text, run="r", cluster=cluster)
    return replace(record, confidence=confidence, probabilities=probabilities or {})


@pytest.fixture
def record() -> Maker:
    return make_record
