r"""From what a model wrote to the answer that it gave; a text that gives none, or two, is unparsed, never guessed.

Thoughts (``<think>``) never count. What stands between ``<answer>`` tags or in ``\boxed{}`` is the declared answer,
and all declared answers must agree. Without a declared one the rest of the text is read by the rules of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from medvlm.evaluation.boxes import count_hits, read_box_list, read_boxes
from medvlm.evaluation.choice import option_letter, read_choice
from medvlm.evaluation.text import bare, clean, is_refusal, normalise, polarity
from medvlm.evaluation.values import Verdict, read_box, read_number, read_polarity, same_number, to_box
from medvlm.study import AnswerKind, Sample, SampleError

UNPARSED = "unparsed"
BOXES = "boxes"
MIN_IOU = 0.5

_THOUGHT = re.compile(r"<think>(?:(?!<think>).)*?</think>", re.IGNORECASE | re.DOTALL)
_BLOCK = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf|texttt)\s*\{([^{}]*)\}")
_TEXT_CUE = re.compile(
    r"^(?:(?:the\s+|my\s+)?(?:final\s+|correct\s+)?answer\s*(?:is\b|:)|答案\s*(?:是|为|:))[\s:]*", re.IGNORECASE
)
_SPECIAL = re.compile(r"<\|[^|<>]{1,40}\|>|<(?:end_of_turn|eos|pad|s)>|</s>")
_LONGEST_CLOSED = 8


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer as read from a text.

    Attributes:
        value: The option letter, ``yes`` or ``no``, the text, ``x0 y0 x1 y1`` or ``4.5 cm``; None if unparsed.
        how: Where and how it was found (``answer: letter``), or ``unparsed``.
        reason: Why it is unparsed; empty otherwise.
    """

    value: str | None
    how: str
    reason: str = ""


def parse_answer(text: str, kind: AnswerKind | str, options: Sequence[str] = (), *, several: bool = False) -> Parsed:
    """Read the answer of a kind from a model's text, without ever guessing one.

    Args:
        text: The completion.
        kind: ``choice``, ``closed``, ``open``, ``report``, ``box`` or ``number``.
        options: Option texts of a ``choice``, in order.
        several: Whether a ``box`` answer may be any number of boxes, or none; else it is exactly one.

    Raises:
        ValueError: If the kind is none of the six.

    Examples:
        >>> parse_answer("<think>A or B?</think><answer>B</answer>", "choice", ["left", "right"]).value
        'B'
        >>> parse_answer("It could be A or B.", "choice", ["left", "right"])
        Parsed(value=None, how='unparsed', reason='no option named')
    """
    if kind not in get_args(AnswerKind):
        raise ValueError(f"answer kind {kind!r} is unknown; expected one of {', '.join(get_args(AnswerKind))}")
    form = BOXES if kind == "box" and several else str(kind)
    rest = _without_thoughts(_SPECIAL.sub("", clean(text)))
    declared, opened = _declared(rest)
    if not declared:
        if opened and kind in ("box", "number", "open"):
            return Parsed(None, UNPARSED, "the answer tag is never closed: the text may be cut off")
        return _parsed(_read(_TAG.sub(" ", opened or rest).strip(), form, options, declared=bool(opened)), "text")
    verdicts = [(where, _read(_unwrap(block), form, options, declared=True)) for where, block in declared]
    values = {value if value is None or kind == "choice" else normalise(value) or value for _, (value, _) in verdicts}
    if len(values) > 1:
        return Parsed(None, UNPARSED, "the declared answers differ")
    where, verdict = verdicts[-1]
    return _parsed(verdict, where)


def answer_text(text: str) -> str:
    """What a text says in answer: the last declared answer, or else all that stands outside of thoughts.

    Args:
        text: The completion.

    Examples:
        >>> answer_text("<think>Small?</think><answer>3. Large effusion.</answer>")
        '3. Large effusion.'
    """
    rest = _without_thoughts(_SPECIAL.sub("", clean(text)))
    declared, opened = _declared(rest)
    return _unwrap(declared[-1][1]) if declared else _TAG.sub(" ", opened or rest).strip()


def _parsed(verdict: Verdict, where: str) -> Parsed:
    value, how = verdict
    return Parsed(None, UNPARSED, how) if value is None else Parsed(value, f"{where}: {how}")


def _without_thoughts(text: str) -> str:
    """The text outside of thoughts; a thought that was opened by the prompt or never closed is one too."""
    previous = None
    while previous != text:
        previous, text = text, _THOUGHT.sub(" ", text)
    text = re.split("</think>", text, flags=re.IGNORECASE)[-1]
    return re.split("<think>", text, maxsplit=1, flags=re.IGNORECASE)[0].strip()


