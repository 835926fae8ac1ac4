"""MedEvalKit's numbers without its GPT judge (alibaba-damo-academy/MedEvalKit at 9b12e3b, February 2026).

Written from what ``utils/utils.py`` and the sets' ``cal_metrics`` do. What is wrong with it:

- Precision, recall and F1 of open answers are unpacked in the wrong order: "precision" is F1, "recall" is precision
  and "f1" is recall.
- An empty answer stops the run (``rouge`` raises); here it scores 0.
- Thoughts are not removed; "The answer is: B" keeps a blank before B, is no letter, and goes to the nearest text.
- Any text is some option: an empty one is A.
- On SLAKE "Yes" and "No" are compared as whole texts, because only lower-case references count as yes and no; and
  open questions whose reference has a blank at an end are hardly ever right.
- BLEU has no smoothing, so BLEU-4 of a right one-word answer is about 1e-231.

Not here: rouge 1.0.1, and the accuracy of the judge, whose counting is wrong too (its issue 30).
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Sequence
from functools import partial
from string import ascii_lowercase

from medvlm.study import need

from .choices import most_similar
from .items import Item, Measure, mean

_BLOCK = re.compile("<answer>(.*?)</answer>", re.DOTALL)
_CUES = (
    "**answer**:",
    "**answer**",
    "*answer*:",
    "**answer:**",
    "answer is",
    "answer:",
    "答案:",
    "final answer",
    "final answer is",
)


def boxed(text: str) -> str:
    r"""The content of the last ``\boxed{}``, or the text ``None``, as mathruler gives it.

    Args:
        text: What the model wrote.
    """
    _, opened, rest = text.rpartition("\\boxed{")
    depth = 1
    for place, mark in enumerate(rest if opened else ""):
        depth += (mark == "{") - (mark == "}")
        if depth == 0:
            return rest[:place].strip()
    return "None"


def _tagged(text: str) -> str:
    """All closed answer tags' contents, joined by blanks; the whole text if they hold nothing."""
    return " ".join(_BLOCK.findall(text)).strip() or text


def _taken_out(text: str) -> str:
    if (content := boxed(text)) != "None":
        return content
    return _tagged(text) if "<answer>" in text else text


def after_cues(text: str) -> str:
    """What is left of an answer after box, tags and the last of each cue.

    Args:
        text: What the model wrote.

    Examples:
        >>> after_cues("<think>no</think> The answer is: B")
        ': b'
    """
    text = text.lower()
    if "boxed" in text:
        text = boxed(text)
    elif "<answer>" in text:
        text = _tagged(text)
    for cue in _CUES:
        text = text.split(cue)[-1]
    return text


def yes_no_right(text: str, answer: str) -> bool:
    """Whether the answer holds the reference, and "yes" or "no" anywhere but not both.

    Args:
        text: What the model wrote.
        answer: ``yes`` or ``no``.

    Examples:
        >>> yes_no_right("normal", "no"), yes_no_right("yes, no doubt", "yes")
        (True, False)
    """
    left = _flat(text)
    return (("yes" in left) != ("no" in left)) and answer.lower() in left


def _flat(text: str) -> str:
    return after_cues(text).replace("\n", "").replace(".", "")


def choice_right(text: str, options: Sequence[str], letter: str) -> bool:
    """Whether a choice is right: by letter, by an option's text, else by the nearest option.

    Args:
        text: What the model wrote.
        options: Option texts.
        letter: The right one's letter.

    Examples:
        >>> choice_right("B. right", ["left", "right"], "B"), choice_right("", ["left", "right"], "A")
        (True, True)
    """
    text, letters, wanted = text.lower(), ascii_lowercase[: len(options)], letter.lower()
    blocks = text.split("\n\n")
    last = blocks[-1].split(".")[0]
    if _is_letter(blocks[0], letters):
        text = blocks[0]
    elif _is_letter(last, letters):
        text = last
    text = after_cues(text).strip().lower().replace("\n", "")
    said, lowered = text.split(".")[0].split(":")[-1], [option.lower() for option in options]
    right = lowered[letters.index(wanted)]
    if said == wanted:
        return True
    if _is_letter(said, letters):
        return lowered[letters.index(said)] == wanted
    if said in lowered:
        return said == right
    place = most_similar(text, lowered) or 0
    return letters[place] == wanted or lowered[place] == wanted


