"""Group relative policy optimisation: sample answers, reward them, learn from how each compares with its group.

Paper: Shao et al., DeepSeekMath (arXiv 2402.03300). For each question, ``G`` completions are sampled below a context
that is prefilled once. With rewards ``r`` the advantage is ``A_i = (r_i - mean_g) / (std_g + eps)``, a token costs
``-min(rho A, clip(rho, 1 - low, 1 + high) A)``, ``rho = exp(logp - logp_old)``.

What differs from the paper: the mean is over the tokens of the batch (DAPO) unless the recipe says otherwise, there is
no reference model unless ``beta > 0``, and on the first pass ``rho`` is 1 by construction, so that ``logp_old`` is the
detached log-probability itself and no second pass is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from medvlm.generation.engine import Ask, ask_tree, encode_images
from medvlm.generation.sampling import sample
from medvlm.models.merge import can_switch_off
from medvlm.ranks import gather_objects, is_first, world_size
from medvlm.training.losses import (
    Aggregate,
    Scale,
    denominator,
    group_advantages,
    policy_loss,
    reference_kl,
    token_weights,
)
from medvlm.training.members import Members, places
from medvlm.training.objective import Micro, Objective
from medvlm.training.rewards.scoring import RewardSet, reward_columns
from medvlm.training.rollouts import Rollout, RolloutLog, health


@dataclass(frozen=True, slots=True)
class GRPOOptions:
    """The numbers of the algorithm; see ``medvlm.stages.GRPOStage``."""

    group: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 64
    scale: Scale = "group"
    aggregate: Aggregate = "token"
    clip_low: float = 0.2
    clip_high: float = 0.28
    beta: float = 0.0
    mu: int = 1
    mask_truncated: bool = False


class GRPO(Objective):
    """Learn from verified rewards.

    Loss: ``rl`` + ``beta`` x ``ref_kl``, each summed over completion tokens and divided by the batch's count.

    Args:
        *args: See `Objective`.
        rewards: Weight of each reward by name, or the rewards themselves.
        options: The numbers of the algorithm.
        log: Where rollouts are written; None keeps none.
        **others: See `Objective`.
    """

    def __init__(
        self,
        *args: Any,
        rewards: Mapping[str, float] | RewardSet,
        options: GRPOOptions | None = None,
        log: RolloutLog | None = None,
        **others: Any,
    ) -> None:
        super().__init__(*args, **others)
        self.options = options or GRPOOptions()
        self.temperature = self.options.temperature  # of sampling: scores are compared as they were drawn
        self.rewards = rewards if isinstance(rewards, RewardSet) else RewardSet(rewards)
        self.log_rollouts = log
        self.weights = {"rl": 1.0, "ref_kl": self.options.beta}
        self._seen: list[tuple[int, float, float, float]] = []  # tokens, entropy, clipped, gap of each micro-batch
        # the reference is the stage's start: taken before a checkpoint is loaded (an adapter is only switched off), and
        # kept in a list, so that it is no submodule and enters no checkpoint
        frozen = self.options.beta > 0 and not can_switch_off(self.model)
        self._frozen: list[Any] = [deepcopy(self.model).requires_grad_(False).eval()] if frozen else []

    def updates(self, batch: Sequence[Ask]) -> Iterator[tuple[list[Micro], Mapping[str, float]]]:
        """Roll out once, then ``mu`` steps on the same completions."""
        rollouts = self.roll_out(batch)
        everything = gather_objects(rollouts)
        self.report(health(everything, self.options.group, self.rewards.names) | self.rewards.measured)
        if self.log_rollouts is not None and is_first():
            self.log_rollouts.write(self.batches_done, everything)
        micros, counts = self.learn_from(batch, rollouts)
        for _ in range(self.options.mu):
            self._seen = []
            yield micros, counts

    @torch.no_grad()
    def roll_out(self, batch: Sequence[Ask]) -> list[Rollout]:
        """Sample, decode, reward and compare: ``group`` rollouts a question, questions in order."""
        options, training = self.options, self.model.training
        self.model.eval()
        with self.gathered():
            found = sample(
                self.model,
                [ask_tree(self.prompter, ask) for ask in batch],
                encode_images(self.model, [image for ask in batch for image in ask.images], self.processor),
                n=options.group,
                max_new_tokens=options.max_new_tokens,
                temperature=options.temperature,
                stop=self.prompter.stop,
                banned=self.prompter.banned,
                generator=self.draws(),
                pad_id=self.processor.tokenizer.pad_token_id,
                layout=self.processor.layout,
            )
        self.model.train(training)
        rollouts = [
            Rollout(question, completion, self.prompter.decode(completion.tokens))
            for ask, leaves in zip(batch, found, strict=True)
            for question, completions in zip(ask.questions, leaves, strict=True)
            for completion in completions
        ]
        self._reward(rollouts)
        return rollouts

    def _reward(self, rollouts: Sequence[Rollout]) -> None:
        """Fill in reward parts, reward and advantage of every rollout."""
        texts = [rollout.text for rollout in rollouts]
        parts, totals = self.rewards.score(texts, reward_columns(rollouts), self.batches_done)
        everything, own = self.gather(totals)
        advantages = group_advantages(everything, self.options.group, scale=self.options.scale)[own]
        for rollout, row, total, advantage in zip(rollouts, parts, totals, advantages, strict=True):
            rollout.parts = dict(zip(self.rewards.names, row.tolist(), strict=True))
            rollout.reward, rollout.advantage = float(total), float(advantage)

    def learn_from(self, batch: Sequence[Ask], rollouts: Sequence[Rollout]) -> tuple[list[Micro], dict[str, float]]:
        """Trees of contexts, questions and completions, with what each completion token needs.

        Groups whose rewards are all equal carry no gradient; without a reference they are not computed, but do count.
        Completions of a group that begin alike, or are equal, share their tokens in the tree.
        """
        options, left = self.options, iter(rollouts)
        trees, images, kept = [], [], []
        for ask in batch:
            tree, members = ask_tree(self.prompter, ask), Members()
            for leaf in tree.leaves:
                group = [rollout for rollout in islice(left, options.group) if self.learns(rollout)]
                members.add(tree, leaf, group)
            if members.rollouts:
                trees.append(tree)
                images.append(ask.images)
                kept.append(members)
        order = {id(tree): members for tree, members in zip(trees, kept, strict=True)}
        micros = self.split(trees, images)
        with self.gathered() if options.beta else nullcontext():
            for micro in micros:
                self._fill(micro, [order[id(tree)] for tree in micro.trees])
        lengths = gather_objects([len(rollout.completion.tokens) * self.counts(rollout) for rollout in rollouts])
        count = denominator(lengths, options.aggregate, options.max_new_tokens) / world_size()
        return micros, {"rl": count, "ref_kl": count}

    def counts(self, rollout: Rollout) -> bool:
        """Whether a completion is part of the loss."""
        return rollout.completion.finished or not self.options.mask_truncated

    def learns(self, rollout: Rollout) -> bool:
        """Whether a completion has a gradient."""
        return self.counts(rollout) and (rollout.advantage != 0 or self.options.beta > 0)

    def _fill(self, micro: Micro, members: Sequence[Members]) -> None:
        """Place, advantage, weight, sampled and reference log-probability of every completion token."""
        rollouts = [rollout for one in members for rollout in one.rollouts]
        lengths = [len(rollout.completion.tokens) for rollout in rollouts]
        repeats = torch.tensor(lengths)
        advantages = torch.tensor([rollout.advantage for rollout in rollouts]).repeat_interleave(repeats)
        sampled = torch.tensor([logp for rollout in rollouts for logp in rollout.completion.logps])
        columns = {
            "place": places(micro.trees, [one.paths for one in members]),
            "advantage": advantages,
            "weight": token_weights(lengths, self.options.aggregate),
            "sampled": sampled,
        }
        micro.columns = {name: value.to(self.device) for name, value in columns.items()}
        if self.options.beta:
            micro.columns["reference"] = self._reference(micro)

    @torch.no_grad()
    def _reference(self, micro: Micro) -> Tensor:
        """Log-probabilities under the reference: the adapter switched off, or the frozen copy."""
        with self._reference_model() as model:
            return self.logps_under(model, micro)[0][micro.columns["place"]]

    @contextmanager
    def _reference_model(self) -> Iterator[Any]:
        if self._frozen:
            yield self._frozen[0].to(self.device)
            return
        training = self.model.training
        self.model.disable_adapters()
        yield self.model.eval()
        self.model.enable_adapters()
        self.model.train(training)

    def parts(self, micro: Micro, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """Clipped surrogate and, with a reference, its KL."""
        options, columns = self.options, micro.columns
        logps, entropy = logps[columns["place"]], entropy[columns["place"]]
        old = columns.setdefault("old", logps.detach())  # the first pass is on-policy; later passes compare with it
        loss, clipped = policy_loss(
            logps, old, columns["advantage"], clip_low=options.clip_low, clip_high=options.clip_high
        )
        gap = float((old - columns["sampled"]).abs().max())
        self._seen.append((len(old), float(entropy.sum()), float(clipped.sum()), gap))
        tokens, entropies, clips, gaps = zip(*self._seen, strict=True)  # of the pass so far: the last report is of all
        shares = {"entropy": sum(entropies) / sum(tokens), "clipped_share": sum(clips) / sum(tokens)}
        self.report(shares | {"sampler_gap": max(gaps)})
        parts = {"rl": (loss * columns["weight"]).sum()}
        if options.beta:
            parts["ref_kl"] = (reference_kl(logps, old, columns["reference"]) * columns["weight"]).sum()
        return parts
