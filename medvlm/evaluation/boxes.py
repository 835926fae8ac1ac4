"""Several boxes against several: read from a text, matched one to one, scored; no box is an answer too.

Boxes are shares of the image, ``x`` from the image's left. In a frontal radiograph the image's left is the patient's
right: a question that says "left" means the patient's, and its box lies on the other side of the image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medvlm.evaluation.metrics import Box, box_iou
from medvlm.evaluation.values import Verdict, to_box

_GROUP = re.compile(r"[\[(<{]([^\[\](){}<>]*\d[^\[\](){}<>]*)[\])>}]")
_NONE = re.compile(
    r"(?:\[\s*\]|none|nothing|no (?:\w+ ){0,3}?(?:box(?:es)?|findings?|abnormalit(?:y|ies)|lesions?))", re.I
)


def read_boxes(text: str) -> list[Box] | None:
    """All boxes that a text lists; an empty list where it says that there is none, None where it cannot be read.

    Args:
        text: The answer region of a reply: groups of four numbers in brackets, or one group a line or between ``;``.

    Examples:
        >>> read_boxes("[[0.1, 0.2, 0.5, 0.6], [0.6, 0.1, 0.9, 0.4]]")
        [(0.1, 0.2, 0.5, 0.6), (0.6, 0.1, 0.9, 0.4)]
        >>> read_boxes("No finding."), read_boxes("on the left"), read_boxes("0.5 0.2 0.1 0.6")
        ([], None, None)
    """
    plain = text.strip(" \n\t.`\"'")
    if _NONE.fullmatch(plain):
        return []
    if (one := to_box(plain)) is not None:
        return [one]
    groups = _GROUP.findall(plain) or [part for part in re.split(r"[;\n]", plain) if part.strip()]
    boxes = [to_box(group) for group in groups]
    found = [box for box in boxes if box is not None]
    return found if found and len(found) == len(boxes) else None


def read_box_list(text: str) -> Verdict:
    """Every box of a text as ``x0 y0 x1 y1; x0 y0 x1 y1``, or ``none``, for questions whose answer may be several.

    Args:
        text: The answer region of a reply, cleaned.

    Examples:
        >>> read_box_list("[0.10, 0.2, 0.5, 0.60] and [0.6, 0.1, 0.9, 0.4]"), read_box_list("No finding.")
        (('0.1 0.2 0.5 0.6; 0.6 0.1 0.9 0.4', '2 boxes'), ('none', '0 boxes'))
    """
    boxes = read_boxes(text)
    if boxes is None:
        return None, "no list of boxes x0 y0 x1 y1 with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, and not 'none'"
    return "; ".join(" ".join(f"{edge:g}" for edge in box) for box in boxes) or "none", f"{len(boxes)} boxes"


def match_boxes(given: Sequence[Box], wanted: Sequence[Box]) -> list[tuple[int, int, float]]:
    """Pairs (index given, index wanted, IoU) of the one-to-one matching with the largest sum of IoU.

    Source: Kuhn's Hungarian method, as `scipy.optimize.linear_sum_assignment` solves it. Pairs that do not overlap are
    left out.

    Args:
        given: Boxes of the answer.
        wanted: Boxes of the reference.

    Examples:
        >>> match_boxes([(0.0, 0.0, 0.5, 1.0)], [(0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0)])
        [(0, 1, 1.0)]
    """
    if not given or not wanted:
        return []
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped, unused-ignore]

    overlaps = [[box_iou(a, b) for b in wanted] for a in given]
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    pairs = [(int(row), int(column), overlaps[row][column]) for row, column in zip(rows, columns, strict=True)]
    return [pair for pair in pairs if pair[2] > 0]


def soft_box_f1(given: Sequence[Box], wanted: Sequence[Box]) -> float:
    """F1 in which a matched pair counts as much as it overlaps.

    With ``TP`` the sum of IoU over matched pairs: recall ``TP / len(wanted)``, precision ``TP / (TP + unmatched)``
    (RadVLM-GRPO). Unlike there, no box where there is none to find earns 1.

    Args:
        given: Boxes of the answer.
        wanted: Boxes of the reference.

    Examples:
        >>> soft_box_f1([], []), soft_box_f1([(0.0, 0.0, 0.5, 1.0)], []), soft_box_f1([], [(0.0, 0.0, 0.5, 1.0)])
        (1.0, 0.0, 0.0)
    """
    if not given and not wanted:
        return 1.0
    pairs = match_boxes(given, wanted)
    hits = sum(overlap for _, _, overlap in pairs)
    if not hits:
        return 0.0
    precision, recall = hits / (hits + len(given) - len(pairs)), hits / len(wanted)
    return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True, slots=True)
class BoxScores:
    """How the boxes of one answer lie; for one box against one, ``iou`` is their IoU.

    Attributes:
        iou: Sum of IoU over matched pairs by the larger number of boxes; 1 where both sides have none.
        pointing: Share of the given boxes whose centre lies in a reference box (the pointing game, border included);
            none given is 1 where there is none to find, else 0.
        given: Boxes of the answer.
        wanted: Boxes of the reference.
        hits: By IoU of 0.3, 0.5 and 0.7, the most pairs, one to one, that reach it.
    """

    iou: float
    pointing: float
    given: int
    wanted: int
    hits: tuple[int, int, int]


THRESHOLDS = (0.3, 0.5, 0.7)


def box_scores(given: Sequence[Box] | None, wanted: Sequence[Box]) -> BoxScores:
    """Score the boxes of one answer.

    Args:
        given: Boxes of the answer; None where none could be read, which scores 0 (and never takes another answer's).
        wanted: Boxes of the reference; none is a reference too (the phrases without a box of MedGrounder,
            arXiv 2512.01085).

    Examples:
        >>> box_scores([(0.0, 0.0, 0.5, 0.5)], [(0.0, 0.0, 0.5, 1.0)])
        BoxScores(iou=0.5, pointing=1.0, given=1, wanted=1, hits=(1, 1, 0))
        >>> box_scores([], []).iou, box_scores(None, []).iou
        (1.0, 0.0)
    """
    if given is None:
        return BoxScores(0.0, 0.0, 0, len(wanted), (0, 0, 0))
    if not given or not wanted:
        empty = float(not given and not wanted)
        return BoxScores(empty, empty, len(given), len(wanted), (0, 0, 0))
    if len(given) == len(wanted) == 1:
        shared = box_iou(given[0], wanted[0])
        low, middle, high = (int(shared >= least) for least in THRESHOLDS)
    else:
        shared = sum(overlap for _, _, overlap in match_boxes(given, wanted)) / max(len(given), len(wanted))
        low, middle, high = (count_hits(given, wanted, least) for least in THRESHOLDS)
    inside = [any(_holds(box, _centre(one)) for box in wanted) for one in given]
    return BoxScores(shared, sum(inside) / len(inside), len(given), len(wanted), (low, middle, high))


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def count_hits(given: Sequence[Box], wanted: Sequence[Box], least: float = 0.5) -> int:
    """The most pairs, each box in one, whose IoU is at least so large; the order of boxes does not count.

    Args:
        given: Boxes of the answer.
        wanted: Boxes of the reference.
        least: The IoU that counts.

    Examples:
        >>> count_hits([(0.0, 0.0, 1.0, 1.0)] * 2, [(0.0, 0.0, 1.0, 0.5), (0.0, 0.4, 1.0, 1.0)])
        2
    """
    return len(match_from(given, wanted, least))


def match_from(given: Sequence[Box], wanted: Sequence[Box], least: float) -> list[tuple[int, int]]:
    """Pairs (index given, index wanted) of the largest one-to-one matching whose IoU is at least so large.

    Of several matchings it is the one that overlaps most.

    Args:
        given: Boxes of the answer.
        wanted: Boxes of the reference.
        least: The IoU that counts.
    """
    if not given or not wanted:
        return []
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped, unused-ignore]

    overlaps = np.array([[box_iou(a, b) for b in wanted] for a in given])
    worth = np.where(overlaps >= least, 1 + overlaps / (1 + min(overlaps.shape)), 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True) if worth[row, column]]
