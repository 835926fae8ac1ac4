"""Scores against torchmetrics, sacrebleu, rouge-score, torchvision and hand numbers."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.text import rouge_score, sacre_bleu_score, squad
from torchvision.ops import box_iou as reference_iou  # type: ignore[import-untyped]

from medvlm.evaluation import metrics

PAIRS = [
    ("The heart is enlarged with small bilateral effusions.", "Cardiomegaly with small bilateral pleural effusions."),
    ("There is a pneumothorax on the left.", "There is no pneumothorax on the left."),
    ("The effusion has worsened since the prior study.", "The effusion has improved since the prior study."),
    ("Tube tip 2 cm above the carina.", "Tube tip 4.5 cm above the carina."),
    ("Lungs are clear.", "Lungs are clear."),
    ("effusion effusion effusion", "pleural effusion"),
]
GIVEN, WANTED = [pair[0] for pair in PAIRS], [pair[1] for pair in PAIRS]


@pytest.mark.parametrize(("given", "wanted"), PAIRS)
def test_exact_match_and_token_f1_are_those_of_squad(given: str, wanted: str) -> None:
    reference = squad(
        [{"prediction_text": given, "id": "1"}], [{"answers": {"answer_start": [0], "text": [wanted]}, "id": "1"}]
    )
    assert metrics.token_f1(given, wanted) == pytest.approx(float(reference["f1"]) / 100, abs=1e-6)
    assert metrics.exact_match(given, wanted) == float(reference["exact_match"]) / 100


def test_repeated_words_are_not_counted_twice() -> None:
    assert metrics.token_recall("effusion effusion effusion", "pleural effusion") == 0.5
    assert metrics.token_recall("pleural", "pleural pleural effusion") == pytest.approx(1 / 3)


def test_chinese_is_compared_by_character() -> None:
    assert metrics.token_f1("左肺", "左肺") == 1.0
    assert metrics.token_f1("左肺", "右肺") == 0.5


@pytest.mark.parametrize(("given", "wanted", "score"), [("", "effusion", 0.0), ("effusion", "", 0.0), ("", "", 1.0)])
def test_empty_texts(given: str, wanted: str, score: float) -> None:
    assert metrics.token_f1(given, wanted) == score
    assert metrics.exact_match(given, wanted) == score


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert metrics.exact_match("o\u0308dem", "\u00f6dem") == 1.0


def test_bleu_is_that_of_sacrebleu_and_names_its_signature() -> None:
    score = metrics.bleu(GIVEN, WANTED)
    assert score.value == pytest.approx(float(sacre_bleu_score(GIVEN, [[text] for text in WANTED])), abs=1e-5)
    assert "tok:13a" in score.name
    assert "version:" in score.name
    assert score.n == len(PAIRS)


def test_rouge_l_is_the_mean_of_rouge_score() -> None:
    reference = [float(rouge_score(a, b, rouge_keys="rougeL")["rougeL_fmeasure"]) for a, b in PAIRS]
    score = metrics.rouge_l(GIVEN, WANTED, stemmer=False)
    assert score.value == pytest.approx(sum(reference) / len(reference), abs=1e-6)
    assert "stemmer:no" in score.name


def test_a_perfect_report_scores_one() -> None:
    assert metrics.bleu(WANTED, WANTED).value == pytest.approx(1.0)
    assert metrics.rouge_l(WANTED, WANTED).value == pytest.approx(1.0)


def test_line_ends_do_not_shift_or_change_a_score() -> None:
    crlf = ["a b c d.\r\ne f g h.", "\u2028i j k l m"]
    assert metrics.bleu(crlf, ["a b c d. e f g h.", "i j k l m"]).value == pytest.approx(1.0)


def test_an_empty_prediction_stays_in_the_denominator() -> None:
    assert metrics.rouge_l(["", "lungs clear"], ["lungs clear", "lungs clear"]).value == pytest.approx(0.5)


def test_rouge_refuses_texts_that_it_cannot_see() -> None:
    with pytest.raises(ValueError, match="a-z and 0-9 only"):
        metrics.rouge_l(["左肺"], ["左肺"])


@pytest.mark.parametrize(("given", "wanted"), [([], []), (["a"], []), (["a"], ["a", "b"])])
def test_corpora_that_do_not_match_are_refused(given: list[str], wanted: list[str]) -> None:
    with pytest.raises(ValueError, match="predictions and"):
        metrics.bleu(given, wanted)


def test_one_text_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="put it in a list"):
        metrics.rouge_l("lungs", "lungs")


def test_finding_f1_by_hand() -> None:
    given = ["Large effusion. Cardiomegaly.", "No effusion.", "Pneumothorax."]
    wanted = ["Large effusion.", "Small effusion.", "Pneumothorax."]
    micro, macro = metrics.finding_f1(given, wanted)
    assert micro.value == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert macro.value == pytest.approx((2 / 3 + 1.0) / 2)
    assert micro.name.startswith("rule_chexpert_micro_f1[positive:present")


def test_hallucinated_findings_by_hand() -> None:
    """Named: effusion, cardiomegaly, pneumothorax, edema; the second and the last are not in the references."""
    given = ["Large effusion. Cardiomegaly.", "No effusion.", "Pneumothorax. Pulmonary edema."]
    wanted = ["Large effusion.", "Small effusion.", "Pneumothorax. Possible edema."]
    (metric,) = metrics.hallucinated_findings(given, wanted)
    assert (metric.value, metric.n) == (0.5, 3)
    assert metrics.hallucinated_findings(given, wanted, uncertain=True)[0].value == 0.25
    assert metrics.hallucinated_findings(["", "No effusion."], ["Effusion.", "Clear lungs."])[0].value == 0.0
    with pytest.raises(ValueError, match="as many"):
        metrics.hallucinated_findings(["Edema."], [])


def test_uncertain_findings_count_when_asked() -> None:
    assert metrics.finding_f1(["Possible pneumonia."], ["Pneumonia."])[0].value == 0.0
    assert metrics.finding_f1(["Possible pneumonia."], ["Pneumonia."], uncertain=True)[0].value == 1.0


def test_iou_is_that_of_torchvision() -> None:
    corners = torch.rand(50, 2, 2, generator=torch.Generator().manual_seed(0)).sort(dim=1).values
    boxes = corners.flatten(1)
    matrix = reference_iou(boxes, boxes)
    for i, j in [(0, 0), (1, 7), (3, 20), (4, 49), (8, 30)]:
        a, b = (tuple(boxes[k].tolist()) for k in (i, j))
        assert metrics.box_iou(a, b) == pytest.approx(float(matrix[i, j]), abs=1e-6)


def test_boxes_without_area_have_no_overlap() -> None:
    assert metrics.box_iou((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)) == 0.0
