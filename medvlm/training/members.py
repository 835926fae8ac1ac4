"""The completions below one context as branches of its tree: what some of them begin with is computed once.

Short answers repeat: of eight samples of a closed question, three or four differ, and those begin alike. The loss of
each completion is what it would be alone, for the tokens that completions share are looked up once for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from medvlm.training.rollouts import Rollout
from medvlm.tree import Tree


@dataclass(slots=True)
class Members:
    """The rollouts below one context, and the segments of its tree through which each runs."""

    rollouts: list[Rollout] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)

    def add(self, tree: Tree, leaf: int, rollouts: Sequence[Rollout]) -> None:
        """Hang completions below a question."""
        self.rollouts += rollouts
        self.paths += tree.share([rollout.completion.tokens for rollout in rollouts], parent=leaf)


def places(trees: Sequence[Tree], paths: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Where the tokens of each completion stand among the counted tokens of a micro-batch, ``(T,)``.

    Args:
        trees: The rows.
        paths: Segments of each completion, for each row.
    """
    found: list[int] = []
    first = 0
    for tree, of_tree in zip(trees, paths, strict=True):
        starts = [first + start for start in tree.starts]
        found += [place for path in of_tree for index in path for place in range(starts[index], starts[index + 1])]
        first = starts[-1]
    return torch.tensor(found, dtype=torch.long)
