"""What an objective is made of: the cost of a token, and what it takes for granted unless a recipe says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

from torch import Tensor

from medvlm.training.policy.tokens import Level

Cost = Callable[..., tuple[Tensor, Tensor]]
"""``cost(ratio (T,), scored, **numbers)`` gives the cost of each token, and whether its gradient was cut."""
Baseline = Literal["group", "leave_one_out", "whitened", "group_whitened"]
Scale = Literal["group", "batch", "none"]
Aggregate = Literal["token", "sequence", "sum", "constant", "micro"]
Place = Literal["loss", "reward"]


@dataclass(frozen=True, slots=True)
class Method:
    """A policy objective.

    Attributes:
        cost: Cost of each token.
        numbers: The cost's own numbers with their defaults.
        level: What the importance ratio is taken over.
        baseline: What a reward is compared with.
        scale: What centred rewards are divided by.
        aggregate: How the costs of tokens become one number.
        kl_place: Whether the KL to the reference is a part of the loss or taken from the reward.
        weighs_itself: Whether the cost uses the correction's weights itself, instead of being multiplied by them.
    """

    cost: Cost
    numbers: Mapping[str, float | None] = field(default_factory=dict)
    level: Level = "token"
    baseline: Baseline = "group"
    scale: Scale = "group"
    aggregate: Aggregate = "token"
    kl_place: Place = "loss"
    weighs_itself: bool = False

    def fill(self, given: Mapping[str, float | None]) -> dict[str, float | None]:
        """The cost's numbers: what is given over the defaults; None takes the default.

        Raises:
            ValueError: If the objective has no such number.
        """
        given = {name: value for name, value in given.items() if value is not None}
        for name in given.keys() - self.numbers.keys():
            near = get_close_matches(name, self.numbers, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"The objective has no number {name!r}; it has {', '.join(sorted(self.numbers))}.{hint}")
        return {**self.numbers, **given}
