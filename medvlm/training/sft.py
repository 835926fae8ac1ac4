"""Supervised fine-tuning: all questions of an image in one tree, cross-entropy on answer tokens only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.generation.prompts import reference_text
from medvlm.ranks import gather_counts
from medvlm.training.objective import Objective
from medvlm.training.step import Micro
from medvlm.tree import Tree


class SFT(Objective):
    """Imitate reference answers.

    Loss: ``ce``, the mean over the answer tokens of the batch.

    Args:
        *args: See `Objective`.
        weak: Whether to imitate the answers mined from reports; the reports themselves are imitated as they are.
        **options: See `Objective`.
    """

    weights: Mapping[str, float] = {"ce": 1.0}

    def __init__(self, *args: Any, weak: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.weak = weak

    def updates(self, batch: Sequence[Ask]) -> Iterator[tuple[list[Micro], Mapping[str, float]]]:
        """One step a batch."""
        trees = [self.tree(ask) for ask in batch]
        answer_tokens = sum(sum(map(bool, s.weights)) for tree in trees for s in tree.segments)
        self.report({"answer_tokens": sum(gather_counts(answer_tokens))})
        yield self.split(trees, [ask.images for ask in batch]), {"ce": answer_tokens}

    def tree(self, ask: Ask) -> Tree:
        """What the questions share, then a question and its answer a branch."""
        sequences, weights = [], []
        for question in ask.questions:
            prompt = self.prompter.prompt(question)
            weak = self.weak and question.kind != "report"
            text = reference_text(question, reasoning=self.prompter.reasoning, weak=weak)
            answer = self.prompter.completion(text)
            sequences.append(prompt + answer)
            weights.append([0.0] * len(prompt) + [1.0] * len(answer))
        return Tree.from_sequences(sequences, weights)

    def parts(self, micro: Micro, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """Negative log-likelihood of the answers."""
        return {"ce": -logps.sum()}
