"""Which answers of the released sets mean yes or no, as written in English and Chinese.

SLAKE writes one polarity in many ways (contains, has, can, exists); a score must not depend on which was used.
Words that only sound like it ("normal", "healthy", "all of them are") are no yes or no.
"""

from __future__ import annotations

YES = frozenset({"yes", "是", "是的", "包含", "包括", "有", "可以", "存在"})
NO = frozenset({"no", "不是", "否", "不包含", "不包括", "没有", "不可以", "不存在"})


def yes_no(answer: str) -> str | None:
    """Return ``yes`` or ``no`` if the answer is exactly one of them, else None.

    Examples:
        >>> yes_no("Yes "), yes_no("不包含"), yes_no("left")
        ('yes', 'no', None)
    """
    word = answer.strip().rstrip(".。").strip().casefold()
    if word in YES:
        return "yes"
    return "no" if word in NO else None