def _is_letter(text: str, letters: str) -> bool:
    return len(text) == 1 and text in letters


def open_scores(text: str, answer: str) -> dict[str, float]:
    """Exact match and the three set scores of an open answer, under the names that are printed.

    Args:
        text: What the model wrote.
        answer: The answer wanted.

    Examples:
        >>> {name: round(value, 3) for name, value in open_scores("effusion", "pleural effusion").items()}
        {'em': 0.0, 'precision (it is F1)': 0.667, 'recall (it is precision)': 1.0, 'f1 (it is recall)': 0.5}
    """
    left, wanted = after_cues(text), answer.lower()
    said, asked = set(left.lower().split()), set(wanted.split())
    common = len(said & asked)
    precision, recall = (common / len(said), common / len(asked)) if common else (0.0, 0.0)
    f1 = 2 * precision * recall / (precision + recall) if common else 0.0
    names = ("em", "precision (it is F1)", "recall (it is precision)", "f1 (it is recall)")
    return dict(zip(names, (float(left == wanted), f1, precision, recall), strict=True))


def bleu_scores(text: str, answer: str) -> dict[str, float]:
    """BLEU-1 to 4 of an open answer, by nltk without smoothing.

    Args:
        text: What the model wrote.
        answer: The answer wanted.

    Raises:
        ImportError: If nltk is absent.
    """
    bleu = need("nltk.translate.bleu_score", "metrics")
    said, wanted = (part.lower().replace(".", " .").split(" ") for part in (after_cues(text), answer.lower()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            f"bleu{n}": float(bleu.sentence_bleu([wanted], said, weights=[1 / n] * n)) if text else 0.0
            for n in range(1, 5)
        }


def medevalkit(items: Sequence[Item], *, slake: bool = False) -> list[Measure]:
    """Its numbers for VQA-RAD, PathVQA and multiple choice, or in the form of SLAKE.

    Args:
        items: Open, closed and choice questions; others are left out.
        slake: Whether questions are open or closed as the release says, and texts keep their case and blanks.
    """
    asked = [item for item in items if item.kind in ("open", "closed")]
    pairs = [(item, *_texts(item, slake)) for item in asked]
    opened = [pair for pair in pairs if _is_open(pair[0], pair[2], slake)]
    closed = [pair for pair in pairs if not _is_open(pair[0], pair[2], slake)]
    right = [_closed_right(text, answer) for _, text, answer in closed]
    scores = [open_scores(text, answer) for _, text, answer in opened]
    hits = [float(hit) for hit in right] + [row["em"] for row in scores]
    ordered = [pair[0] for pair in closed + opened]
    measures = [mean("accuracy", ordered, hits)] if ordered else []
    if closed:
        measures.append(mean("closed accuracy", ordered[: len(closed)], hits[: len(closed)]))
    if opened:
        if importlib.util.find_spec("nltk"):
            scores = [row | bleu_scores(*pair[1:]) for row, pair in zip(scores, opened, strict=True)]
        few = ordered[len(closed) :]
        measures += [mean(f"open {name}", few, [row[name] for row in scores]) for name in scores[0]]
    return measures + _choices(items)


def _choices(items: Sequence[Item]) -> list[Measure]:
    chosen = [item for item in items if item.kind == "choice"]
    hits = [float(choice_right(item.text, item.options, item.letter)) for item in chosen]
    return [mean("choice accuracy", chosen, hits)] if chosen else []


def _texts(item: Item, slake: bool) -> tuple[str, str]:
    text = _taken_out(item.text)
    return (text, item.answer) if slake else (text.lower().strip(), item.answer.lower().strip())


def _is_open(item: Item, answer: str, slake: bool) -> bool:
    return item.answer_type == "open" if slake else answer not in ("yes", "no")


def _closed_right(text: str, answer: str) -> bool:
    return yes_no_right(text, answer) if answer in ("yes", "no") else _flat(text) == answer.lower()


medevalkit_slake = partial(medevalkit, slake=True)
