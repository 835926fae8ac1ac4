"""What is computed in one pass is what the packages give, text by text and order by order."""

from __future__ import annotations

import random

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU  # type: ignore[attr-defined]

from medvlm.evaluation.packages import ngrams, rouge_means, sacre_orders

WORDS = "no the lungs clear effusions effusion pleural enlarging heart is normally 4.5 cm left-sided (mild) œdème"
SOME = WORDS.split()
KINDS = ("rouge1", "rouge2", "rougeL")


def corpus(seed: int, n: int = 12) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    given, wanted = ([" ".join(draw.choices(SOME, k=draw.randint(1, 40))) for _ in range(n)] for _ in range(2))
    return ["", *given[1:]], wanted


@pytest.mark.parametrize("seed", range(4))
def test_bleu_of_each_order_is_that_of_sacrebleu_asked_for_it_alone(seed: int) -> None:
    given, wanted = corpus(seed)
    forms = [BLEU(max_ngram_order=order) for order in (1, 2, 3, 4)]
    alone = [form.corpus_score(given, [wanted]).score / 100 for form in forms]
    found, signature = sacre_orders(given, wanted)
    assert found == pytest.approx(alone, abs=1e-12)
    assert signature == f"sacrebleu|{forms[-1].get_signature()}"


def test_bleu_of_texts_too_short_for_four_words_is_that_of_sacrebleu() -> None:
    texts = ["Normal", "No change"]
    alone = [BLEU(max_ngram_order=order).corpus_score(texts, [texts]).score / 100 for order in (1, 2, 3, 4)]
    assert sacre_orders(texts, texts)[0] == pytest.approx(alone, abs=1e-12)
    assert sacre_orders([""], ["Normal"])[0] == [0.0] * 4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stemmer", [True, False])
def test_rouge_is_that_of_rouge_score(seed: int, stemmer: bool) -> None:
    given, wanted = corpus(seed)
    scorer = RougeScorer(list(KINDS), use_stemmer=stemmer)
    each = [scorer.score(b, a) for a, b in zip(given, wanted, strict=True)]
    means = [sum(one[kind].fmeasure for one in each) / len(each) for kind in KINDS]
    assert rouge_means(given, wanted, stemmer=stemmer)[0] == pytest.approx(means, abs=1e-12)


def test_a_very_long_report_is_read() -> None:
    long = " ".join(SOME * 700)
    assert rouge_means([long], [long])[0] == pytest.approx([1.0] * 3)


def test_runs_of_tokens_are_counted() -> None:
    assert dict(ngrams(["a", "b", "a", "b"], 2)) == {("a", "b"): 2, ("b", "a"): 1}
    assert not ngrams(["a"], 2)
