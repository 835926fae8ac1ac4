"""BLEU of COCO and CIDEr-D against pycocoevalcap 1.2's numbers, ROUGE against rouge-score, METEOR by hand."""

from __future__ import annotations

import pytest
from sacrebleu.metrics import BLEU  # type: ignore[attr-defined]
from torchmetrics.functional.text import rouge_score

from medvlm.evaluation.metrics import Metric
from medvlm.evaluation.packages import longest_common
from medvlm.evaluation.report_metrics.cider import cider
from medvlm.evaluation.report_metrics.overlap import (
    bleu_all,
    bleu_coco,
    meteor,
    rouge_all,
    rouge_words,
)

GIVEN = [
    "The heart is enlarged with small bilateral pleural effusions.",
    "There is a pneumothorax on the left side today.",
    "The left effusion has worsened since the prior study.",
    "The tube tip is 2 cm above the carina.",
    "The lungs are clear without any effusion.",
]
WANTED = [
    "The heart is enlarged with moderate bilateral pleural effusions and edema.",
    "There is no pneumothorax on the left side today.",
    "the left effusion has improved since the prior study.",
    "The tube tip is 4.5 cm above the carina.",
    "The lungs are clear without any effusion.",
]
ONE_EMPTY = [GIVEN[0], "", *GIVEN[2:]]
RUSSIAN = "Лёгкие чистые, выпота нет"


def values(metrics: list[Metric]) -> list[float]:
    return [metric.value for metric in metrics]


def test_bleu_coco_is_that_of_pycocoevalcap() -> None:
    written = [0.821359954815839, 0.760070904806681, 0.6822068011635036, 0.6003339460898094]
    lower = [0.8435588725135645, 0.7839078758663226, 0.7084058234805004, 0.6300252950418896]
    assert values(bleu_coco(GIVEN, WANTED)) == pytest.approx([*written, *lower], abs=1e-12)
    assert values(bleu_coco(ONE_EMPTY, WANTED))[3] == pytest.approx(0.44852073314688384, abs=1e-12)


def test_cider_is_that_of_pycocoevalcap() -> None:
    assert values(cider(GIVEN, WANTED)) == pytest.approx([6.49374719018977], abs=1e-10)
    assert values(cider(ONE_EMPTY, WANTED)) == pytest.approx([5.171189134081032], abs=1e-10)
    assert "these 5 references" in cider(GIVEN, WANTED)[0].name


def test_cider_of_one_pair_is_zero() -> None:
    assert values(cider(WANTED[:1], WANTED[:1])) == [0.0]


def test_bleu_orders_are_those_of_sacrebleu() -> None:
    metrics = bleu_all(GIVEN, WANTED)[1:]
    scores = BLEU().corpus_score(GIVEN, [WANTED]).precisions
    assert metrics[0].value == pytest.approx(scores[0] / 100 * BLEU().corpus_score(GIVEN, [WANTED]).bp)
    assert [metric.name.split("[")[0] for metric in metrics] == ["bleu1", "bleu2", "bleu3"]
    assert all("tok:13a" in metric.name for metric in metrics)


def test_chinese_has_a_bleu_of_characters() -> None:
    metrics = bleu_all(["心脏增大。双肺清晰。"], ["心脏增大。双肺清晰。"])[1:]
    assert metrics[-1].name.startswith("bleu4[sacrebleu|")
    assert "tok:zh" in metrics[-1].name
    assert metrics[-1].value == pytest.approx(1.0)


def test_rouge_is_that_of_rouge_score() -> None:
    kinds = ("rouge1", "rouge2")
    both = zip(GIVEN, WANTED, strict=True)
    found = [rouge_score(a, b, rouge_keys=kinds, use_stemmer=True) for a, b in both]
    wanted = [sum(float(one[f"{kind}_fmeasure"]) for one in found) / 5 for kind in kinds]
    assert values(rouge_all(GIVEN, WANTED)[1:]) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("text", ["双肺清晰", RUSSIAN])
def test_scripts_that_rouge_score_cannot_see(text: str) -> None:
    assert values(rouge_words([text], [text])) == pytest.approx([1.0] * 3)
    with pytest.raises(ValueError, match="read rouge_words"):
        rouge_all([text], [text])


def test_rouge_words_by_hand() -> None:
    """Four words and three; three are shared, one pair of them, all three in order."""
    found = rouge_words(["lungs remain clear today"], ["Lungs clear today."])
    assert values(found) == pytest.approx([6 / 7, 2 / 5, 6 / 7])


def test_the_longest_common_subsequence_is_that_of_a_table() -> None:
    a, b = "abcbdabxaab", "bdcabayab"
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert longest_common(list(a), list(b)) == table[-1][-1]
    assert longest_common([], list(b)) == longest_common(list(a), []) == 0


class NoSynonyms:
    """A WordNet of no words."""

    def synsets(self, word: str) -> list[str]:
        return []


def test_meteor_by_hand() -> None:
    """Three of three words in one chunk: 1 - 0.5 (1/3)^3; nothing in common or empty: 0."""
    found = meteor(["Lungs are clear", "edema", ""], ["lungs are clear", "clear", "clear"], NoSynonyms())
    assert found[0].value == pytest.approx((1 - 0.5 / 27) / 3)
    assert found[0].n == 3


def test_meteor_without_wordnet_is_not_available(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    with pytest.raises(ValueError, match="WordNet is not on this disk"):
        meteor(["a"], ["a"])


@pytest.mark.parametrize("metric", [bleu_all, bleu_coco, rouge_all, rouge_words, cider])
def test_texts_that_do_not_pair_are_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ValueError, match="as many, at least one"):
        metric([], [])
    with pytest.raises(TypeError, match="put it in a list"):
        metric("a", "a")


def test_line_ends_change_nothing() -> None:
    assert values(bleu_coco(["a b\r\nc d e"], ["a b c d e"]))[3] == pytest.approx(1.0)
