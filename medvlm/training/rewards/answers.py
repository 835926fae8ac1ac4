"""Rewards for short answers that a rule can check, read by the parser of evaluation; None where the kind is another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from medvlm.evaluation.choice import option_letter
from medvlm.evaluation.metrics import token_f1
from medvlm.evaluation.parser import Parsed, is_correct, parse_answer, parse_for, reference_letter
from medvlm.evaluation.text import normalise, polarity
from medvlm.evaluation.values import same_number
from medvlm.study import AnswerKind, Sample
from medvlm.training.rewards.form import format_reward
from medvlm.training.rewards.reading import said

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")


def accuracy_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    extra: Sequence[Mapping[str, Any]] = (),
    **columns: Any,
) -> list[float | None]:
    """1 where the parsed answer is right, 0 where it is wrong or unparsed, None for reports (no rule checks those)."""
    rewards: list[float | None] = []
    fields = extra or [{}] * len(completions)
    for text, reference, form, choices, more in zip(completions, answer, kind, options, fields, strict=True):
        if form == "report":
            rewards.append(None)
            continue
        sample = Sample("", (), "", reference, form, choices, extra=more)
        rewards.append(1.0 if is_correct(parse_for(sample, text), sample) else 0.0)
    return rewards


def mcq_letter_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    **columns: Any,
) -> list[float | None]:
    """1 for the right letter alone in the answer, 0.5 for the right letter with other text, else 0.

    The reward of MedVLM-R1, whose own code counts every letter A to J inside words, so that "A) Edema" earns nothing;
    here letters end where words do.

    Examples:
        >>> ask = {"answer": ["left"] * 3, "kind": ["choice"] * 3, "options": [("right", "left")] * 3}
        >>> mcq_letter_reward(["<answer>B</answer>", "<answer>B) left</answer>", "<answer>A</answer>"], **ask)
        [1.0, 0.5, 0.0]
    """
    rewards: list[float | None] = []
    for text, reference, form, choices in zip(completions, answer, kind, options, strict=True):
        letter = parse_answer(text, "choice", choices).value if form == "choice" else None
        right = letter is not None and letter == _letter(reference, choices)
        alone = _LETTER.fullmatch(said(text)) is not None
        rewards.append(None if form != "choice" else (1.0 if alone else 0.5) if right else 0.0)
    return rewards


def mcq_gated_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    **columns: Any,
) -> list[float | None]:
    """0 where the tags are not in order; else 1 for the letter, the option's text, or both: MedVLThinker's reward."""
    formed = format_reward(completions)
    right = accuracy_reward(completions, answer=answer, kind=kind, options=options)
    return [
        None if form != "choice" else float(bool(formal and hit))
        for form, formal, hit in zip(kind, formed, right, strict=True)
    ]


def option_text_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    options: Sequence[tuple[str, ...]],
    **columns: Any,
) -> list[float | None]:
    """1 where the answer is the right option's text, with or without its letter; a letter alone earns 0.

    For policies that should name what they see. Options by difflib (OmniMedVQA) or by substring (LLaVA-Med) pay for
    text that names no option or several.

    Examples:
        >>> ask = {"answer": ["left lung"] * 2, "kind": ["choice"] * 2, "options": [("right lung", "left lung")] * 2}
        >>> option_text_reward(["<answer>The left lung.</answer>", "<answer>B</answer>"], **ask)
        [1.0, 0.0]
    """
    rewards: list[float | None] = []
    for text, reference, form, choices in zip(completions, answer, kind, options, strict=True):
        if form != "choice":
            rewards.append(None)
            continue
        given = re.sub(r"^\(?[A-Z][).:]\s+", "", said(text))
        parsed = parse_answer(text, "choice", choices).value
        right = option_letter(given, choices) == _letter(reference, choices) == parsed
        rewards.append(1.0 if right else 0.0)
    return rewards


def yes_no_reward(
    completions: Sequence[str], *, answer: Sequence[str], kind: Sequence[AnswerKind], **columns: Any
) -> list[float | None]:
    """1 where a yes/no question is answered by the right one and not by both; None where the reference is neither.

    Examples:
        >>> yes_no_reward(["No, the scan is normal.", "yes, no doubt"], answer=["no"] * 2, kind=["closed"] * 2)
        [1.0, 0.0]
    """
    rewards: list[float | None] = []
    for text, reference, form in zip(completions, answer, kind, strict=True):
        meant = polarity(reference) if form == "closed" else None
        given = parse_answer(text, "closed").value if meant else None
        rewards.append(None if meant is None else float(given is not None and polarity(given) == meant))
    return rewards


def token_f1_reward(
    completions: Sequence[str], *, answer: Sequence[str], kind: Sequence[AnswerKind], **columns: Any
) -> list[float | None]:
    """Word F1 of open answers as in SQuAD; a word repeated counts as often as the reference has it.

    Examples:
        >>> token_f1_reward(["effusion effusion effusion"], answer=["pleural effusion"], kind=["open"])
        [0.4]
    """
    return [
        token_f1(given, reference) if (given := said(text)) and form == "open" else None if form != "open" else 0.0
        for text, reference, form in zip(completions, answer, kind, strict=True)
    ]


def jaccard_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    separator: str = ";",
    **columns: Any,
) -> list[float | None]:
    """Labels shared over labels said or meant, of open answers that are lists of labels: MedTVT-R1's reward.

    Args:
        completions: What was written.
        answer: The labels wanted, separated like those given.
        kind: Forms of answer.
        separator: Between labels.
        **columns: Not used.

    Examples:
        >>> jaccard_reward(["<answer>Edema; nodule</answer>"], answer=["edema;effusion"], kind=["open"])
        [0.3333333333333333]
    """
    rewards: list[float | None] = []
    for text, reference, form in zip(completions, answer, kind, strict=True):
        given, wanted = _labels(said(text), separator), _labels(reference, separator)
        rewards.append(len(given & wanted) / len(given | wanted) if form == "open" and wanted else None)
    return rewards


def number_reward(
    completions: Sequence[str],
    *,
    answer: Sequence[str],
    kind: Sequence[AnswerKind],
    extra: Sequence[Mapping[str, Any]] = (),
    tolerance: float | None = None,
    **columns: Any,
) -> list[float | None]:
    """1 where the one number of an answer is within tolerance of the reference, units converted.

    Args:
        completions: What was written.
        answer: ``45 mm`` or ``2``.
        kind: Forms of answer.
        extra: Fields of the samples; their ``tolerance`` counts before the option.
        tolerance: Largest difference in the reference's unit; None as `medvlm.evaluation.values.same_number` says.
        **columns: Not used.

    Examples:
        >>> number_reward(["<answer>4.5 cm</answer>", "45 or 46 mm"], answer=["45 mm"] * 2, kind=["number"] * 2)
        [1.0, 0.0]
    """
    rewards: list[float | None] = []
    for place, (text, reference, form) in enumerate(zip(completions, answer, kind, strict=True)):
        if form != "number":
            rewards.append(None)
            continue
        allowed = extra[place].get("tolerance", tolerance) if extra else tolerance
        parsed: Parsed = parse_answer(text, "number")
        rewards.append(float(parsed.value is not None and same_number(parsed.value, reference, allowed)))
    return rewards


def _letter(reference: str, choices: tuple[str, ...]) -> str:
    return reference_letter(Sample("", (), "", reference, "choice", choices))


def _labels(text: str, separator: str) -> set[str]:
    return {label for part in text.split(separator) if (label := normalise(part))}
