"""Modes for multiple choice: ReXVQA's example, OmniMedVQA's, MedVLThinker's and MMMU's. None is an accuracy of ours.

Each invents an answer where there is none, or misses one that is plain; see each function.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from string import ascii_uppercase

from .items import Item, Measure, mean, share

_CUES = [re.compile(rf"{cue}\s*(.*)\s*", re.IGNORECASE) for cue in ("answer:", "answer is:", "answer is", "is:")]
_BLOCK = re.compile("<answer>(.*?)</answer>", re.DOTALL)
_TAGS = re.compile("</?(?:think|answer)>")
_STRIPPED = ",.!?;:'"
_FEW_WORDS = 5


def _chosen(items: Sequence[Item]) -> list[Item]:
    return [item for item in items if item.kind == "choice"]


def first_letter(text: str) -> str | None:
    """The first A, B, C or D anywhere in the upper-cased text, in a word or not.

    Args:
        text: What the model wrote.

    Examples:
        >>> first_letter("The answer is B."), first_letter("I would choose B."), first_letter("I'm sorry, but I can't.")
        ('A', 'D', 'B')
    """
    return next((letter for letter in text.upper() if letter in "ABCD"), None)


def rexvqa_first_char(items: Sequence[Item]) -> list[Measure]:
    """ReXVQA's example (``example_files/medgemma_inference.py``, ``evaluate_results``, read November 2026).

    Wrong with it: the letter is any A-D of any word; questions that failed leave the denominator.

    Args:
        items: Choice questions; others are left out.
    """
    asked = _chosen(items)
    hits = [float(item.asked and first_letter(item.text) == item.letter) for item in asked]
    return [share("accuracy", asked, hits, [float(item.asked) for item in asked])] if asked else []


def most_similar(text: str, options: Sequence[str]) -> int | None:
    """The place of the option that difflib finds most similar; None if none shares a character.

    Args:
        text: What the model wrote.
        options: Option texts.

    Examples:
        >>> most_similar("It is a CT scan", ["MRI", "CT"]), most_similar("", ["MRI", "CT"])
        (1, None)
    """
    ratios = [SequenceMatcher(None, option, text).ratio() for option in options]
    best = max(ratios, default=0.0)
    return ratios.index(best) if best > 0 else None


def omnimed_difflib(items: Sequence[Item]) -> list[Measure]:
    """OmniMedVQA's question-answering score (OpenGVLab/Multi-Modality-Arena at bd2999a, ``utils/medicalqa.py``).

    Wrong with it: a bare letter is compared with option texts, so "B" is rarely B; any text that shares a character
    with an option is an answer; case counts.

    Args:
        items: Choice questions; others are left out.
    """
    asked = _chosen(items)
    places = [most_similar(item.text, item.options) for item in asked]
    hits = [
        float(place is not None and item.options[place] == item.answer)
        for item, place in zip(asked, places, strict=True)
    ]
    return [mean("QA score", asked, hits)] if asked else []


def thinker_answer(text: str) -> str:
    """The answer as MedVLThinker's regrading takes it: last tag's first line, else what follows the last cue.

    Args:
        text: What the model wrote.

    Examples:
        >>> thinker_answer("<think>A?</think><answer>B. right</answer>"), thinker_answer("The answer is B.")
        ('B. right', 'B.')
    """
    if blocks := _BLOCK.findall(text):
        lines = re.split("[\r\n]", blocks[-1].strip())
        found = lines[0]
    else:
        rests = (cue.findall(text) for cue in _CUES)
        found = next((rest[-1] for rest in rests if rest), text)
    return _TAGS.sub("", found.strip()).strip()


def medvlthinker(items: Sequence[Item]) -> list[Measure]:
    """MedVLThinker's regraded accuracy (UCSC-VLAA/MedVLThinker at a3163b1), of one answer a question.

    Wrong with it: the answer must equal the letter, "L. text" or the text, so "B." and "(B)" are wrong; a thought
    that was never closed is searched for cues too. pass@n and majority@n need several answers and are not here.

    Args:
        items: Choice questions; others are left out.
    """
    asked = _chosen(items)
    hits = []
    for item in asked:
        wanted = {text.strip().lower() for text in (item.letter, f"{item.letter}. {item.answer}", item.answer)}
        hits.append(float(thinker_answer(item.text).strip().lower() in wanted))
    return [mean("accuracy", asked, hits)] if asked else []


def mmmu_letter(text: str, options: Sequence[str], generator: random.Random) -> str:
    """The letter as MMMU's evaluation reads it; a random one if it reads none.

    Args:
        text: What the model wrote.
        options: Option texts.
        generator: Draws the random letters.

    Examples:
        >>> mmmu_letter("(B) or (A)?", ["left", "right"], random.Random(42))
        'A'
    """
    for mark in _STRIPPED:
        text = text.strip(mark)
    text, letters = f" {text} ", ascii_uppercase[: len(options)]
    for form, place in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        found = [letter for letter in letters if form.format(letter) in text]
        if found:
            return max(found, key=lambda letter: text.rfind(place.format(letter)))
    if len(text.split()) > _FEW_WORDS:
        named = {letter: option.lower() for letter, option in zip(letters, options, strict=True)}
        if found := [letter for letter, option in named.items() if option in text.lower()]:
            return max(found, key=lambda letter: text.lower().rfind(named[letter]))
    return generator.choice(letters)


def mmmu(items: Sequence[Item]) -> list[Measure]:
    """MMMU's multiple-choice accuracy (MMMU-Benchmark/MMMU at 51ce7f3, ``eval/eval_utils.py``; also in MedEvalKit).

    Wrong with it: a capital at the end of any word counts as a letter ("MRA "); what cannot be read is answered at
    random, so a score depends on the order of the questions (here: seed 42, the order of the set).

    Args:
        items: Choice questions; others are left out.
    """
    asked, generator = _chosen(items), random.Random(42)
    hits = [float(mmmu_letter(item.text, item.options, generator) == item.letter) for item in asked]
    return [mean("accuracy", asked, hits)] if asked else []
