"""Budget forcing (s1, Muennighoff et al. 2025, arXiv 2501.19393; in medicine m1, arXiv 2504.00869).

A thought that ends before a least number of tokens goes on with "Wait,"; one that reaches the most is ended, and the
answer is asked for. What was forced has no log-probability in the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answer, Answers, Job
from medvlm.evaluation.answering.settings import Answering
from medvlm.generation.engine import Ask, Reply
from medvlm.study import Sample

OPEN, CLOSE, WAIT, ANSWER = "<think>", "</think>", " Wait,", "</think><answer>"
WAITS = 8
"""Times that a thought is made to go on; one that ends at once each time would go on for ever."""


@dataclass(slots=True)
class Thought:
    """What was written to a question so far.

    Attributes:
        ask: Of the question.
        question: Itself.
        tokens: Everything, what was forced included.
        used: Tokens of the thought, forced ones included.
        logps: Of what the model wrote.
        waits: Times that it was made to go on.
        state: Whether it is ``thinking``, ``answering`` or ``done``.
        finished: Whether the answer ended by itself.
    """

    ask: Ask
    question: Sample
    tokens: list[int]
    used: int = 0
    logps: list[float] = field(default_factory=list)
    waits: int = 0
    state: Literal["thinking", "answering", "done"] = "thinking"
    finished: bool = False

    def write(self, tokens: Sequence[int], logps: Sequence[float]) -> None:
        """Go on with tokens, of which the model wrote as many as there are log-probabilities."""
        self.tokens += tokens
        self.logps += logps


def budget(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """Answers whose thoughts have between a least and a most number of tokens.

    Raises:
        ValueError: If the model does not reason between tags.
    """
    if not engine.prompter.reasoning:
        raise ValueError("budget forcing needs a model that reasons between tags (reasoning: true); take greedy")
    opening, closing = _ids(engine, OPEN), len(_ids(engine, CLOSE))
    thoughts = [Thought(ask, question, [*opening]) for ask in asks for question in ask.questions]
    with engine.held():
        while thinking := [one for one in thoughts if one.state == "thinking"]:
            most = max(job.answering.most - one.used for one in thinking) + closing  # room for the tag that ends it
            for one, reply in zip(thinking, _go_on(engine, thinking, job, most), strict=True):
                _think(engine, one, reply, job.answering)
        answering = [one for one in thoughts if one.state == "answering"]
        for one, reply in zip(answering, _go_on(engine, answering, job, job.max_new_tokens), strict=True):
            one.write(reply.tokens, reply.logps)
            one.finished = reply.finished
    each = iter(_answer(engine, one) for one in thoughts)
    return [[next(each) for _ in ask.questions] for ask in asks]


def _think(engine: Answerer, one: Thought, reply: Reply, answering: Answering) -> None:
    """Take in what was written, and decide how it goes on."""
    end, room = _thought_end(engine, reply), answering.most - one.used
    ended = end < len(reply.tokens) and end <= room  # by itself, and not at the most
    end = min(end, room)
    one.used += end
    if ended and one.used < answering.least and one.waits < WAITS:
        more = _ids(engine, WAIT)
        one.write([*reply.tokens[:end], *more], reply.logps[:end])
        one.used, one.waits = one.used + len(more), one.waits + 1
        if one.used < answering.most:
            return
        one.tokens += _ids(engine, ANSWER)
    elif ended and CLOSE in engine.prompter.decode(reply.tokens):
        one.write(reply.tokens, reply.logps)
        one.finished = reply.finished
    else:
        one.write([*reply.tokens[:end], *_ids(engine, ANSWER)], reply.logps[:end])
    one.state = "done" if one.finished else "answering"


def _thought_end(engine: Answerer, reply: Reply) -> int:
    """Tokens before the thought ends: by its tag, by the end of the turn, or not at all."""
    tokens, decode = reply.tokens, engine.prompter.decode
    if CLOSE not in decode(tokens):
        return len(tokens) - reply.finished
    low, high = 0, len(tokens)
    while low < high:  # the tag is whole from one count of tokens on
        middle = (low + high) // 2
        low, high = (low, middle) if CLOSE in decode(tokens[:middle]) else (middle + 1, high)
    text = decode(tokens[:low]).rpartition(CLOSE)[0].rstrip()
    while low and not text.startswith(decode(tokens[:low]).rstrip()):
        low -= 1  # the tag may take several tokens
    return low


def _go_on(engine: Answerer, thoughts: Sequence[Thought], job: Job, limit: int) -> list[Reply]:
    """One reply to each thought, from where it is."""
    asks: list[Ask] = []
    starts: list[list[list[int]]] = []
    last: Ask | None = None
    for one in thoughts:
        if one.ask is not last:
            last = one.ask
            asks.append(replace(one.ask, questions=()))
            starts.append([])
        # the draws of what follows are others than those of what was written
        asked = replace(one.question, id=f"{one.question.id}/{len(one.tokens)}")
        asks[-1] = replace(asks[-1], questions=(*asks[-1].questions, asked))
        starts[-1].append(one.tokens)
    drawn: dict[str, Any] = {"temperature": job.answering.temperature, "seed": job.seed, "apart": True}
    found = engine.generate(asks, max_new_tokens=limit, starts=starts, **drawn) if asks else []
    return [reply for replies in found for (reply,) in replies]


def _answer(engine: Answerer, one: Thought) -> Answer:
    text = engine.prompter.decode(one.tokens)
    how = f"{one.used} tokens of thought, {one.waits} waits"
    return Answer(text, tuple(one.logps), one.finished, how=how)


def _ids(engine: Answerer, text: str) -> list[int]:
    """Tokens of a text, without the one that ends a turn."""
    tokens: list[int] = engine.prompter.completion(text)
    return tokens[:-1]
