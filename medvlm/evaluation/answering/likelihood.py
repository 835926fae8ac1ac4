"""Answers by likelihood: the option letter, or the option text, that the model finds likeliest, from one image read.

Letters are scored by the log-probability of the letter's token in the place of the answer (as MMLU and CheXagent's
likelihood runs do), texts by the mean log-probability of their tokens, the one that ends the turn included, or by the
sum. A yes-or-no question has the options yes and no, each in the ways it is written: those that are one token of the
model, or all where none is, so that one step decides, as for letters. Where the model reasons between tags, its thought
is left empty. Questions that have no options are answered greedily.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from medvlm.evaluation.answerer import Answerer
from medvlm.evaluation.answering.answer import Answer, Answers, Job
from medvlm.evaluation.text import polarity
from medvlm.generation.engine import Ask
from medvlm.study import Sample, SampleError

NO_THOUGHT = "<think></think><answer>"
WAYS: Mapping[str, tuple[str, ...]] = {"yes": ("yes", "Yes"), "no": ("no", "No")}
"""How yes and no are written; their probabilities add up."""
CHINESE: Mapping[str, tuple[str, ...]] = {"yes": ("是", "有"), "no": ("不是", "没有", "否", "无")}
_CJK = re.compile("[\u4e00-\u9fff]")
Named = dict[str, tuple[str, ...]]


def letter_options(sample: Sample) -> Named:
    """What an answer can be, by name, and the ways it is written: letters of a choice, yes and no; else nothing.

    A closed question whose reference is neither yes nor no ("left") has no options: its form is that of an open one.

    Args:
        sample: A question.

    Examples:
        >>> letter_options(Sample("1", (), "Side?", "left", "choice", ("left", "right")))
        {'A': ('A',), 'B': ('B',)}
        >>> letter_options(Sample("1", (), "Fluid?", "no", "closed"))
        {'yes': ('yes', 'Yes'), 'no': ('no', 'No')}
    """
    if sample.kind == "choice" and 2 <= len(sample.options) <= len(ascii_uppercase):
        return {letter: (letter,) for letter, _ in zip(ascii_uppercase, sample.options, strict=False)}
    if sample.kind == "closed" and polarity(sample.answer):
        return dict(CHINESE if _CJK.search(sample.question) else WAYS)
    return {}


def text_options(sample: Sample) -> Named:
    """As `letter_options`, a choice by its option texts.

    Args:
        sample: A question.
    """
    named = letter_options(sample)
    if sample.kind == "choice":
        return {letter: (text,) for letter, text in zip(named, sample.options, strict=False)}
    return named


def one_token(engine: Answerer, named: Named) -> Named:
    """Of the ways in which each name is written, those that are one token of the model; all where none is.

    Args:
        engine: Makes tokens.
        named: Names and ways.
    """
    complete = engine.prompter.completion  # the token that ends a turn included
    return {name: tuple(way for way in ways if len(complete(way)) == 2) or ways for name, ways in named.items()}


def check_options(samples: Sequence[Sample]) -> None:
    """See that every choice can be answered by its letters.

    Args:
        samples: Questions.

    Raises:
        SampleError: If a choice has fewer than 2 options or more than there are letters; the message names it.
    """
    for sample in samples:
        if sample.kind == "choice" and not 2 <= len(sample.options) <= len(ascii_uppercase):
            raise SampleError(
                f"sample {sample.id!r} is a choice of {len(sample.options)} options, expected 2 to "
                f"{len(ascii_uppercase)}; repair the record or drop it, or answer greedily"
            )


def by_name(named: Named, logps: Sequence[float]) -> dict[str, float]:
    """Log-probability of each name: all ways in which it is written together.

    Args:
        named: Names and ways.
        logps: Of each way, in order; none gives none.

    Examples:
        >>> found = by_name({"yes": ("yes", "Yes"), "no": ("no",)}, [math.log(0.25), math.log(0.25), math.log(0.1)])
        >>> round(math.exp(found["yes"]), 6)
        0.5
    """
    if not logps:
        return {}
    each = iter(logps)
    return {name: _log_sum([next(each) for _ in ways]) for name, ways in named.items()}


def softmax(scores: Mapping[str, float]) -> dict[str, float]:
    """Probabilities among themselves.

    Args:
        scores: Log-probabilities.

    Examples:
        >>> softmax({"A": 0.0, "B": 0.0})
        {'A': 0.5, 'B': 0.5}
    """
    if not scores:
        return {}
    most = max(scores.values())
    parts = {name: math.exp(score - most) for name, score in scores.items()}
    return {name: part / sum(parts.values()) for name, part in parts.items()}


def letters(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """The likeliest option letter of each choice, or yes or no; other questions greedily."""
    return _likeliest(engine, asks, job, texts=False)


def texts(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """The likeliest option text of each choice, as its letter, or yes or no; other questions greedily."""
    return _likeliest(engine, asks, job, texts=True)


def greedy(engine: Answerer, asks: Sequence[Ask], job: Job) -> Answers:
    """What the model writes, at each token the likeliest; beside it the probabilities of the options if wanted."""
    if not job.answering.probabilities:
        found = engine.generate(asks, n=1, max_new_tokens=job.max_new_tokens)
        return [[Answer.of(reply) for (reply,) in replies] for replies in found]
    named = [[one_token(engine, letter_options(question)) for question in ask.questions] for ask in asks]
    found = engine.generate(asks, n=1, max_new_tokens=job.max_new_tokens, options=_ways(named))
    return [
        [
            Answer(reply.text, reply.logps, reply.finished, probabilities=softmax(by_name(names, reply.options)))
            for (reply,), names in zip(replies, questions, strict=True)
        ]
        for replies, questions in zip(found, named, strict=True)
    ]


def _likeliest(engine: Answerer, asks: Sequence[Ask], job: Job, *, texts: bool) -> Answers:
    if texts:
        named = [[text_options(question) for question in ask.questions] for ask in asks]
    else:
        named = [[one_token(engine, letter_options(question)) for question in ask.questions] for ask in asks]
    start = engine.prompter.completion(NO_THOUGHT)[:-1] if engine.prompter.reasoning else []
    starts = [[start for _ in ask.questions] for ask in asks] if start else []
    total, closing = job.answering.total or not texts, "</answer>" if texts and start else ""
    with engine.held():
        found = engine.score(asks, _ways(named, closing), starts=starts, total=total, ends=texts)
        rest = _others(asks, named)
        written = iter(each for part in (greedy(engine, rest, job) if rest else []) for each in part)
    return [
        [_choose(by_name(names, logps)) if names else next(written) for names, logps in zip(*pair, strict=True)]
        for pair in zip(named, found, strict=True)
    ]


def _choose(scores: Mapping[str, float]) -> Answer:
    best = max(scores, key=lambda name: scores[name])
    chances = softmax(scores)
    return Answer(
        best, (scores[best],), how="likelihood", confidence=chances[best], probabilities=chances, written=False
    )


def _others(asks: Sequence[Ask], named: Sequence[Sequence[Named]]) -> list[Ask]:
    """Asks of the questions that have no options."""
    found = []
    for ask, names in zip(asks, named, strict=True):
        left = tuple(question for question, own in zip(ask.questions, names, strict=True) if not own)
        if left:
            found.append(Ask(ask.images, left, ask.shots))
    return found


def _ways(named: Sequence[Sequence[Named]], closing: str = "") -> list[list[list[str]]]:
    return [[[way + closing for ways in names.values() for way in ways] for names in part] for part in named]


def _log_sum(logps: Sequence[float]) -> float:
    most = max(logps)
    return most + math.log(sum(math.exp(logp - most) for logp in logps))
