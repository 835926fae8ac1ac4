"""Two published ways to make pairs, in short: RULE from two runs, Med-REFL from right and wrong chains.

RULE (Xia et al., arXiv 2407.05131): where a model answers rightly by itself and wrongly when it is shown retrieved
text, the right answer is chosen and the misled one rejected, so that it learns when not to follow. Any two runs over
the same questions make such pairs: with and without retrieved text, or with the real and a degraded image (POVID).

Med-REFL: of several chains to a question, a right one is chosen over a wrong one (reasoning pair),
and a chain that goes wrong and mends its error is chosen over one that goes right and talks itself out of it
(reflection pair). Here the chains are sampled ones and the turn is one fixed sentence; the paper searches a tree of
steps and lets a model write the reflection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from medvlm.evaluation.records import Record
from medvlm.preferences.choose import Scored
from medvlm.preferences.pairs import Pair
from medvlm.study import SampleError

TURN = "Wait, this should be checked again."
"""Stands where a chain turns round."""
_CHAIN = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)


def disagreements(right: Sequence[Record], wrong: Sequence[Record]) -> list[Pair]:
    """Pairs of questions that one run answers rightly and another wrongly.

    Args:
        right: Records of the run whose answers are chosen.
        wrong: Records of the run whose answers are rejected.

    Raises:
        SampleError: If the runs have no such question.
    """
    misled = {
        record.id: record for record in wrong if record.correct is False and record.finished and record.text.strip()
    }
    pairs = [
        Pair(record.id, record.text, misled[record.id].text, "disagreement")
        for record in right
        if record.correct and record.finished and record.id in misled
    ]
    if not pairs:
        raise SampleError(
            f"No question is right in the first run ({len(right)} records) and wrong in the second ({len(wrong)})."
        )
    return pairs


def reflections(answers: Mapping[str, Sequence[Scored]], *, threshold: float = 0.5) -> list[Pair]:
    """A reasoning pair and a reflection pair of every question that has a right and a wrong chain.

    Args:
        answers: Chains by sample id, each scored by its answer.
        threshold: A chain with a higher score is right, with a lower or equal one wrong.

    Raises:
        SampleError: If no question has both, with chains between tags.
    """
    pairs: list[Pair] = []
    for sample, scored in answers.items():
        chains = [(match, one) for one in scored if one.finished and (match := _CHAIN.fullmatch(one.text))]
        good = next((chain for chain in chains if chain[1].score > threshold), None)
        bad = next((chain for chain in chains if chain[1].score <= threshold), None)
        if good is None or bad is None or good[0].groups() == bad[0].groups():
            continue
        scores = {"chosen": good[1].score, "rejected": bad[1].score}
        pairs.append(Pair(sample, good[1].text, bad[1].text, "reasoning", scores))
        mends, spoils = _turned(bad[0], good[0]), _turned(good[0], bad[0])
        pairs.append(Pair(sample, mends, spoils, "reflection", scores))
    if not pairs:
        raise SampleError(
            f"None of {len(answers)} questions has a right and a wrong chain (<think>...</think><answer>...</answer>)."
        )
    return pairs


def _turned(first: re.Match[str], second: re.Match[str]) -> str:
    """A chain that begins as one and ends as another."""
    return f"<think>{first[1].strip()} {TURN} {second[1].strip()}</think><answer>{second[2].strip()}</answer>"
