"""F1 of sets of labels, from arrays: of CheXbert's 14 or five labels, of SRR-BERT's; who labelled is another matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medvlm.evaluation.labeler import FINDINGS, State
from medvlm.evaluation.metrics import Metric

Flags = NDArray[np.bool_]
LABELS: tuple[str, ...] = (*FINDINGS, "No Finding")
FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
CODES: Mapping[State, int] = {"present": 1, "absent": 2, "uncertain": 3}
POSITIVE: Mapping[str, tuple[int, ...]] = {"present": (1,), "present+uncertain": (1, 3)}


@dataclass(frozen=True, slots=True)
class Averages:
    """F1 over labels.

    Attributes:
        micro: Of all decisions together; 0 where neither side has a label.
        macro: Plain mean over all labels; one that no reference has counts 0.
        weighted: Mean weighted by how many references have a label.
        supported: Labels that a reference has.
    """

    micro: float
    macro: float
    weighted: float
    supported: int


def multilabel_f1(given: Flags, wanted: Flags) -> Averages:
    """F1 over labels, averaged in three ways as scikit-learn does with ``zero_division=0``.

    Args:
        given: ``(N, L)``, whether a label was given.
        wanted: ``(N, L)``, whether it was wanted.

    Raises:
        ValueError: If shapes differ, or there is nothing to score.

    Examples:
        >>> multilabel_f1(np.array([[True, False]]), np.array([[True, False]]))
        Averages(micro=1.0, macro=0.5, weighted=1.0, supported=1)
    """
    given, wanted = np.asarray(given, bool), np.asarray(wanted, bool)
    if given.shape != wanted.shape or given.ndim != 2 or not given.size:
        raise ValueError(f"labels of shapes {given.shape} and {wanted.shape}; expected (N, L) twice, not empty")
    hits, said, meant = (array.sum(0) for array in (given & wanted, given, wanted))
    each = 2 * hits / np.maximum(said + meant, 1)
    return Averages(
        micro=float(2 * hits.sum() / max(int(said.sum() + meant.sum()), 1)),
        macro=float(each.mean()),
        weighted=float((each * meant).sum() / max(int(meant.sum()), 1)),
        supported=int((meant > 0).sum()),
    )


def codes(labels: Sequence[Mapping[str, State]]) -> NDArray[np.int64]:
    """CheXbert's codes ``(N, 14)`` in its order: 0 not mentioned, 1 present, 2 absent, 3 uncertain.

    Args:
        labels: What each report says, as `medvlm.evaluation.chexbert.CheXbert.label` gives.
    """
    return np.array([[CODES[said[label]] if label in said else 0 for label in LABELS] for said in labels], np.int64)


def chexbert_f1(given: NDArray[np.int64], wanted: NDArray[np.int64], *, labeler: str = "chexbert") -> list[Metric]:
    """F1 over 14 and five labels, micro, macro and weighted, an uncertain label positive and not.

    Args:
        given: ``(N, 14)``, codes of the predictions in the order of `LABELS` (CheXbert's, No Finding last).
        wanted: ``(N, 14)``, codes of the references.
        labeler: Who labelled; it begins the names.

    Raises:
        ValueError: If shapes differ or are others, or a code is none of 0 to 3.
    """
    given, wanted = np.asarray(given), np.asarray(wanted)
    for side in (given, wanted):
        if side.ndim != 2 or side.shape[1] != len(LABELS) or not np.isin(side, (0, 1, 2, 3)).all():
            raise ValueError(f"codes of shape {side.shape}; expected (N, {len(LABELS)}) of 0, 1, 2 and 3")
    metrics = []
    for columns in (LABELS, FIVE):
        places = [LABELS.index(label) for label in columns]
        for policy, positive in POSITIVE.items():
            found = multilabel_f1(*(np.isin(side[:, places], positive) for side in (given, wanted)))
            about = f"{len(columns)} labels|positive:{policy}"
            zero = f"{about}|{len(columns) - found.supported} labels without support count 0"
            for kind, value in (("micro", found.micro), ("macro", found.macro), ("weighted", found.weighted)):
                metrics.append(Metric(f"{labeler}_{kind}_f1[{zero if kind == 'macro' else about}]", value, len(given)))
    return metrics


def set_f1(
    given: Sequence[frozenset[str]], wanted: Sequence[frozenset[str]], *, labeler: str = "srr_bert"
) -> list[Metric]:
    """F1 of sets of labels as SRR-BERT's are scored: weighted by support, and the mean over reports.

    Over the labels that occur on either side. A report without labels on both sides counts 1 in the mean.

    Args:
        given: Labels of each prediction.
        wanted: Labels of each reference.
        labeler: Who labelled; it begins the names.

    Raises:
        ValueError: If there is nothing to score, or the counts differ.

    Examples:
        >>> [metric.value for metric in set_f1([frozenset("ab")], [frozenset("a")])]
        [1.0, 0.6666666666666666]
    """
    if not given or len(given) != len(wanted):
        raise ValueError(f"{len(given)} predictions and {len(wanted)} references; expected as many, at least one")
    names = sorted(frozenset().union(*given, *wanted))
    alone = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in zip(given, wanted, strict=True)]
    sides = [np.array([[name in labels for name in names] for labels in side]) for side in (given, wanted)]
    weighted = multilabel_f1(sides[0], sides[1]).weighted if names else 1.0
    return [
        Metric(f"{labeler}_weighted_f1[{len(names)} labels that occur]", weighted, len(given)),
        Metric(f"{labeler}_sample_f1[mean over reports|both empty: 1]", sum(alone) / len(alone), len(given)),
    ]
