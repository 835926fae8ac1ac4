"""Scores of one text or box against its reference, and of many; every corpus score carries its full name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medvlm.evaluation.labeler import FINDINGS, label_report
from medvlm.evaluation.packages import rouge_means, sacre_orders
from medvlm.evaluation.text import clean, normalise, words
from medvlm.study import need

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A corpus score and all that is needed to compute it again.

    Attributes:
        name: Metric, package, version and settings.
        value: The score, 0 to 1 unless the name says otherwise.
        n: Pairs that it covers, empty predictions included.
    """

    name: str
    value: float
    n: int


def exact_match(prediction: str, reference: str) -> float:
    """1.0 if both texts are the same after SQuAD normalisation.

    Args:
        prediction: The answer given.
        reference: The answer wanted.

    Examples:
        >>> exact_match("The left lung.", "left lung")
        1.0
    """
    return float(normalise(prediction) == normalise(reference))


def token_recall(prediction: str, reference: str) -> float:
    """Share of the reference's words that the prediction holds; a word said once counts once.

    Args:
        prediction: The answer given.
        reference: The answer wanted.

    Examples:
        >>> token_recall("effusion effusion effusion", "pleural effusion")
        0.5
    """
    wanted = Counter(words(reference))
    return (wanted & Counter(words(prediction))).total() / max(wanted.total(), 1)


def token_f1(prediction: str, reference: str) -> float:
    """Harmonic mean of word precision and recall as in SQuAD: words are counted with their multiplicity.

    Args:
        prediction: The answer given.
        reference: The answer wanted.

    Examples:
        >>> round(token_f1("effusion effusion effusion", "pleural effusion"), 2)
        0.4
    """
    given, wanted = Counter(words(prediction)), Counter(words(reference))
    if not given or not wanted:
        return float(given == wanted)
    return 2 * (given & wanted).total() / (given.total() + wanted.total())


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes ``(x0, y0, x1, y1)``, without the pixel convention's +1.

    Args:
        a: A box.
        b: Another one.

    Examples:
        >>> box_iou((0.0, 0.0, 0.5, 0.5), (0.25, 0.0, 0.75, 0.5))
        0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union if union > 0 else 0.0


def bleu(predictions: Sequence[str], references: Sequence[str]) -> Metric:
    """Corpus BLEU-4 of sacrebleu, its signature in the name.

    Args:
        predictions: One text a study; an empty one counts.
        references: The text wanted for each.

    Raises:
        ImportError: If sacrebleu is not installed.
        ValueError: If there is nothing to score, or the counts differ.
    """
    given, wanted = pairs(predictions, references)
    orders, signature = sacre_orders(given, wanted)
    return Metric(f"bleu[{signature}]", orders[-1], len(given))


def sentence_bleu(prediction: str, reference: str) -> float:
    """BLEU-4 of one text by sacrebleu, over the n-gram orders that the text has: a perfect single word earns 1.

    Args:
        prediction: The text given.
        reference: The text wanted.

    Raises:
        ImportError: If sacrebleu is not installed.
    """
    (given,), (wanted,) = pairs([prediction], [reference])
    scorer = need("sacrebleu.metrics", "metrics").BLEU(effective_order=True)
    return float(scorer.sentence_score(given, [wanted]).score) / 100


def rouge_l(predictions: Sequence[str], references: Sequence[str], *, stemmer: bool = True) -> Metric:
    """Mean ROUGE-L F1 of rouge-score.

    Args:
        predictions: One text a study; an empty one scores 0.
        references: The text wanted for each.
        stemmer: Whether words are stemmed (Porter).

    Raises:
        ImportError: If rouge-score is not installed.
        ValueError: If there is nothing to score, the counts differ, or a reference has no letter from a to z or digit:
            rouge-score sees nothing else and would give 0 to a perfect text.
    """
    given, wanted = pairs(predictions, references)
    means, signature = rouge_means(given, wanted, stemmer=stemmer)
    return Metric(f"rougeL_f1[{signature}]", means[-1], len(given))


def finding_counts(prediction: str, reference: str, *, uncertain: bool = False) -> dict[str, tuple[int, int, int]]:
    """True positives, false positives and false negatives of one report, per finding.

    Args:
        prediction: The report given.
        reference: The report wanted.
        uncertain: Whether an uncertain finding counts as present.

    Examples:
        >>> finding_counts("Large effusion.", "No effusion.")["Pleural Effusion"]
        (0, 1, 0)
    """
    positive = {"present", "uncertain"} if uncertain else {"present"}
    given, wanted = label_report(prediction), label_report(reference)
    counts = {}
    for label in FINDINGS:
        said, meant = given.get(label) in positive, wanted.get(label) in positive
        counts[label] = (int(said and meant), int(said and not meant), int(meant and not said))
    return counts


