"""Boxes of the released sets: from pixels to shares of the image, several readers merged to one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from .records import UnusableRecordError

Box = tuple[float, float, float, float]
Several = Literal["skip", "hull", "list"]


def numbers(values: Iterable[object], where: str) -> Box:
    """Read four numbers.

    Raises:
        UnusableRecordError: If there are not four, or one is no finite number.

    Examples:
        >>> numbers(["1", 2, "3.5", 4], "1")
        (1.0, 2.0, 3.5, 4.0)
    """
    values = list(values)
    try:
        found = [float(str(value)) for value in values]
    except ValueError:
        found = []
    if len(found) != 4 or not all(map(math.isfinite, found)):
        raise UnusableRecordError(where, "box is not four numbers", values)
    return found[0], found[1], found[2], found[3]


def from_xywh(box: Box) -> Box:
    """Turn left, top, width, height into left, top, right, bottom.

    Examples:
        >>> from_xywh((10, 20, 30, 40))
        (10, 20, 40, 60)
    """
    x, y, width, height = box
    return x, y, x + width, y + height


def as_shares(box: Box, width: float, height: float, where: str) -> str:
    """Write a box of pixels as shares of the image with two decimals; what lies outside the image is cut off.

    Args:
        box: Left, top, right, bottom in pixels.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        where: Name of the record.

    Raises:
        UnusableRecordError: If the image has no size, the box lies outside, is turned over or less than 0.01 wide.

    Examples:
        >>> as_shares((-5, 100, 100, 300), 200, 400, "1")
        '0.00 0.25 0.50 0.75'
    """
    if not (width > 0 and height > 0):
        raise UnusableRecordError(where, "the size of the image is not known", (width, height))
    sizes = (width, height, width, height)
    x0, y0, x1, y1 = (round(min(max(edge / size, 0.0), 1.0), 2) for edge, size in zip(box, sizes, strict=True))
    if not (x0 < x1 and y0 < y1):
        raise UnusableRecordError(where, "box lies outside the image, is turned over or less than 0.01 wide", box)
    return f"{x0:.2f} {y0:.2f} {x1:.2f} {y1:.2f}"


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes.

    Examples:
        >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
        0.3333333333333333
    """
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union if union > 0 else 0.0


def merge_readers(boxes: Sequence[Box], iou: float) -> list[Box]:
    """Join boxes that mean one thing: those that overlap, directly or through others, become their mean.

    Args:
        boxes: Boxes of one class in one image, of all readers.
        iou: Boxes that overlap by more than this belong together.

    Examples:
        >>> merge_readers([(0, 0, 10, 10), (2, 0, 12, 10), (50, 50, 60, 60)], 0.1)
        [(1.0, 0.0, 11.0, 10.0), (50.0, 50.0, 60.0, 60.0)]
    """
    groups: list[list[Box]] = []
    for box in boxes:
        near = [group for group in groups if any(overlap(box, other) > iou for other in group)]
        groups = [group for group in groups if group not in near] + [[*(other for g in near for other in g), box]]
    return sorted(_mean(group) for group in groups)


def _mean(group: Sequence[Box]) -> Box:
    """Average a group edge by edge."""
    x0, y0, x1, y1 = (sum(edges) / len(group) for edges in zip(*group, strict=True))
    return x0, y0, x1, y1


def one_box(boxes: Sequence[Box], several: Several, where: str) -> Box:
    """Return the one box of an answer.

    Args:
        boxes: All boxes that answer the question.
        several: What more than one becomes: ``skip`` leaves the question out, ``hull`` is the box around all.
        where: Name of the record.

    Raises:
        UnusableRecordError: If there is none, or more than one and they are to be skipped.
    """
    if not boxes or (len(boxes) > 1 and several == "skip"):
        raise UnusableRecordError(where, "no box" if not boxes else "several boxes answer one question")
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def box_answer(boxes: Sequence[Box], several: Several, width: float, height: float, where: str) -> str:
    """Write the boxes that answer a question as shares of the image: one box, or with ``list`` all of them by ``;``.

    Args:
        boxes: All boxes that answer the question, in pixels.
        several: What more than one becomes, as in `one_box`, or ``list``.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        where: Name of the record.

    Raises:
        UnusableRecordError: As `one_box` and `as_shares`.

    Examples:
        >>> box_answer([(0, 0, 10, 10), (50, 0, 100, 100)], "list", 100, 100, "1")
        '0.00 0.00 0.10 0.10; 0.50 0.00 1.00 1.00'
    """
    if several != "list" or not boxes:
        return as_shares(one_box(boxes, several, where), width, height, where)
    return "; ".join(dict.fromkeys(as_shares(box, width, height, where) for box in sorted(boxes)))


def known_several(several: str) -> Several:
    """Return the word if it is known.

    Raises:
        ValueError: If it is none of ``skip``, ``hull`` and ``list``.
    """
    if several == "skip":
        return "skip"
    if several == "hull":
        return "hull"
    if several == "list":
        return "list"
    raise ValueError(
        f"several={several!r}: expected 'skip' (leave such questions out), 'hull' (one box around all) or 'list' (all)"
    )
