"""Mentor-Intern search: reasoning built step by step, each step the one from which a weaker model succeeds most.

After MICS of Chiron-o1 (Sun et al., arXiv 2506.16962): a mentor proposes several next steps, an intern goes on from
each to an answer several times, and the step with the largest share of right answers is kept. What differs: one mentor
and one intern, ties go to the shorter step, and the search ends where the intern always succeeds or no step helps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medvlm.endpoint import Said
from medvlm.progress_file import ProgressFile
from medvlm.study import Sample
from medvlm.training.chains import ChainFormat, read_chain
from medvlm.training.distil import Progress, verified, work_key, write_chains
from medvlm.training.handles import Handle

LONGEST_STEP = 600


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How far and how wide a search goes.

    Attributes:
        width: Steps that the mentor proposes at a time.
        tries: Times that the intern goes on from each.
        depth: Most steps.
        least: Share of right answers after the last step below which nothing is kept.
        seed: Of sampling.
    """

    width: int = 3
    tries: int = 4
    depth: int = 4
    least: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.width, self.tries, self.depth) < 1 or not 0 < self.least <= 1:
            raise ValueError(f"{self}: expected numbers of 1 or more, and least above 0 and at most 1")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        steps: The kept steps.
        scores: Share of right answers of the intern after each.
        chain: Steps and the intern's way from there to the answer; empty if nothing is kept.
        why: Why not; empty otherwise.
    """

    steps: tuple[str, ...]
    scores: tuple[float, ...]
    chain: str = ""
    why: str = ""


def search(mentor: Handle, intern: Handle, sample: Sample, options: SearchOptions | None = None) -> Found:
    """Build the reasoning of one question.

    Args:
        mentor: Proposes steps.
        intern: Goes on from them.
        sample: The question with its verified answer.
        options: How far.
    """
    options = options or SearchOptions()
    steps: list[str] = []
    scores: list[float] = []
    chains: list[str] = []
    for depth in range(options.depth):
        seed = options.seed + 1000 * depth
        proposals = list(dict.fromkeys(map(_step, mentor.step(sample, steps, n=options.width, seed=seed))))
        trails = [[*steps, step] for step in proposals if step and step not in steps]
        if not trails:
            break
        answers = intern.finish(sample, trails, n=options.tries, seed=seed)
        right = [_right(sample, trail, found) for trail, found in zip(trails, answers, strict=True)]
        best = max(range(len(trails)), key=lambda index: (len(right[index]), -len(trails[index][-1])))
        score = len(right[best]) / options.tries
        if scores and score < scores[-1]:
            break  # no proposal helps the intern: what was found stays
        steps, chains = trails[best], right[best]
        scores.append(score)
        if score == 1:
            break
    if not scores:
        return Found((), (), why="the mentor proposed no step")
    if scores[-1] < options.least:
        return Found(tuple(steps), tuple(scores), why="the intern seldom succeeds")
    return Found(tuple(steps), tuple(scores), min(chains, key=len))


def _step(text: str) -> str:
    """A step on one line; empty for one that gives the answer away, or has no end."""
    line = " ".join(text.split())
    return "" if len(line) > LONGEST_STEP or "<" in line else line


def _right(sample: Sample, steps: Sequence[str], found: Sequence[Said]) -> list[str]:
    """The chains among the intern's texts that lead to the right answer."""
    begun = "\n".join(steps)
    texts = [said.text.removeprefix("<think>") for said in found]
    whole = [f"<think>{begun}\n{text}" if "</think>" in text.lower() else f"{begun}\n{text}" for text in texts]
    chains = [read_chain(sample, Said(text, said.finished))[0] for text, said in zip(whole, found, strict=True)]
    return [chain.text for chain in chains if chain is not None]


def mentored(
    mentor: Handle,
    intern: Handle,
    samples: Sequence[Sample],
    out: Path,
    options: SearchOptions | None = None,
    *,
    form: ChainFormat = "think",
    advance: Progress = lambda done, total: None,
) -> Counter[str]:
    """Search for the reasoning of every question and write a ``jsonl`` set of what was found.

    Args:
        mentor: Proposes steps.
        intern: Goes on from them.
        samples: Questions with unique ids and verified answers.
        out: The JSONL file; until all are done the work is in ``OUT.progress``.
        options: How far and wide.
        form: Of the records.
        advance: Told after each question.

    Returns:
        See `medvlm.training.distil.distil`.

    Raises:
        SampleError: If no question can be verified, or nothing was kept.
        EndpointError: If an endpoint does not answer; the same call goes on from there.
    """
    options = options or SearchOptions()
    asked, name = verified(samples), f"mentor {mentor.name}; intern {intern.name}"
    file = ProgressFile(out.with_name(f"{out.name}.progress"), work_key(name, asked, options))
    known = {line["id"] for line in file.lines}
    for number, sample in enumerate(asked, start=1):
        if sample.id not in known:
            file.append([_line(sample, search(mentor, intern, sample, options))])
        advance(number, len(asked))
    return write_chains(out, asked, file.lines, form, name)


def _line(sample: Sample, found: Found) -> dict[str, Any]:
    chains = [{"text": found.chain, "hinted": False}] if found.chain else []
    rejected = {found.why: 1} if found.why else {}
    return {"id": sample.id, "chains": chains, "rejected": rejected, "scores": list(found.scores)}
