"""Answers for questions that have none: the majority of several samples, where most of them agree (MedSSR's idea).

A pseudo-label may train, and is never a truth to score by: its record carries ``pseudo``, and an evaluation refuses it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

from medvlm.datamodules.sets.jsonl_writing import jsonl_record
from medvlm.evaluation.text import polarity
from medvlm.files import write_whole
from medvlm.study import Sample, SampleError
from medvlm.training.probing import Probed

VOTED = ("choice", "closed", "open")
"""Kinds on which samples can agree; two boxes or numbers are seldom equal."""


def pseudo_label(sample: Sample, probed: Probed, threshold: float) -> tuple[str | None, str]:
    """The answer that the samples agree on, or why there is none.

    Args:
        sample: The question; its own answer is not looked at.
        probed: The votes on it.
        threshold: Least share of all samples, unparsed ones included, that the majority must have.

    Returns:
        The answer and an empty text, or None and a reason.

    Examples:
        >>> ask = Sample("1", (), "Which side?", "", "choice", ("left", "right"))
        >>> pseudo_label(ask, Probed("1", 4, 0, {"B": 3}), 0.75), pseudo_label(ask, Probed("1", 4, 0, {"B": 2}), 0.75)
        (('right', ''), (None, 'no majority'))
    """
    if sample.kind not in VOTED:
        return None, f"answers of kind {sample.kind} cannot vote"
    if not probed.votes:
        return None, "no sample could be read"
    (said, most), *others = sorted(probed.votes.items(), key=lambda vote: -vote[1])
    if most < threshold * probed.n or (others and others[0][1] == most):
        return None, "no majority"
    if sample.kind == "choice":
        return sample.options[ascii_uppercase.index(said)], ""
    if sample.kind == "closed":
        known = polarity(said)
        return (known, "") if known else (None, "neither yes nor no")
    return said, ""


def write_pseudo(
    path: Path, samples: Sequence[Sample], probed: Sequence[Probed], *, threshold: float = 0.75, model: str = ""
) -> Counter[str]:
    """Write a ``jsonl`` set of the questions whose samples agree.

    Args:
        path: The file; images are named relative to its folder.
        samples: The questions.
        probed: The votes on them, by id.
        threshold: See `pseudo_label`.
        model: What to call the model that answered.

    Returns:
        How many were kept (under ``kept``), and how many left out for each reason.

    Raises:
        SampleError: If no votes are of these questions, or none is kept.
        ValueError: If the threshold is not above one half and at most 1.
    """
    if not 0.5 < threshold <= 1:
        raise ValueError(
            f"threshold={threshold}: expected more than 0.5 (else two answers may both pass) and at most 1"
        )
    votes = {one.id: one for one in probed}
    counts: Counter[str] = Counter()
    lines = []
    for sample in samples:
        answer, why = _label(sample, votes, threshold)
        counts["kept" if answer is not None else why] += 1
        if answer is not None:
            lines.append(json.dumps(_record(sample, answer, votes[sample.id], path.parent, model), ensure_ascii=False))
    if not lines:
        reasons = ", ".join(f"{count} {why}" for why, count in counts.most_common())
        raise SampleError(f"no pseudo-label passes a vote of {threshold:.0%}: {reasons}; sample more, or lower it")
    write_whole(path, "\n".join(lines) + "\n")
    return counts


def _label(sample: Sample, votes: Mapping[str, Probed], threshold: float) -> tuple[str | None, str]:
    if sample.id not in votes:
        return None, "not probed"
    return pseudo_label(sample, votes[sample.id], threshold)


def _record(sample: Sample, answer: str, probed: Probed, folder: Path, model: str) -> dict[str, object]:
    labelled = replace(sample, answer=answer, split="train", weak_answer=None, rationale="")
    share = max(probed.votes.values()) / probed.n
    return jsonl_record(labelled, folder) | {"pseudo": {"share": share, "n": probed.n, "model": model}}
