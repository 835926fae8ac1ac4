"""Preference learning: of two answers to a question, the better one gains on the worse one.

Chosen and rejected answers are two branches below their question in the prefix tree of its image: the image is encoded
once, the context is computed once, and what both answers begin with stands in the tree once. Several pairs of a
question, and several questions of an image, share all of that too. The losses are those of
``medvlm.training.preference``.

Dropout is off, so that policy and reference differ by their weights alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from medvlm.generation.engine import Ask, ask_tree
from medvlm.preferences.pairs import Pair, pairs_of
from medvlm.ranks import gather_counts, gather_objects
from medvlm.study import SampleError
from medvlm.training.members import places
from medvlm.training.objective import Objective
from medvlm.training.preference import LOSSES, LossName, divergence, implicit_rewards, kto, pair_losses
from medvlm.training.reference import Reference
from medvlm.training.step import Micro
from medvlm.tree import Tree

Texts = Sequence[Sequence[Sequence[str]]]
"""Answers ``[ask][question][answer]``."""


@dataclass(frozen=True, slots=True)
class PreferenceOptions:
    """The numbers of the loss; see ``medvlm.stages.PreferenceStage``."""

    loss: LossName = "dpo"
    beta: float | None = None
    alpha: float | None = None
    gamma: float = 1.375
    smoothing: float = 0.0
    weight_good: float = 1.0
    weight_bad: float = 1.0
    reference: Literal["live", "once"] = "live"


class Preference(Objective):
    """Learn from pairs of answers, which samples carry in ``extra`` (see ``medvlm.preferences.pairs.attach``).

    Loss: ``preference``, a mean over the pairs of the batch (of KTO over its answers), + ``alpha`` x ``ce``, the
    negative log-likelihood of the chosen answers, a mean over their tokens.

    Args:
        *args: See `Objective`.
        options: The numbers of the loss.
        **others: See `Objective`.
    """

    def __init__(self, *args: Any, options: PreferenceOptions | None = None, **others: Any) -> None:
        super().__init__(*args, **others)
        self.options = options or PreferenceOptions()
        usual = LOSSES[self.options.loss]
        self.beta = usual.beta if self.options.beta is None else self.options.beta
        self.weights = {"preference": 1.0, "ce": usual.alpha if self.options.alpha is None else self.options.alpha}
        live = usual.reference and self.options.reference == "live"
        self.reference = Reference(self.model) if live else None
        self._known: dict[tuple[str, str], float] = {}  # the reference's view of (sample, answer), computed once
        self._shift = 0.0  # KTO's z of the batch, times beta
        self._seen: list[Tensor] = []  # of each micro-batch and pair: rewards, log-probabilities and lengths

    def updates(self, batch: Sequence[Ask]) -> Iterator[tuple[list[Micro], Mapping[str, float]]]:
        """One step a batch."""
        asks = paired(batch)
        micros = self.answered(asks, own_answers(asks))
        if self.options.loss == "kto":
            self._shift = self.beta * self.divergence(asks)
            self.report({"kl": self._shift / self.beta})
        self._compare(asks, micros)
        lengths = torch.cat([*(micro.columns["lengths"].cpu() for micro in micros), torch.zeros(0, dtype=torch.long)])
        each = len(lengths) if self.options.loss == "kto" else len(lengths) // 2
        self._seen = []
        yield micros, {"preference": each, "ce": float(lengths[::2].sum())}

    def _compare(self, asks: Sequence[Ask], micros: Sequence[Micro]) -> None:
        """Let the micro-batches know what the reference thinks of their answers, if the loss asks for it."""
        if self.reference is not None:
            with torch.no_grad(), self.gathered():
                for micro in micros:
                    micro.columns["reference"] = self.reference_sums(micro)
        elif LOSSES[self.options.loss].reference:
            known = torch.tensor([self._known[key] for key in _keys(asks)])
            for micro in micros:
                micro.columns["reference"] = known.to(self.device)[micro.columns["order"]]

    @torch.no_grad()
    def remember(self, asks: Sequence[Ask]) -> None:
        """Take the model as it is for the reference of these questions' pairs; call it before the first step.

        Args:
            asks: Questions with pairs, on the images exactly as they will be shown.
        """
        for micro in self.answered(asks, own_answers(asks)):
            sums = self.sums(micro, self.logps_under(self.model, micro)[0]).tolist()
            keys = _keys(asks)
            self._known |= {
                keys[place]: value for place, value in zip(micro.columns["order"].tolist(), sums, strict=True)
            }

    def answered(self, asks: Sequence[Ask], texts: Texts) -> list[Micro]:
        """Micro-batches of trees that carry these answers, and where the tokens of each answer stand.

        Columns: ``place`` of each token ``(T,)``, ``lengths`` of the answers ``(A,)``, and their ``order`` in the batch
        ``(A,)``, counted over all asks.
        """
        trees, paths, order, asked = [], {}, {}, 0
        for ask, of_ask in zip(asks, texts, strict=True):
            tree, found = ask_tree(self.prompter, ask), []
            for leaf, answers in zip(tree.leaves, of_ask, strict=True):
                found += tree.share([self.prompter.completion(text) for text in answers], parent=leaf)
            trees.append(tree)
            paths[id(tree)] = found
            order[id(tree)] = range(asked, asked := asked + len(found))
        micros = self.split(trees, [ask.images for ask in asks])
        for micro in micros:
            of_micro = [paths[id(tree)] for tree in micro.trees]
            columns = {
                "place": places(micro.trees, of_micro),
                "lengths": torch.tensor(_lengths(micro.trees, of_micro)),
                "order": torch.tensor([index for tree in micro.trees for index in order[id(tree)]]),
            }
            micro.columns = {name: value.to(self.device) for name, value in columns.items()}
        return micros

    def sums(self, micro: Micro, logps: Tensor) -> Tensor:
        """Log-probability of each answer of a micro-batch, ``(A,)``, from those of its counted tokens."""
        answers = logps[micro.columns["place"]].split(micro.columns["lengths"].tolist())
        return torch.stack([answer.sum() for answer in answers])

    def reference_sums(self, micro: Micro) -> Tensor:
        """The same under the reference.

        Raises:
            ValueError: If the loss has none.
        """
        if self.reference is None:
            raise ValueError(f"The loss {self.options.loss!r} has no reference.")
        with self.reference.of(self.model, self.device) as model:
            return self.sums(micro, self.logps_under(model, micro)[0])

    @torch.no_grad()
    def divergence(self, asks: Sequence[Ask]) -> float:
        """KTO's estimate of how far the policy is from the reference, on answers to other questions of the batch.

        Raises:
            SampleError: If the batch asks one question only.
        """
        ratios = []
        with self.gathered():
            for micro in self.answered(asks, mismatched(asks)):
                ratios.append(self.sums(micro, self.logps_under(self.model, micro)[0]) - self.reference_sums(micro))
        return float(divergence(self.gather(torch.cat([*ratios, torch.zeros(0, device=self.device)]))[0]))

    def logps_under(self, model: Any, micro: Micro) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of the counted tokens, without dropout."""
        training = model.training
        model.eval()
        found = super().logps_under(model, micro)
        model.train(training)
        return found

    def parts(self, micro: Micro, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """What the pairs cost, and the negative log-likelihood of the chosen answers."""
        options, lengths = self.options, micro.columns["lengths"]
        sums = self.sums(micro, logps)
        rewards = implicit_rewards(options.loss, sums, lengths, micro.columns.get("reference"), beta=self.beta)
        if options.loss == "kto":
            good = torch.arange(len(sums), device=sums.device) % 2 == 0
            weights = {"weight_good": options.weight_good, "weight_bad": options.weight_bad}
            costs = kto(rewards, good, self._shift, **weights)
        else:
            numbers = {"beta": self.beta, "gamma": options.gamma, "smoothing": options.smoothing}
            costs = pair_losses(options.loss, rewards[::2], rewards[1::2], **numbers)
        self._note(rewards, sums, lengths)
        return {"preference": costs.sum(), "ce": -sums[::2].sum()}

    def _note(self, rewards: Tensor, sums: Tensor, lengths: Tensor) -> None:
        """Report what the pairs of the batch so far look like; the last report is of all of them."""
        self._seen.append(torch.stack([rewards, sums, lengths.to(sums.dtype)]).detach().reshape(3, -1, 2).cpu())
        worth, logps, tokens = torch.cat(self._seen, dim=1)
        margin = worth[:, 0] - worth[:, 1]
        self.report(
            {
                "pair_accuracy": float((margin > 0).float().mean()),
                "margin": float(margin.mean()),
                "logp_chosen": float(logps[:, 0].mean()),
                "logp_rejected": float(logps[:, 1].mean()),
                "length_chosen": float(tokens[:, 0].mean()),
                "length_rejected": float(tokens[:, 1].mean()),
            }
        )


def paired(batch: Sequence[Ask]) -> list[Ask]:
    """The questions of a batch that have pairs.

    Raises:
        SampleError: If none has, in no process.
    """
    found = [Ask(ask.images, tuple(filter(pairs_of, ask.questions))) for ask in batch]
    if not sum(gather_counts(sum(len(ask.questions) for ask in found))):
        raise SampleError(
            "No question of this batch has a pair; attach pairs to the samples (preferences.pairs.attach)."
        )
    return [ask for ask in found if ask.questions]


def own_answers(asks: Sequence[Ask]) -> list[list[list[str]]]:
    """The answers of the pairs of every question, chosen and rejected in turn."""
    return [[_both(pairs_of(question)) for question in ask.questions] for ask in asks]


def mismatched(asks: Sequence[Ask]) -> list[list[list[str]]]:
    """For every question, as many answers as its pairs have, which belong to the next other question of all processes.

    Raises:
        SampleError: If there is no other question.
    """
    flat = gather_objects([(one.id, _both(pairs_of(one))) for ask in asks for one in ask.questions])
    if len({name for name, _ in flat}) < 2:
        raise SampleError("KTO compares with answers to other questions: a batch needs at least two (raise `images`).")
    following = {name: texts for (name, _), (_, texts) in zip(flat, [*flat[1:], flat[0]], strict=True)}
    return [[following[question.id] for question in ask.questions] for ask in asks]


def _both(pairs: Sequence[Pair]) -> list[str]:
    """Chosen and rejected answers in turn."""
    return [text for pair in pairs for text in (pair.chosen, pair.rejected)]


def _keys(asks: Sequence[Ask]) -> list[tuple[str, str]]:
    """What names each answer of a batch, in order."""
    return [(question.id, text) for ask in asks for question in ask.questions for text in _both(pairs_of(question))]


def _lengths(trees: Sequence[Tree], paths: Sequence[Sequence[Sequence[int]]]) -> list[int]:
    """Tokens of each answer."""
    return [
        sum(len(tree.segments[index].tokens) for index in path)
        for tree, of_tree in zip(trees, paths, strict=True)
        for path in of_tree
    ]
