"""LLaVA-Med v1.0's numbers for VQA (microsoft/LLaVA-Med, ``llava/eval/run_eval.py``, at b9a98a7, December 2023).

Written from what the evaluator does, not from its text, whose licence (MSR research) forbids redistribution. What is
wrong with it:

- A closed answer is a hit if the prediction holds "yes" or "no" anywhere ("normal" does) and the reference anywhere;
  so "yes, no doubt" hits both, and closed answers such as "Chest" need a stray yes or no to count.
- Before pull request 35 (b9a98a7) a wrong yes or no was left out of the denominator: ``llava_med_before_35``.
- "recall", which papers quote as open accuracy, counts every repetition of a right word.
- "exact match score" is distinct reference words found over words written.
- bleu_score_2 and _3 weigh 2-grams or 3-grams alone.
- Full stops are removed 32 times only: a flag is passed as the count.

Not here: "open accuracy", which needs a file of candidate answers that each paper made itself. All are 0 to 1; the
original prints them times 100.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections import Counter
from collections.abc import Sequence

from medvlm.study import need

from .items import Item, Measure, mean, share

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")
_STOPS_REMOVED = 32
_NUMBERS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())  # noqa: SIM905
}
_ARTICLES = {"a", "an", "the"}
_SHORTENED = """ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll
how's isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've
shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're
there's they'd they'll they're they've wasn't we've weren't what'll what're what's what've when's where'd where's
where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
'twas"""
_TWICE = """couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've you'd've y'all'll"""
_ODD = {
    "somebody'd": "somebodyd",
    "'ows'at": "'ow's'at",
    "'ow'sat": "'ow's'at",
    "yall'd've": "y'all'd've",
    "y'alld've": "y'all'd've",
    "y'all'dve": "y'all'd've",
}


def _contractions() -> dict[str, str]:
    """Contractions that lack an apostrophe, and what each becomes."""
    table = {word.replace("'", ""): word for word in _SHORTENED.split()}
    for word in _TWICE.split():
        first, second, third = word.split("'")
        table[f"{first}{second}'{third}"] = word
        table[f"{first}'{second}{third}"] = word
    return table | _ODD


_CONTRACTIONS = _contractions()


def normalise_word(text: str) -> str:
    """The text as the VQA evaluation compares it, with this evaluator's own slips.

    Args:
        text: Lower-cased.

    Examples:
        >>> normalise_word("the left-sided, two masses.")
        'left sided 2 masses'
    """
    left = text
    for mark in _MARKS:
        touches = f"{mark} " in text or f" {mark}" in text or _THOUSANDS.search(text)
        left = left.replace(mark, "" if touches else " ")
    words = _STOP.sub("", left, count=_STOPS_REMOVED).lower().split()
    words = [_NUMBERS.get(word, word) for word in words]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def closed_hit(prediction: str, reference: str) -> tuple[bool, bool]:
    """Whether a closed answer is a hit, and whether the evaluator before pull request 35 counted it at all.

    Args:
        prediction: What the model wrote.
        reference: The answer wanted.

    Examples:
        >>> closed_hit("The scan is normal.", "no"), closed_hit("No.", "yes"), closed_hit("Left.", "left")
        ((True, True), (False, False), (False, True))
    """
    said, wanted = (normalise_word(text.lower()) for text in (prediction, reference))
    answers = "yes" in said or "no" in said
    hit = answers and wanted in said
    return hit, hit or not answers


def open_scores(prediction: str, reference: str) -> dict[str, float]:
    """The "exact match score", F1, precision and recall of an open answer.

    Args:
        prediction: What the model wrote.
        reference: The answer wanted.

    Examples:
        >>> open_scores("effusion effusion effusion", "pleural effusion")["recall"]
        0.75
    """
    said, wanted = (Counter(normalise_word(normalise_word(t.lower())).split()) for t in (prediction, reference))
    right = sum(count for word, count in said.items() if word in wanted)
    missed = sum(count for word, count in wanted.items() if word not in said)
    found = sum(word in said for word in wanted)
    exact = found / said.total() if said else 0.0
    if not right:
        return {"exact match score": exact, "f1": 0.0, "precision": 0.0, "recall": 0.0}
    precision, recall = right / said.total(), right / (right + missed)
    f1 = 2 * precision * recall / (precision + recall)
    return {"exact match score": exact, "f1": f1, "precision": precision, "recall": recall}


def bleu_scores(prediction: str, reference: str) -> dict[str, float]:
    """The four BLEU numbers of an open answer, by nltk without smoothing.

    Args:
        prediction: What the model wrote.
        reference: The answer wanted.

    Raises:
        ImportError: If nltk is absent.
    """
    bleu = need("nltk.translate.bleu_score", "metrics")
    said, wanted = (normalise_word(text.lower()).split() for text in (prediction, reference))
    weights = {"bleu_score": (0.25,) * 4, "bleu_score_1": (1, 0, 0, 0)}
    weights |= {"bleu_score_2": (0, 1, 0, 0), "bleu_score_3": (0, 0, 1, 0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: float(bleu.sentence_bleu([wanted], said, weights=weight)) for name, weight in weights.items()}


def llava_med(items: Sequence[Item]) -> list[Measure]:
    """All numbers of the evaluator from pull request 35 on.

    Args:
        items: Open and closed questions; others are left out.
    """
    return _measures(items, before=False)


def llava_med_before_35(items: Sequence[Item]) -> list[Measure]:
    """The same with wrong yes and no left out of the closed denominator.

    Args:
        items: Open and closed questions; others are left out.
    """
    return _measures(items, before=True)


def _measures(items: Sequence[Item], *, before: bool) -> list[Measure]:
    asked = [item for item in items if item.kind in ("open", "closed")]
    opened = [item for item in asked if item.answer_type == "open"]
    closed = [item for item in asked if item.answer_type == "closed"]
    measures = []
    if opened:
        scores = [open_scores(item.text, item.answer) for item in opened]
        if importlib.util.find_spec("nltk"):
            scores = [row | bleu_scores(item.text, item.answer) for row, item in zip(scores, opened, strict=True)]
        measures = [mean(f"open {name}", opened, [row[name] for row in scores]) for name in scores[0]]
    if closed:
        hits = [closed_hit(item.text, item.answer) for item in closed]
        counted = [float(kept or not before) for _, kept in hits]
        measures.append(share("closed yes/no accuracy", closed, [float(hit) for hit, _ in hits], counted))
    return measures
