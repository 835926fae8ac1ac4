"""How often a model answers each question right: several samples a question, read by the parser, kept on disk.

The rates choose what GRPO learns from (`medvlm.datamodules.difficulty`): a question that is always or never answered
right has groups without variance. MedVLThinker (Huang et al. 2025) keeps those that 1 to 7 of 8 samples get right. The
same samples vote on the answer, which labels questions that have none (`medvlm.training.pseudo`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from medvlm.evaluation.answerer import weights_hash
from medvlm.evaluation.parser import is_correct, parse_for
from medvlm.evaluation.showing import group_by_images
from medvlm.evaluation.text import normalise
from medvlm.files import write_whole
from medvlm.generation.engine import Ask, Engine, Reply
from medvlm.generation.prompts import prompt_hash
from medvlm.progress_file import ProgressFile
from medvlm.study import ImageRef, Sample, SampleError


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How a model is probed.

    Attributes:
        group: Samples a question (8, as groups of GRPO are).
        temperature: Of sampling.
        max_new_tokens: Where an answer is cut.
        batch: Images answered together.
        questions: Most questions of one image in one context.
        seed: With the number of the batch, of the samples.
    """

    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 64
    batch: int = 16
    questions: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.group, self.batch, self.questions, self.max_new_tokens) < 1 or self.temperature <= 0:
            raise ValueError(f"{self}: expected numbers of 1 or more, and a temperature above 0 (greedy samples agree)")


@dataclass(frozen=True, slots=True)
class Probed:
    """What the samples of one question came to.

    Attributes:
        id: The question's.
        n: Samples.
        right: How many are right.
        votes: How many gave each answer, as the parser reads it; unparsed samples are in none.
        cut: How many were cut at the limit.
    """

    id: str
    n: int
    right: int
    votes: Mapping[str, int]
    cut: int = 0

    @property
    def rate(self) -> float:
        """Share of right samples."""
        return self.right / self.n


def probe(
    engine: Engine,
    samples: Sequence[Sample],
    pixels: Callable[[ImageRef], Tensor],
    out: Path,
    options: ProbeOptions | None = None,
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> list[Probed]:
    """Sample answers to every question and write ``{"id": rate}``.

    What an interrupted probe has sampled is in ``OUT.progress`` and is not sampled again; a probe of another model,
    set or options begins anew. A finished one is read from there.

    Args:
        engine: The model.
        samples: Questions with unique ids; reports are left out, for no rule says whether one is right.
        pixels: Prepared pixels of an image reference.
        out: The JSON file of rates, written once all are known.
        options: How to sample.
        advance: Told after each batch how many questions of how many are done.

    Raises:
        SampleError: If no question is left, or two have one id.
        ValueError: If the progress file is damaged.
    """
    options = options or ProbeOptions()
    asked = [sample for sample in samples if sample.kind != "report"]
    if not asked:
        raise SampleError(f"none of {len(samples)} samples can be probed: a report has no rule that says it is right")
    if len({sample.id for sample in asked}) < len(asked):
        raise SampleError("two samples have one id, so a rate would be of both; give each its own")
    groups = group_by_images(asked, options.questions)
    batches = [groups[start : start + options.batch] for start in range(0, len(groups), options.batch)]
    file = ProgressFile(out.with_name(f"{out.name}.progress"), _key(engine, asked, options))
    known = {line["id"]: Probed(**line) for line in file.lines}
    for number, batch in enumerate(batches):
        if any(sample.id not in known for group in batch for sample in group):
            found = list(_answered(engine, batch, pixels, options, number))
            file.append(asdict(one) for one in found)
            known |= {one.id: one for one in found}
        advance(len(known), len(asked))
    results = [known[sample.id] for sample in asked]
    write_whole(out, json.dumps({one.id: one.rate for one in results}, indent=0, ensure_ascii=False))
    return results


def _answered(
    engine: Engine,
    batch: Sequence[list[Sample]],
    pixels: Callable[[ImageRef], Tensor],
    options: ProbeOptions,
    number: int,
) -> Iterator[Probed]:
    """The samples of one batch; its seed depends on its number alone, so that a resumed probe draws the same."""
    asks = [Ask(tuple(pixels(ref) for ref in group[0].images), tuple(group)) for group in batch]
    replies = engine.generate(
        asks,
        n=options.group,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        seed=options.seed * 1_000_003 + number,
    )
    for group, found in zip(batch, replies, strict=True):
        for sample, answers in zip(group, found, strict=True):
            yield count(sample, answers)


def count(sample: Sample, replies: Sequence[Reply]) -> Probed:
    """Right answers and votes of one question.

    Args:
        sample: The question.
        replies: What was sampled.
    """
    parsed = [parse_for(sample, reply.text) for reply in replies]
    said = Counter(one.value if sample.kind == "choice" else normalise(one.value) for one in parsed if one.value)
    right = sum(is_correct(one, sample) for one in parsed)
    return Probed(sample.id, len(replies), right, dict(said), sum(not reply.finished for reply in replies))


def _key(engine: Engine, samples: Sequence[Sample], options: ProbeOptions) -> dict[str, Any]:
    """What decides the rates: the model, the questions in their order, and how they are sampled."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(repr((sample.id, sample.question, sample.answer, sample.kind, sample.options)).encode())
    model = {"weights": weights_hash(engine.model), "reasoning": engine.prompter.reasoning, "prompt": prompt_hash()}
    return {**model, "questions": digest.hexdigest()[:16], **asdict(options)}


def summary(results: Sequence[Probed]) -> str:
    """What a set is to a model, in words.

    Args:
        results: Of `probe`.

    Examples:
        >>> summary([Probed("a", 8, 8, {}), Probed("b", 8, 2, {}), Probed("c", 8, 0, {})])
        '3 questions, mean pass rate 42%: 1 never right, 1 between, 1 always right'
    """
    mean = sum(one.rate for one in results) / len(results)
    never, always = sum(one.right == 0 for one in results), sum(one.right == one.n for one in results)
    between = len(results) - never - always
    shares = f"{never:,} never right, {between:,} between, {always:,} always right"
    cut = sum(one.cut for one in results) / sum(one.n for one in results)
    said = f"; {cut:.0%} of the answers were cut at the limit" if cut >= 0.1 else ""
    return f"{len(results):,} questions, mean pass rate {mean:.0%}: {shares}{said}"
