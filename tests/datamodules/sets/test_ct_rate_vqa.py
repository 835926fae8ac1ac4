"""The questions of CT-RATE: turns, marks, forms and the rescale of the volume."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from medvlm.datamodules.sets.ct_rate_vqa import load_ct_rate_vqa
from medvlm.study import Sample

RELEASE = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "releases" / "ct_rate_vqa.py")))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    RELEASE.write(tmp_path)
    return list(load_ct_rate_vqa(tmp_path, "validate"))


def test_each_turn_is_a_question_without_its_marks(samples: list[Sample]) -> None:
    assert [(sample.question, sample.answer) for sample in samples[:3]] == [
        ("What is in the lung?", "A nodule."),
        ("Where?", "On the left."),
        ("Fluid?", "no"),
    ]


def test_forms_come_from_the_type_or_the_mark(samples: list[Sample]) -> None:
    assert [(sample.kind, sample.categories["form"]) for sample in samples] == [
        ("open", "long_answer"),
        ("open", "long_answer"),
        ("closed", "short_answer"),
        ("report", "report_generation"),
        ("open", "unknown"),
    ]


def test_the_rescale_of_the_table_goes_with_the_volume(samples: list[Sample]) -> None:
    assert [sample.images[0].rescale for sample in samples[-2:]] == [(1.0, -1024.0), (1.0, -8192.0)]
    assert samples[0].group == "valid_1"