def _declared(text: str) -> tuple[list[tuple[str, str]], str]:
    """Every declared answer as (where, content), and the content of an answer tag that is never closed."""
    outside = _BLOCK.sub(" ", text)
    declared = [("boxed", content) for content in _boxed(outside)]
    declared += [("answer", block) for block in _BLOCK.findall(text)]
    _, *opened = re.split("<answer>", outside, flags=re.IGNORECASE)
    if not declared:
        return [], opened[-1].strip() if opened else ""
    return declared + [("answer", content.strip()) for content in opened if content.strip()], ""


def _boxed(text: str) -> list[str]:
    r"""The content of each ``\boxed{}``, its braces balanced; an unbalanced one is left out."""
    found: list[str] = []
    starts: list[int | None] = []
    for match in re.finditer(r"(\\boxed\s*)?\{|\}", text):
        if match[0] != "}":
            starts.append(match.end() if match[1] else None)
        elif starts and (start := starts.pop()) is not None:
            found.append(text[start : match.start()])
    return found


def _unwrap(text: str) -> str:
    """The content of a declared answer without LaTeX around it."""
    inner = _boxed(text)
    text = inner[0] if inner else text
    return _WRAPPED.sub(r"\1", _TAG.sub(" ", text)).replace("\\%", "%").strip()


def _read(text: str, kind: str, options: Sequence[str], *, declared: bool) -> Verdict:
    if not text:
        return None, "empty"
    if kind == "choice":
        return read_choice(text, options)
    if is_refusal(text, report=kind == "report"):
        return None, "a refusal"
    readers: Mapping[str, Callable[[str], Verdict]] = {"box": read_box, BOXES: read_box_list, "number": read_number}
    if kind in readers:
        return readers[kind](text)
    return _read_closed(text, declared) if kind == "closed" else _read_text(text)


def _read_closed(text: str, declared: bool) -> Verdict:
    """Yes or no, or else a short text ("left side") that holds neither word."""
    verdict = read_polarity(text)
    if any(verdict):
        return verdict
    value, how = _read_text(text)
    if value is None or re.search(r"\b(?:yes|no|not)\b|\?", value, re.IGNORECASE):
        return None, "neither yes nor no, nor a short text"
    if not declared and (len(value.split()) > _LONGEST_CLOSED or "\n" in value):
        return None, "neither yes nor no, nor a short text"
    return value, how


def _read_text(text: str) -> Verdict:
    value = _TEXT_CUE.sub("", text).replace("**", "").strip(" \n\t\"'`")
    return (value, "text") if bare(value) else (None, "empty")


def parse_for(sample: Sample, text: str) -> Parsed:
    """`parse_answer` of a reply to a sample; any number of boxes is read where its answer is not exactly one.

    Args:
        sample: What was asked.
        text: The completion.
    """
    several = sample.kind == "box" and to_box(sample.answer) is None
    return parse_answer(text, sample.kind, sample.options, several=several)


def reference_letter(sample: Sample) -> str:
    """The letter of a choice sample's reference answer.

    Args:
        sample: A sample of kind ``choice``.

    Raises:
        SampleError: If the answer is not exactly one of the options.
    """
    letter = option_letter(sample.answer, sample.options)
    if letter is None:
        raise SampleError(
            f"sample {sample.id!r}: answer {sample.answer!r} is not exactly one of its options {list(sample.options)}; "
            "repair the record or drop it"
        )
    return letter


def is_correct(parsed: Parsed, sample: Sample) -> bool:
    """Whether a parsed answer equals the reference, by the rule of the sample's kind.

    A box is correct from an IoU of 0.5 on, several where each has one of its own and none is left over; a number as
    `same_number` says, with ``sample.extra["tolerance"]`` where that is given; texts are compared after normalisation,
    and yes and no over languages.

    Args:
        parsed: What `parse_answer` returned; unparsed is never correct.
        sample: The sample that was asked.

    Raises:
        SampleError: If the reference itself cannot be read.
    """
    if parsed.value is None:
        return False
    if sample.kind == "choice":
        return parsed.value == reference_letter(sample)
    if sample.kind == "box":
        return _same_box(parsed.value, sample)
    if sample.kind == "number":
        return _same_number(parsed.value, sample)
    said, meant = polarity(parsed.value), polarity(sample.answer)
    return said == meant if said and meant else normalise(parsed.value) == normalise(sample.answer) != ""


def _same_box(value: str, sample: Sample) -> bool:
    given, wanted = read_boxes(value), read_boxes(sample.answer)
    if wanted is None:
        raise SampleError(f"sample {sample.id!r}: answer {sample.answer!r} is no box x0 y0 x1 y1 in 0..1")
    return given is not None and len(given) == len(wanted) == count_hits(given, wanted, MIN_IOU)


def _same_number(value: str, sample: Sample) -> bool:
    try:
        return same_number(value, sample.answer, sample.extra.get("tolerance"))
    except ValueError as error:
        raise SampleError(f"sample {sample.id!r}: {error}") from error
