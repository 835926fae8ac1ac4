"""Whether an answer declines in words: that nothing can be said, or that this is no image to say it of.

A report's own caution is no refusal ("pneumonia cannot be excluded"), nor is what is not found ("I see no effusion",
"unable to identify a fracture"), nor a plain no. English and Chinese.
"""

from __future__ import annotations

import re

from medvlm.evaluation.text import bare, clean, is_refusal, polarity

_KIND = (
    r"(?:(?:valid|real|actual|proper|diagnostic|recogni[sz]able|standard|typical|chest|frontal|thoracic|head|brain|human"
    r"|abdominal|medical|clinical|radiological|radiographic|histological|pathology|histopathology|x[- ]?ray|ct|mri?) )*"
    r"(?:images?|radiographs?|x[- ]?rays?|cxrs?|scans?|ct|mri|studys?|pictures? of a (?:patient|chest|body)"
    r"|tissue(?: (?:image|slide|section))?|slides?|sections?|(?:medical|clinical) (?:content|information))"
)
_THIS = r"\b(?:this|it|that|the (?:given |provided |shown |uploaded )?(?:image|picture|input|file|photo\w*))(?: \w+)?"
_A = r"(?:an? |the |any )?"
_BODY = r"(?:human |recogni[sz]able |visible )?(?:anatom\w+|patients?|chest|lungs?|tissue|body|organs?)"
_SHOWN = r"(?:provided|attached|given|shown|uploaded|visible)"
_PATTERN = r"(?:checker\w*|gradient|test pattern|blank|page|document|text)"
_WRONG = re.compile(
    "|".join(
        (
            rf"{_THIS} (?:is|'s|was) not (?:really |actually )?{_A}{_KIND}\b",
            rf"{_THIS} isn'?t (?:really |actually )?{_A}{_KIND}\b",
            rf"{_THIS} (?:does not|doesn't) (?:appear|seem|look)(?: to be| to show| like)? ?{_A}{_KIND}\b",
            rf"{_THIS} (?:does not|doesn't) (?:show|contain|depict|display|include) {_A}(?:{_KIND}|{_BODY})\b",
            rf"{_THIS} (?:is|'s|appears?(?: to be)?|seems?(?: to be)?) (?:completely |entirely )?"
            rf"(?:blank|empty|corrupt\w*|(?:random )?noise|an? {_PATTERN})\b",
            rf"^not an? {_KIND}\b",
            rf"\bno (?:image|x[- ]?ray|scan|radiograph) (?:is |was |has been )?{_SHOWN}\b",
            rf"\b(?:image|picture|scan) (?:was |is )?not (?:been )?{_SHOWN}\b",
            r"\b(?:wrong|unsupported|invalid|unsuitable) (?:modality|image|body part|input)\b",
            r"不是.{0,6}(?:医学|胸部|胸片|x光|x线|ct|mri|影像|病理)",
            r"(?:没有|未|无)(?:提供|上传).{0,4}(?:图像|图片|影像)|(?:空白|无效|错误)(?:的)?(?:图像|图片|影像)",
        )
    ),
    re.IGNORECASE,
)
_CANNOT = (
    r"\b(?:cannot|can not|can'?t|could not|couldn'?t|unable to|not able to|(?:not |im)possible to|won'?t|will not)"
)
_TELL = (
    r"(?:answer|assess|comment|conclude|decide|determine|diagnose|evaluate|give|help|interpret|judge|make|offer|provide"
    r"|say|tell|respond|draw|analy[sz]e|confirm|assist|comply|infer|know)"
)
_TOLD = (
    r"(?:determined|answered|assessed|evaluated|interpreted|judged|established|concluded|analy[sz]ed|diagnosed|confirmed"
    r"|known)"
)
_PICTURE = r"(?:\w+ )?(?:image|picture|x[- ]?ray|scan|radiograph|file)\b"
_NOTHING = re.compile(
    "|".join(
        (
            rf"{_CANNOT} (?:\w+ly )?{_TELL}\b",
            rf"\b(?:cannot|can not|can'?t|could not|not) be (?:\w+ly )?{_TOLD}\b",
            rf"\b(?:cannot|can'?t|can not|unable to) (?:see|view|read|access|process|open|load) "
            rf"(?:the|an?|any|this|your) {_PICTURE}",
            r"\b(?:insufficient|not enough|inadequate) (?:\w+ )?(?:information|data|detail|context)\b",
            r"\bno (?:information|data)(?: is| was)? (?:available|given|provided)\b",
            r"\b(?:not |un)(?:answerable|interpretable|evaluable|assessable)\b|\bnon-?diagnostic\b|\bnot applicable\b",
            r"^(?:i am|i'?m|we are) (?:very |so )?sorry\b",
            r"^(?:sorry|unfortunately)\b.{0,60}?\b(?:cannot|can'?t|unable)\b",
            r"\b(?:do not|don'?t) know\b|^(?:unknown|uncertain|unclear|not sure|indeterminate|n/?a)$",
            r"^(?:i am|i'?m) not (?:able|sure|certain)\b",
            r"\b(?:question|request) (?:does not|doesn'?t|cannot) (?:apply|be applied|make sense)\b",
            r"无法(?:判断|确定|回答|评估|诊断|识别|解读|看出|辨认)|不能(?:判断|确定|回答|评估|诊断)|难以(?:判断|确定)",
            r"不知道|不确定|不适用|信息不足",
        )
    ),
    re.IGNORECASE,
)
_CAUTION = re.compile(
    r"\b(?:cannot|can not|can'?t|could not|not) (?:be )?(?:\w+ly )?(?:excluded?|ruled? out)\b"
    r"|\b(?:cannot|can not|can'?t|unable to|not able to) (?:see|identify|find|detect|appreciate|visuali[sz]e) "
    rf"(?:an?|any|evidence|signs?|no)\b(?! {_PICTURE})"
    r"|不能排除|无法排除",
    re.IGNORECASE,
)


def declines(text: str, kind: str = "open") -> bool:
    """Whether an answer says that it cannot be given, or that the image is none to give it of.

    Args:
        text: What was answered, without thoughts.
        kind: Kind of the question: a report may leave a part open, so that in it only a wrong image and a refusal in
            the first person count.

    Examples:
        >>> declines("This is not a chest radiograph."), declines("It cannot be determined.")
        (True, True)
        >>> declines("Pneumonia cannot be excluded."), declines("No.")
        (False, False)
    """
    said = bare(" ".join(clean(text).split()))
    if not said or polarity(said):
        return False
    if _WRONG.search(said):
        return True
    if kind == "report":
        return is_refusal(said, report=True)
    return bool(_NOTHING.search(_CAUTION.sub(" ", said)))
