"""Baselines: paired, Holm over all of a run, and what is said of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from medvlm.evaluation.contrasts import FINDING_F1, contrast, in_words
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.scoring import compare, score_records
from medvlm.evaluation.sections.section import find_section
from medvlm.study import AnswerKind, Sample

OWN = Protocol("own")


def run(right: int, n: int = 40, shift: int = 0) -> list[Record]:
    """Answers of which so many in a row are right, from a place on."""
    marks = [(k - shift) % n < right for k in range(n)]
    return [
        grade(Sample(str(k), (), "?", "yes", "closed"), "yes" if mark else "no", run="r", cluster=str(k))
        for k, mark in enumerate(marks)
    ]


def reports(text: str, n: int = 12) -> list[Record]:
    sample = Sample("1", (), "?", "There is a pleural effusion.", "report")
    return [replace(grade(sample, text, run="r", cluster=str(k)), id=str(k)) for k in range(n)]


def choice(letter: str, k: int) -> Record:
    return grade(Sample(str(k), (), "?", "lung", "choice", ("lung", "heart")), letter, run="r", cluster=str(k))


def test_p_values_are_adjusted_over_the_baselines_of_the_run() -> None:
    found = contrast(run(30), {"blank": run(20), "shuffled": run(26), "majority": run(14, shift=9)})
    adjusted = multipletests([other.difference.p for other in found], method="holm")[1]
    assert [other.p_holm for other in found] == pytest.approx(adjusted.tolist())


def test_discordant_pairs_give_mcnemar() -> None:
    (found,) = contrast(run(30), {"majority": run(24, shift=12)})
    assert found.only == (12, 6)
    assert found.mcnemar == pytest.approx(mcnemar([[18, 12], [6, 4]], exact=True).pvalue)
    assert found.difference.value == pytest.approx(6 / 40)
    assert found.detectable is not None
    assert found.detectable > 0.15


def test_a_baseline_that_is_not_clearly_beaten_is_said_and_one_that_is_is_not() -> None:
    words = in_words(contrast(run(30), {"blank": run(28), "shuffled": run(0)}))
    assert words[0] == (
        "what the model sees: accuracy 0.750 with the image, 0.700 with a blank image (5% of answers change), "
        "0.000 with another patient's image (75% of answers change)"
    )
    assert len(words) == 2
    assert words[1].startswith("the model does not clearly beat a blank image: +0.050 (+0.000 to +0.125), p = ")


def test_a_model_that_looks_in_vain_is_worse() -> None:
    words = in_words(contrast(run(2), {"majority": run(30)}))
    assert words[0].startswith("the model is worse than the most frequent answers of training: -0.700")


def test_one_patient_says_nothing() -> None:
    one = [replace(record, cluster="p") for record in run(3, 4)], [replace(record, cluster="p") for record in run(1, 4)]
    score = compare(score_records(one[0], OWN), one[0], {"blank": one[1]})
    assert score.notes[-1] == "whether the model beats a blank image cannot be said from one cluster"
    assert math.isnan(score.comparisons[0].difference.low)
    assert "NaN" not in json.dumps(score.to_json())


def test_the_usual_letter_is_compared_on_choices_alone() -> None:
    ours = [*run(10, 20), *(choice("A", k) for k in range(20, 30))]
    (found,) = contrast(ours, {"position": [choice("B", k) for k in range(20, 30)]})
    assert (found.difference.n, found.difference.value, found.accuracy.value) == (10, 1.0, 0.0)
    with pytest.raises(ValueError, match="'blank' and the model were not asked the same"):
        contrast(ours, {"blank": ours[:3]})


def test_reports_alone_are_compared_by_their_findings() -> None:
    (found,) = contrast(reports("There is a pleural effusion."), {"blank": reports("The lungs are clear.")})
    assert (found.metric, found.accuracy.value, found.difference.value) == (FINDING_F1, 0.0, 1.0)
    assert (found.only, found.mcnemar, found.changed) == (None, None, 1.0)
    assert contrast(reports("Clear."), {"blank": reports("Clear.")}, findings=False) == ()


def test_reports_beside_questions_are_compared_apart() -> None:
    ours = [*run(10, 20), *(replace(one, id=f"r{one.id}") for one in reports("There is a pleural effusion."))]
    blank = [*run(5, 20), *(replace(one, id=f"r{one.id}") for one in reports("The lungs are clear."))]
    score = compare(score_records(ours, OWN), ours, {"blank": blank, "position": []})
    section = find_section(score.sections, "report_baselines")
    assert section is not None
    assert section.texts()[0][:2] == ["the model", "1.000 (1.000 to 1.000)"]
    assert section.texts()[1][0::4] == ["blank", "100%"]
    assert [found.difference.n for found in score.comparisons] == [20]
    alone = compare(score_records(ours[20:], OWN), ours[20:], {"blank": blank[20:]})
    assert find_section(alone.sections, "report_baselines") is None


def test_both_stand_in_the_table() -> None:
    ours = run(30)
    text = compare(score_records(ours, OWN), ours, {"blank": run(20), "majority": run(10)}).to_text()
    assert "after Holm" in text
    assert "what the model sees" in text


@pytest.mark.parametrize("kind", ["closed", "open"])
def test_the_model_against_itself_is_no_win(kind: AnswerKind) -> None:
    records = [grade(Sample("1", (), "?", "yes", kind), "yes", run="r", cluster="p")]
    (found,) = contrast(records, {"blank": records})
    assert (found.difference.value, found.difference.p, found.changed, found.detectable) == (0.0, 1.0, 0.0, None)