def finding_f1(predictions: Sequence[str], references: Sequence[str], *, uncertain: bool = False) -> list[Metric]:
    """Micro and macro F1 over the 13 findings that the rule labeler reads; macro over those that a reference has.

    Args:
        predictions: One report a study; an empty one counts as saying nothing.
        references: The report wanted for each.
        uncertain: Whether an uncertain finding counts as present.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> [metric.value for metric in finding_f1(["Large effusion."], ["Large effusion. Cardiomegaly."])]
        [0.6666666666666666, 0.5]
    """
    given, wanted = pairs(predictions, references)
    totals = _finding_totals(given, wanted, uncertain)
    supported = {label: counts for label, counts in totals.items() if counts[0] + counts[2]}
    policy = f"positive:{'present+uncertain' if uncertain else 'present'}"
    micro = f1([sum(column) for column in zip(*totals.values(), strict=True)])
    macro = sum(map(f1, supported.values())) / max(len(supported), 1)
    return [
        Metric(f"rule_chexpert_micro_f1[{policy}]", micro, len(given)),
        Metric(f"rule_chexpert_macro_f1[{policy}|{len(supported)} labels with support]", macro, len(given)),
    ]


def hallucinated_findings(
    predictions: Sequence[str], references: Sequence[str], *, uncertain: bool = False
) -> list[Metric]:
    """Share of the findings called present that are not present in the reference, over all reports; lower is better.

    It is 1 minus the micro precision, and 0 where nothing is called present: read it beside `finding_f1`, for a report
    that names nothing hallucinates nothing.

    Args:
        predictions: One report a study; an empty one counts as saying nothing.
        references: The report wanted for each.
        uncertain: Whether an uncertain finding counts as present.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> hallucinated_findings(["Large effusion. Cardiomegaly."], ["Large effusion. No cardiomegaly."])[0].value
        0.5
    """
    given, wanted = pairs(predictions, references)
    hits, extra, _ = (sum(column) for column in zip(*_finding_totals(given, wanted, uncertain).values(), strict=True))
    policy = f"positive:{'present+uncertain' if uncertain else 'present'}"
    value = extra / (hits + extra) if hits + extra else 0.0
    return [Metric(f"rule_chexpert_hallucinated[{policy}]", value, len(given))]


def _finding_totals(given: Sequence[str], wanted: Sequence[str], uncertain: bool) -> dict[str, list[int]]:
    """`finding_counts` of each finding, summed over reports."""
    totals = {label: [0, 0, 0] for label in FINDINGS}
    for text, target in zip(given, wanted, strict=True):
        for label, counts in finding_counts(text, target, uncertain=uncertain).items():
            totals[label] = [a + b for a, b in zip(totals[label], counts, strict=True)]
    return totals


def f1(counts: Sequence[int]) -> float:
    """F1 from true positives, false positives and false negatives; 1.0 where all are zero.

    Args:
        counts: The three counts.

    Examples:
        >>> f1([1, 0, 2]), f1([0, 0, 0])
        (0.5, 1.0)
    """
    hits, extra, missed = counts
    total = 2 * hits + extra + missed
    return 2 * hits / total if total else 1.0


def text_scores(prediction: str, reference: str) -> Mapping[str, float]:
    """The scores of one open answer: exact match, token F1 and token recall.

    Args:
        prediction: The answer given; empty where it was unparsed.
        reference: The answer wanted.
    """
    return {
        "exact_match": exact_match(prediction, reference),
        "token_f1": token_f1(prediction, reference),
        "token_recall": token_recall(prediction, reference),
    }


def pairs(predictions: Sequence[str], references: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both sides with their white space collapsed, because tokenisers differ in what a line end is.

    Args:
        predictions: Texts given.
        references: Texts wanted.

    Raises:
        TypeError: If one side is a single text.
        ValueError: If there are none, or the counts differ.
    """
    if isinstance(predictions, str) or isinstance(references, str):
        raise TypeError("expected a sequence of texts on both sides, got one text; put it in a list")
    if not predictions or len(predictions) != len(references):
        raise ValueError(
            f"{len(predictions)} predictions and {len(references)} references; expected as many, at least one"
        )
    return [" ".join(clean(text).split()) for text in predictions], [
        " ".join(clean(text).split()) for text in references
    ]
