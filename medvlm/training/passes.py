"""Passes over one batch of rollouts: its portions, what is known before the first step, and what a pass has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from medvlm.generation.engine import Ask
from medvlm.ranks import gather_counts, rank
from medvlm.training.credit import Gather
from medvlm.training.grpo_options import GRPOOptions
from medvlm.training.objective import Objective
from medvlm.training.policy import Terms, entropy_threshold, next_coefficient
from medvlm.training.rollouts import Rollout
from medvlm.training.step import Micro


@dataclass(slots=True)
class Seen:
    """Sums over the tokens of an optimiser step, so that what is shown is of all its micro-batches."""

    tokens: int = 0
    entropy: float = 0.0
    clipped: float = 0.0
    ratio: float = 0.0
    highest: float = 0.0
    gap: float = 0.0

    def add(self, terms: Terms, entropy: Tensor, gap: Tensor) -> None:
        """Count a micro-batch.

        Args:
            terms: What its tokens cost.
            entropy: Of the policy at each token ``(T,)``.
            gap: Between trainer and sampler at each token ``(T,)``.
        """
        self.tokens += len(entropy)
        self.entropy += float(entropy.detach().sum())
        self.clipped += float(terms.clipped.sum())
        self.ratio += float(terms.ratio.sum())
        self.highest = max(self.highest, float(terms.ratio.max()))
        self.gap = max(self.gap, float(gap.abs().nan_to_num(nan=0.0).max()))

    def shares(self) -> dict[str, float]:
        """What is reported."""
        return {
            "entropy": self.entropy / self.tokens,
            "clipped_share": self.clipped / self.tokens,
            "ratio": self.ratio / self.tokens,
            "ratio_max": self.highest,
            "sampler_gap": self.gap,
        }


class Bonus:
    """Weight of the entropy bonus, fixed or moving towards a target (Skywork-OR1).

    Args:
        options: ``entropy_bonus`` is where it starts; with ``entropy_target`` it acts only while the entropy of the
            last step is at or below it.
    """

    def __init__(self, options: GRPOOptions) -> None:
        self.coefficient, self.target = options.entropy_bonus, options.entropy_target
        self.used = self.coefficient > 0 or self.target is not None
        self.entropy = math.inf

    @property
    def now(self) -> float:
        """The weight of the next optimiser step."""
        return self.coefficient if self.target is None or self.entropy <= self.target else 0.0

    def counts(self, micros: Sequence[Micro], entropy_from: float | None) -> dict[str, float]:
        """Tokens of an optimiser step on which the bonus acts.

        Args:
            micros: Of this process.
            entropy_from: Entropy from which on a token is learned from; None takes all.
        """
        if not self.used:
            return {}
        if entropy_from is None:
            return {"entropy": float(sum(len(micro.columns["place"]) for micro in micros))}
        return {"entropy": float(sum(int((micro.columns["entropy"] >= entropy_from).sum()) for micro in micros))}

    def adapt(self, seen: Seen, gather: Gather) -> None:
        """Look at the entropy of an optimiser step.

        Args:
            seen: What this process saw of it.
            gather: Rows of all processes.
        """
        if self.target is not None:
            total, tokens = gather(torch.tensor([[seen.entropy, float(seen.tokens)]]))[0].sum(0).tolist()
            self.entropy = total / max(tokens, 1.0)
            self.coefficient = next_coefficient(self.coefficient, self.entropy, self.target)

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"coefficient": self.coefficient, "entropy": self.entropy}

    def restore(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` gave.

        Args:
            state: Of the run that is resumed.
        """
        self.coefficient, self.entropy = state["coefficient"], state["entropy"]


def in_portions(
    batch: Sequence[Ask], rollouts: Sequence[Rollout], options: GRPOOptions
) -> Iterator[tuple[Sequence[Ask], Sequence[Rollout]]]:
    """Neighbouring contexts with their rollouts, ``minibatches`` portions as even as can be; some may be empty.

    Several processes divide the whole batch, and each gives what it has of a portion: the steps are those of one.

    Args:
        batch: Questions with their images, of this process.
        rollouts: Groups contiguous, questions in order.
        options: ``minibatches`` and ``group``.
    """
    ends = [0]
    for ask in batch:
        ends.append(ends[-1] + len(ask.questions) * options.group)
    counts = gather_counts(len(batch))
    before, whole = sum(counts[: rank()]), sum(counts)
    edges = [round(whole * portion / options.minibatches) - before for portion in range(options.minibatches + 1)]
    for first, last in pairwise(min(max(edge, 0), len(batch)) for edge in edges):
        yield batch[first:last], rollouts[ends[first] : ends[last]]


@torch.no_grad()
def look_ahead(module: Objective, micros: Sequence[Micro], quantile: float) -> float | None:
    """Score all tokens before the first optimiser step: later steps of the batch compare with these log-probabilities.

    Args:
        module: Whose policy scores.
        micros: They get the columns ``old`` and ``entropy``.
        quantile: Share of tokens that are learned from.

    Returns:
        Entropy from which on a token belongs to that share, over all processes; None if all are learned from.
    """
    training = module.model.training
    module.model.eval()
    with module.gathered():
        for micro in micros:
            logps, entropy = module.logps_under(module.model, micro)
            micro.columns["old"] = logps[micro.columns["place"]]
            micro.columns["entropy"] = entropy[micro.columns["place"]]
    module.model.train(training)
    if quantile == 1:
        return None
    own = [micro.columns["entropy"].cpu() for micro in micros]
    return entropy_threshold(module.gather(torch.cat([*own, torch.zeros(0)]))[0], quantile)
