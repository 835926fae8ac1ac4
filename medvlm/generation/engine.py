"""Answers from a model: one read of the images for all questions about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from medvlm.generation.draws import OwnDraws
from medvlm.generation.images import HeldFeatures
from medvlm.generation.images import encode_images as encode_images
from medvlm.generation.options import Texts, Tokens, answer_start, watched
from medvlm.generation.prompts import Prompter
from medvlm.generation.sampling import Completion, sample
from medvlm.logps import branch_logps, unwrap
from medvlm.rows import pack
from medvlm.study import Sample
from medvlm.tree import Tree


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions about the same images.

    Attributes:
        images: Prepared pixels, ``(3, H, W)`` an image or ``(S, 3, H, W)`` a volume: those of the shots, then those of
            the questions, in the samples' order.
        questions: Samples that all show exactly these images.
        shots: Answered examples that stand before the questions.
    """

    images: tuple[Tensor, ...]
    questions: tuple[Sample, ...]
    shots: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        text: What was written.
        tokens: The same, the stop token included.
        logps: Their log-probabilities.
        finished: Whether it ended by itself.
        options: Log-probability of each option that was asked beside, in the place of the answer; empty where there is
            no such place.
    """

    text: str
    tokens: tuple[int, ...]
    logps: tuple[float, ...]
    finished: bool
    options: tuple[float, ...] = ()


def ask_tree(prompter: Prompter, ask: Ask) -> Tree:
    """The tree of an ask: what all questions share, then one prompt branch a question.

    A single question is split before its last token, so that the form is the same: a context that carries prompts.
    Where prompts are read in both directions, it stays whole.

    Raises:
        ValueError: If there are several questions, or shots, for a model whose prompts cannot share an image.
    """
    layout = prompter.processor.layout
    if layout is not None and layout.ahead == "prompt":
        if len(ask.questions) != 1:
            raise ValueError(layout.ONE_QUESTION)
        if ask.shots:
            raise ValueError("This model reads one question as one text, without turns: it takes no shots (shots=0).")
        return Tree.of(prompter.prompt(ask.questions[0]))
    prompts = [prompter.prompt(question, ask.shots) for question in ask.questions]
    return Tree.from_sequences(prompts, [[0.0] * len(prompt) for prompt in prompts])


class Engine:
    """A model and its processor, ready to answer.

    Args:
        model: A composed model; it is used as it is (call ``eval()`` before, or be in training on purpose).
        processor: Its processor.
        reasoning: Whether answers are asked for between tags.
    """

    def __init__(self, model: Any, processor: Any, *, reasoning: bool = False) -> None:
        self.model, self.processor = model, processor
        self.prompter = Prompter(processor, reasoning=reasoning)
        self._held: HeldFeatures | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep image features inside: what is asked of an image in several calls reads it once; weights must stay."""
        before = self._held
        self._held = before or HeldFeatures()
        try:
            yield
        finally:
            self._held = before

    @torch.no_grad()
    def generate(
        self,
        asks: Sequence[Ask],
        *,
        n: int = 1,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        apart: bool = False,
        starts: Tokens = (),
        options: Texts = (),
    ) -> list[list[list[Reply]]]:
        """Answer every question ``n`` times.

        Args:
            asks: What is asked.
            n: Answers a question.
            max_new_tokens: Where an answer is cut.
            temperature: 0 takes the likeliest token.
            seed: Of the draws.
            apart: Whether each question draws numbers of its own, by the seed and its id: then its answers do not
                depend on what is asked beside it.
            starts: ``[ask][question]`` tokens with which each answer begins, at least one; replies go on from there.
            options: ``[ask][question][option]`` texts whose log-probabilities are wanted beside, where the answer
                begins (see `score`, summed, without the token that ends a turn); a question may have none.

        Returns:
            ``[ask][question][n]``.

        Raises:
            ValueError: If an ask has no question, its images do not fill the placeholders of its prompts, or options
                are wanted beside several answers.
        """
        if not asks:
            return []
        if options and n != 1:
            raise ValueError(f"options stand beside one answer a question, n={n}; ask for one, or leave them out")
        if self._alone(asks):
            more: dict[str, Any] = {"n": n, "max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
            more |= {"apart": apart, "starts": _apart(starts), "options": _apart(options)}
            return _regrouped(asks, self.generate(_single(asks), **more))
        watch = watched(self.prompter, options)
        with self.held():
            found = sample(
                self.model,
                self._trees(asks, starts),
                self._features(asks),
                n=n,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                stop=self.prompter.stop,
                banned=self.prompter.banned,
                generator=self._draws(asks, n, seed) if apart else torch.Generator(self._device).manual_seed(seed),
                pad_id=self.processor.tokenizer.pad_token_id,
                layout=self.processor.layout,
                watch=watch or (),
            )
            replies = [[[self._reply(answer) for answer in answers] for answers in leaves] for leaves in found]
            return self._beside(asks, replies, found if watch else None, starts, options) if options else replies

    @torch.no_grad()
    def score(
        self,
        asks: Sequence[Ask],
        options: Texts,
        *,
        starts: Tokens = (),
        total: bool = False,
        ends: bool = True,
    ) -> list[list[list[float]]]:
        """Log-probability of every option text of every question, from one read of the images.

        Args:
            asks: What is asked.
            options: ``[ask][question][option]`` texts.
            starts: ``[ask][question]`` tokens that stand before the options and do not count; a question may have none.
            total: Whether the sum over its tokens is taken, instead of their mean.
            ends: Whether the token that ends a turn stands behind an option and counts.

        Returns:
            Numbers in the shape of ``options``.
        """
        if self._alone(asks):
            more: dict[str, Any] = {"starts": _apart(starts), "total": total, "ends": ends}
            return _regrouped(asks, self.score(_single(asks), _apart(options), **more))
        trees = [ask_tree(self.prompter, ask) for ask in asks]
        wanted: list[bool] = []
        for place, (tree, questions) in enumerate(zip(trees, options, strict=True)):
            for number, (leaf, texts) in enumerate(zip(tree.leaves, questions, strict=True)):
                begun = starts[place][number] if starts and texts else ()
                # it counts as an option does, so that a prompt that is read in both directions ends before it
                above = tree.add(begun, parent=leaf) if begun else leaf
                wanted += [False] * bool(begun) + [True] * len(texts)
                for text in texts:
                    tokens = self.prompter.completion(text)
                    tree.add(tokens if ends else tokens[:-1], parent=above)
        if not any(wanted):
            return [[[] for _ in questions] for questions in options]
        # prompts weigh nothing, so what is counted is starts and options, tree by tree and segment by segment
        rows = pack(trees, self.processor.tokenizer.pad_token_id, layout=self.processor.layout).to(self.model.device)
        logps, _ = branch_logps(self.model, rows, self._features(asks))
        parts = zip(_parts(logps, rows.row, rows.branch), wanted, strict=True)
        each = iter([float(part.sum() if total else part.mean()) for part, kept in parts if kept])
        return [[[next(each) for _ in texts] for texts in questions] for questions in options]

    def _trees(self, asks: Sequence[Ask], starts: Tokens) -> list[Tree]:
        """The trees of asks; where answers have begun, with what they began below their prompts."""
        trees = [ask_tree(self.prompter, ask) for ask in asks]
        for tree, begun in zip(trees, starts, strict=bool(starts)):
            for leaf, tokens in zip(tree.leaves, begun, strict=True):
                tree.add(tokens, parent=leaf)
        return trees

    def _features(self, asks: Sequence[Ask]) -> list[Tensor]:
        """The features of all images in the order of rows."""
        images = [image for ask in asks for image in ask.images]
        encode = encode_images if self._held is None else self._held.encode
        return encode(self.model, images, self.processor)

    def _draws(self, asks: Sequence[Ask], n: int, seed: int) -> OwnDraws:
        return OwnDraws([f"{seed}:{one.id}:{draw}" for ask in asks for one in ask.questions for draw in range(n)])

    @property
    def _device(self) -> torch.device:
        device: torch.device = unwrap(self.model).get_input_embeddings().weight.device
        return device

    def _beside(
        self,
        asks: Sequence[Ask],
        replies: Sequence[Sequence[Sequence[Reply]]],
        seen: Sequence[Sequence[Sequence[Completion]]] | None,
        starts: Tokens,
        options: Texts,
    ) -> list[list[list[Reply]]]:
        """Single replies with the log-probabilities of options: as seen while they were written, or by `score`."""
        flat = [one for leaves in replies for (one,) in leaves]
        begun = [tokens for part in starts for tokens in part] or [()] * len(flat)
        places = [answer_start(self.prompter, one.tokens, before) for one, before in zip(flat, begun, strict=True)]
        if seen is None:
            above = [
                [*before, *one.tokens[: place or 0]] for one, before, place in zip(flat, begun, places, strict=True)
            ]
            asked = [texts for part in options for texts in part]
            texts = [found if place is not None else () for found, place in zip(asked, places, strict=True)]
            scored = self.score(asks, _by_ask(asks, texts), starts=_by_ask(asks, above), total=True, ends=False)
            logps = [tuple(found) for part in scored for found in part]
        else:
            steps = [one.watched for leaves in seen for (one,) in leaves]
            logps = [() if place is None else found[place] for found, place in zip(steps, places, strict=True)]
        return _by_ask(asks, [[replace(one, options=found)] for one, found in zip(flat, logps, strict=True)])

    def _alone(self, asks: Sequence[Ask]) -> bool:
        """Whether questions must be asked one at a time: where prompts are read in both directions."""
        layout = self.processor.layout
        return layout is not None and layout.ahead == "prompt" and any(len(ask.questions) > 1 for ask in asks)

    def _reply(self, answer: Completion) -> Reply:
        return Reply(self.prompter.decode(answer.tokens), answer.tokens, answer.logps, answer.finished)


def _single(asks: Sequence[Ask]) -> list[Ask]:
    """One ask a question; the images stay the same objects, so that each is still encoded once."""
    return [Ask(ask.images, (question,), ask.shots) for ask in asks for question in ask.questions]


def _apart(found: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """What belongs to each question, as of asks of one question."""
    return [[each] for questions in found for each in questions]


def _regrouped(asks: Sequence[Ask], found: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """What was found for each question, by ask again."""
    return _by_ask(asks, [each for (each,) in found])


def _by_ask(asks: Sequence[Ask], found: Sequence[Any]) -> list[list[Any]]:
    """One thing for each question, by ask."""
    each = iter(found)
    return [[next(each) for _ in ask.questions] for ask in asks]


def _parts(logps: Tensor, row: Tensor, branch: Tensor) -> tuple[Tensor, ...]:
    """Each run of one (row, branch)."""
    keys = torch.stack([row, branch], dim=1)
    _, counts = torch.unique_consecutive(keys, dim=0, return_counts=True)
    return tuple(logps.split(counts.tolist()))
