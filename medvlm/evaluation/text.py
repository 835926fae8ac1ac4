"""How an answer text is normalised before it is compared: Unicode, yes and no, words, refusals."""

from __future__ import annotations

import re
import string
import unicodedata

_YES_ZH = ["是", "是的", "有", "有的", "存在", "包含", "包括", "可以", "对", "对的", "正确", "能"]
_NO_ZH = [
    "否",
    "不",
    "不是",
    "不是的",
    "没有",
    "没",
    "无",
    "不存在",
    "不包含",
    "不包括",
    "不可以",
    "不对",
    "不正确",
    "不能",
]
YES = frozenset(["yes", "yeah", "yep", *_YES_ZH])
NO = frozenset(["no", "nope", *_NO_ZH])

_DASHES = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2010": "-", "\u2011": "-", "\u3002": "."})
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_CJK = re.compile("([\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff])")
_EDGE = " \t\n\"'`*_.,;:!?$"
_FIRST_PERSON = re.compile(
    r"^(?:i'?m|i am|i|we|sorry|unfortunately|as an ai)\b.{0,40}?"
    r"\b(?:sorry|cannot|can't|can not|unable|not able|don't|do not|ai|not sure)\b"
)
_NO_ANSWER = re.compile(
    r"^(?:(?:it is|it's|this is)\s+)?"
    r"(?:unable to|cannot|can't|can not|impossible to|not possible to|not sure|unclear|unknown|uncertain"
    r"|i don't know|insufficient|not enough|无法|不知道|不确定)"
)


def clean(text: str) -> str:
    r"""The text with one form per character: NFKC, plain dashes, ``\n`` line ends, nothing invisible.

    Args:
        text: What a model or a person wrote.

    Examples:
        >>> clean("Ｂ\r\n （Ａ）")
        'B\n (A)'
    """
    text = unicodedata.normalize("NFKC", text).translate(_DASHES).replace("\u2019", "'")
    lines = re.split("\r\n|[\r\n\u2028\u2029\x0b\x0c\x85]", _INVISIBLE.sub("", text))
    return "\n".join(lines).strip()


def normalise(text: str) -> str:
    """The text as SQuAD compares it: lower case, no punctuation, no articles, single spaces.

    Args:
        text: An answer.

    Examples:
        >>> normalise("The Left lung.")
        'left lung'
    """
    text = clean(text).casefold().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def words(text: str) -> list[str]:
    """The normalised words; each Chinese or Japanese character is a word of its own.

    Args:
        text: An answer.

    Examples:
        >>> words("The left lung, 左肺")
        ['left', 'lung', '左', '肺']
    """
    return _CJK.sub(r" \1 ", normalise(text)).split()


def bare(text: str) -> str:
    """The text without quotes, emphasis and punctuation around it.

    Args:
        text: An answer.

    Examples:
        >>> bare("**Left lung.**")
        'Left lung'
    """
    return text.strip(_EDGE)


def polarity(text: str) -> str | None:
    """``yes`` or ``no`` if that is all that the text says, in English or Chinese; else None.

    Args:
        text: An answer.

    Examples:
        >>> polarity("Yes."), polarity("不包含"), polarity("Yes and no")
        ('yes', 'no', None)
    """
    word = bare(clean(text)).casefold()
    return "yes" if word in YES else "no" if word in NO else None


def is_refusal(text: str, *, report: bool = False) -> bool:
    """Whether the text declines to answer.

    Args:
        text: A reply.
        report: Only a first-person refusal counts: a report may say that something cannot be assessed.

    Examples:
        >>> is_refusal("I'm sorry, I cannot help."), is_refusal("Unable to tell."), is_refusal("left lung")
        (True, True, False)
    """
    start = bare(clean(text)).casefold()
    return bool(_FIRST_PERSON.match(start) or (not report and _NO_ANSWER.match(start)))
