"""An answer: its text, what was read out of it, how sure the model was, and where it comes from."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medvlm.sentences import sentence_confidences, split_sentences

if TYPE_CHECKING:
    from medvlm.generation.engine import Reply
    from medvlm.study import Sample

Box = tuple[float, float, float, float]

_THOUGHT = re.compile(r"<think>(.*?)(?:</think>|$)", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from; it names no path and no patient.

    Attributes:
        model: Name of the model.
        weights: First 12 hex digits of the SHA-256 of its weights.
        prompt: Hash of the prompt texts.
        decoding: Temperature, limit of tokens, whether reasoning was asked for.
        images: For each image its source (a hash) and the intensity recipe that made numbers of it.
        version: Of medvlm.
        notes: Repairs and assumptions that were made to read the images.
        warnings: What every reader must know: not for clinical use.
    """

    model: str
    weights: str
    prompt: str
    decoding: dict[str, Any]
    images: tuple[dict[str, str], ...]
    version: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to one question; ``print(answer)`` shows its text.

    Attributes:
        question: What was asked.
        kind: Form of answer that was asked for (``choice``, ``closed``, ``open``, ``report``, ``box``, ``number``).
        text: The answer without reasoning and tags; a choice as ``B) left`` where it could be read.
        raw: Every character that the model wrote.
        parsed: What was read out of it (``B``, ``yes``, ``0.1 0.2 0.3 0.4``); None if nothing could be.
        how: How it was read, or ``unparsed``.
        choice: Letter of the chosen option; None without options or unparsed.
        option: Text of that option.
        boxes: Boxes (x0, y0, x1, y1) as shares of width and height.
        reasoning: What stood between ``<think>`` tags.
        confidence: Geometric mean of the probabilities of the answer's tokens (not those of its reasoning), 0 to 1. It
            says how sure the model was of its words; it is not calibrated.
        finished: Whether the model ended by itself; False if it was cut at ``max_new_tokens``.
        provenance: Model, weights, prompt, decoding, images, notes and warnings.
        sentences: Of a report, each sentence with the same mean over its own tokens; empty for other kinds.
    """

    question: str
    kind: str
    text: str
    raw: str
    parsed: str | None
    how: str
    choice: str | None
    option: str | None
    boxes: tuple[Box, ...]
    reasoning: str
    confidence: float
    finished: bool
    provenance: Provenance
    sentences: tuple[tuple[str, float | None], ...] = ()

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)

    def to_json(self) -> str:
        """All fields as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)


def make_answer(sample: Sample, reply: Reply, provenance: Provenance, decode: Callable[[Sequence[int]], str]) -> Answer:
    """Read a model's reply.

    Args:
        sample: The question.
        reply: What the model wrote.
        provenance: Where it comes from.
        decode: Tokens to text.
    """
    from medvlm.evaluation.parser import parse_answer

    parsed = parse_answer(reply.text, sample.kind, sample.options)
    choice = parsed.value if sample.kind == "choice" else None
    option = sample.options[ord(choice) - ord("A")] if choice else None
    thought = _THOUGHT.search(reply.text)
    return Answer(
        question=sample.question,
        kind=sample.kind,
        text=f"{choice}) {option}" if choice else plain(reply.text),
        raw=reply.text,
        parsed=parsed.value,
        how=parsed.how,
        choice=choice,
        option=option,
        boxes=_boxes(parsed.value) if sample.kind == "box" else (),
        reasoning=thought[1].strip() if thought else "",
        confidence=confidence(reply, decode),
        finished=reply.finished,
        provenance=provenance,
        sentences=_sentences(reply, decode) if sample.kind == "report" else (),
    )


def _sentences(reply: Reply, decode: Callable[[Sequence[int]], str]) -> tuple[tuple[str, float | None], ...]:
    parts = split_sentences(plain(reply.text))
    return tuple(zip(parts, sentence_confidences(parts, reply.tokens, reply.logps, decode), strict=True))


def plain(text: str) -> str:
    """A model's text without reasoning and tags.

    Args:
        text: All that it wrote.

    Examples:
        >>> plain("<think>Fluid on the left.</think> <answer> Yes </answer>")
        'Yes'
    """
    found = _ANSWER.findall(text)
    return (found[-1] if found else _THOUGHT.sub("", text)).strip()


def confidence(reply: Reply, decode: Callable[[Sequence[int]], str]) -> float:
    """Geometric mean probability of the tokens of the answer, those of its reasoning left out.

    Args:
        reply: What the model wrote, with log-probabilities.
        decode: Tokens to text.
    """
    start, stop = 0, len(reply.tokens)
    if "<answer>" in reply.text.lower():
        start, stop = _upto(reply, decode, "<answer>"), _upto(reply, decode, "</answer>")
    logps = reply.logps[start:stop] or reply.logps
    return math.exp(sum(logps) / len(logps)) if logps else 0.0


def _upto(reply: Reply, decode: Callable[[Sequence[int]], str], tag: str) -> int:
    """How many tokens it takes until a tag is complete; all if it never is."""
    counts = range(len(reply.tokens))
    return bisect_left(counts, True, key=lambda count: tag in decode(reply.tokens[:count]).lower())


def _boxes(value: str | None) -> tuple[Box, ...]:
    if value is None:
        return ()
    x0, y0, x1, y1 = (float(number) for number in value.split())
    return ((x0, y0, x1, y1),)
