"""Several boxes against several: read from a text, matched one to one, scored; no box is an answer too.

Boxes are shares of the image, ``x`` from the image's left. In a frontal radiograph the image's left is the patient's
right: a question that says "left" means the patient's, and its box lies on the other side of the image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from medvlm.evaluation.metrics import Box, box_iou
from medvlm.evaluation.values import to_box

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
    groups = _GROUP.findall(plain) or [part for part in re.split(r"[;\n]", plain) if part.strip()]
    boxes = [to_box(group) for group in groups]
    found = [box for box in boxes if box is not None]
    return found if found and len(found) == len(boxes) else None


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
