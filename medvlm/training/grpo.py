"""Group relative policy optimisation and its family: sample answers, reward them, learn from how each compares.

For each question, ``G`` completions are sampled below a context that is prefilled once; rewards become advantages
(``medvlm.training.credit``), advantages and log-probabilities become costs (``medvlm.training.policy``, which names
the paper of each loss and says what differs).

On the first pass the policy is the one that sampled: its ratio is 1 by construction, ``logp_old`` is the detached
log-probability itself, and no second forward pass is needed. Without ``beta`` there is no reference model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from medvlm.generation.engine import Ask, ask_tree
from medvlm.generation.outside import OutsideSampler
from medvlm.generation.remote import Server
from medvlm.ranks import gather_counts, gather_objects, is_first, world_size
from medvlm.training.credit import compare, flat_groups, tax
from medvlm.training.grpo_options import GRPOOptions
from medvlm.training.members import Members, places
from medvlm.training.objective import Objective
from medvlm.training.passes import Bonus, Seen, in_portions, look_ahead
from medvlm.training.policy import Aggregate, Scored, denominator, policy_terms, token_weights
from medvlm.training.reference import Reference
from medvlm.training.rewards.scoring import RewardSet, reward_columns
from medvlm.training.rolling import draw, fill_flat, why
from medvlm.training.rollouts import Rollout, RolloutLog, health
from medvlm.training.step import Micro

__all__ = ["GRPO", "GRPOOptions"]


class GRPO(Objective):
    """Learn from verified rewards.

    Loss: ``rl`` + ``beta`` x ``ref_kl`` - ``entropy_bonus`` x ``entropy``, each summed over completion tokens and
    divided by the count of the optimiser step.

    Args:
        *args: See `Objective`.
        rewards: Weight of each reward by name, or the rewards themselves.
        options: The numbers of the algorithm.
        log: Where rollouts are written; None keeps none.
        server: Samples the completions; None samples them here.
        **others: See `Objective`.

    Raises:
        ValueError: If the options exclude each other, or the loss has no such number.
    """

    def __init__(
        self,
        *args: Any,
        rewards: Mapping[str, float] | RewardSet,
        options: GRPOOptions | None = None,
        log: RolloutLog | None = None,
        server: Server | None = None,
        **others: Any,
    ) -> None:
        super().__init__(*args, **others)
        self.outside = None if server is None else OutsideSampler(server, self.prompter)
        self.options = (options or GRPOOptions()).resolved()
        self.temperature = self.options.temperature  # of sampling: scores are compared as they were drawn
        self.rewards = rewards if isinstance(rewards, RewardSet) else RewardSet(rewards)
        self.log_rollouts = log
        self.aggregate: Aggregate = self.options.aggregate or self.options.method.aggregate
        self.bonus = Bonus(self.options)
        self._seen = Seen()
        self._entropy_from: float | None = None
        self._owners: list[tuple[Micro, list[Rollout]]] = []  # whose tokens a micro-batch of this batch holds
        copy = self.options.reference == "copy" or self.options.reference_every > 0
        self.reference = Reference(self.model, copy=copy) if self.options.beta > 0 else None
        self.weights = self._weights()

    def _weights(self) -> dict[str, float]:
        """Weight of each part of the loss, as it is now."""
        kl = 0.0 if self.options.taxed else self.options.beta
        return {"rl": 1.0, "ref_kl": kl} | ({"entropy": -self.bonus.now} if self.bonus.used else {})

    def updates(self, batch: Sequence[Ask]) -> Iterator[tuple[list[Micro], Mapping[str, float]]]:
        """Roll out once, then ``mu`` passes over the same completions, each of ``minibatches`` optimiser steps."""
        rollouts = self.roll_out(batch)
        everything = gather_objects(rollouts)
        self.report(health(everything, self.options.group, self.rewards.names) | self.rewards.measured)
        if self.log_rollouts is not None and is_first():
            self.log_rollouts.write(self.batches_done, everything)
        self._owners = []
        portions = [self.learn_from(*one) for one in in_portions(batch, rollouts, self.options)]
        micros = [micro for portion, _ in portions for micro in portion]
        if self.options.looks_ahead:
            self._entropy_from = look_ahead(self, micros, self.options.entropy_quantile)
        if self.options.taxed:
            tax(rollouts, self._owners, self.options, self.rewards.weights(self.batches_done), self.gather)
        for _ in range(self.options.mu):
            for portion, counts in portions:
                if sum(gather_counts(len(portion))):
                    self._seen, self.weights = Seen(), self._weights()
                    yield portion, counts | self.bonus.counts(portion, self._entropy_from)
                    self.bonus.adapt(self._seen, self.gather)
                else:
                    self._nothing_learned(everything)
        self.report({"idle": float(self.left_out["idle"])})
        self._move_reference()

    def _nothing_learned(self, rollouts: Sequence[Rollout]) -> None:
        """Leave an optimiser step out: none of its completions teaches anything."""
        self.leave_out("idle", f"{why(rollouts)} There is no gradient.")
        zeros = dict.fromkeys(("loss", "grad_norm", *(f"loss/{name}" for name in self.weights)), 0.0)
        self.report(zeros | {"skipped": float(self.left_out["skipped"])})

    def _move_reference(self) -> None:
        """Let the reference follow, every so many batches."""
        every = self.options.reference_every
        if self.reference is not None and every and (self.batches_done + 1) % every == 0:
            with self.gathered():
                self.reference.follow(self.model, self.options.reference_mix)

    def roll_out(self, batch: Sequence[Ask]) -> list[Rollout]:
        """Sample, decode, reward and compare: ``group`` rollouts a question, questions in order."""
        rollouts = draw(self, batch, self.options)
        self._score(rollouts)
        if self.options.resample:
            self.report(fill_flat(self, batch, rollouts, self.options, self._score))
        self._compare(rollouts)
        return rollouts

    def _reward(self, rollouts: Sequence[Rollout]) -> None:
        """Fill in reward parts, reward and advantage of every rollout."""
        self._score(rollouts)
        self._compare(rollouts)

    def _score(self, rollouts: Sequence[Rollout]) -> None:
        """Fill in reward parts and reward."""
        texts = [rollout.text for rollout in rollouts]
        parts, totals = self.rewards.score(texts, reward_columns(rollouts), self.batches_done)
        for rollout, row, total in zip(rollouts, parts, totals, strict=True):
            rollout.parts = dict(zip(self.rewards.names, row.tolist(), strict=True))
            rollout.reward = float(total)

    def _compare(self, rollouts: Sequence[Rollout]) -> None:
        """Fill in the advantage."""
        compare(rollouts, self.options, self.rewards.weights(self.batches_done), self.gather)

    def learn_from(self, batch: Sequence[Ask], rollouts: Sequence[Rollout]) -> tuple[list[Micro], dict[str, float]]:
        """Trees of contexts, questions and completions, with what each completion token needs.

        Groups whose rewards are all equal carry no gradient; without a reference or an entropy bonus they are not
        computed, but do count (unless ``flat`` drops them). Completions of a group that begin alike, or are equal,
        share their tokens in the tree.
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
        lengths = gather_objects([rollout.length * self.counts(rollout) for rollout in self._counted(rollouts)])
        split = sum(gather_counts(len(micros)))
        count = denominator(lengths, self.aggregate, options.max_new_tokens, micros=split) / world_size()
        return micros, {"rl": count, "ref_kl": count}

    def _counted(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """Rollouts of groups that count."""
        if self.options.flat == "count":
            return list(rollouts)
        dropped = set(flat_groups(rollouts, self.options.group))
        return [one for place, one in enumerate(rollouts) if place // self.options.group not in dropped]

    def counts(self, rollout: Rollout) -> bool:
        """Whether a completion is part of the loss."""
        return rollout.completion.finished or not self.options.mask_truncated

    def learns(self, rollout: Rollout) -> bool:
        """Whether a completion has a gradient."""
        return self.counts(rollout) and (rollout.advantage != 0 or self.options.teaches_all)

    def _fill(self, micro: Micro, members: Sequence[Members]) -> None:
        """Place, advantage, weight, sampled and reference log-probability of every completion token."""
        rollouts = [rollout for one in members for rollout in one.rollouts]
        self._owners.append((micro, rollouts))
        lengths = [rollout.length for rollout in rollouts]
        repeats = torch.tensor(lengths)
        columns = {
            "place": places(micro.trees, [one.paths for one in members]),
            "lengths": repeats,
            "advantage": torch.tensor([rollout.advantage for rollout in rollouts]).repeat_interleave(repeats),
            "weight": token_weights(lengths, self.aggregate),
            "sampled": torch.tensor([logp for rollout in rollouts for logp in rollout.completion.logps]),
        }
        micro.columns = {name: value.to(self.device) for name, value in columns.items()}
        if self.reference is not None:
            with torch.no_grad(), self.reference.of(self.model, self.device) as model:
                micro.columns["reference"] = self.logps_under(model, micro)[0][micro.columns["place"]]

    def parts(self, micro: Micro, logps: Tensor, entropy: Tensor) -> dict[str, Tensor]:
        """Cost of the policy, KL to the reference and entropy, each weighted and summed over its tokens."""
        columns = micro.columns
        logps, entropy = logps[columns["place"]], entropy[columns["place"]]
        old = columns.setdefault("old", logps.detach())  # the first pass is on-policy; later passes compare with it
        terms = policy_terms(
            self.options.method,
            Scored(logps, old, columns["advantage"], columns["lengths"]),
            self.options.terms(self._entropy_from),
            reference=columns.get("reference"),
            sampled=columns["sampled"],
            entropies=entropy,
        )
        self._seen.add(terms, entropy, old - columns["sampled"])
        self.report(self._seen.shares())
        parts = {"rl": (terms.policy * columns["weight"]).sum()}
        if terms.kl is not None:
            parts["ref_kl"] = (terms.kl * columns["weight"]).sum()
        if self.bonus.used and terms.bonus is not None:
            parts["entropy"] = terms.bonus.sum()
        return parts

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the weights alone do not tell: a reference that has moved, and the entropy bonus."""
        super().on_save_checkpoint(checkpoint)
        if self.bonus.used:
            checkpoint["bonus"] = self.bonus.state()
        if self.reference is not None and self.options.reference_every:
            checkpoint["reference"] = self.reference.state(self.model)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the run stood.

        Raises:
            ValueError: If the checkpoint is of a model with other weights.
        """
        super().on_load_checkpoint(checkpoint)
        if self.bonus.used:
            self.bonus.restore(checkpoint["bonus"])
        if self.reference is not None and self.options.reference_every:
            self.reference.restore(checkpoint["reference"])
