"""Token merging: like tokens of a volume become their mean until a budget is met (ToMe, Bolya et al. 2023)."""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .places import Places, Span, budget_span, check_span, grid_places

Grid = tuple[int, int]


@torch.no_grad()
def merge_owners(tokens: torch.Tensor, budget: int, *, window: int = 512) -> torch.Tensor:
    """Which of ``budget`` merged tokens each token belongs to, numbered in the order of the tokens.

    Every round pairs tokens at even positions with their likest (by cosine) at odd ones, merges the likest pairs, half
    as many as are still to go, and goes on with the means. So where equal tokens lie side by side and no more than
    ``budget`` are distinct, only equal ones are merged. Partners are sought among ``window`` neighbours in order, so
    that memory and time grow with the number of tokens and not with its square.

    Args:
        tokens: (T, D).
        budget: Groups wanted, T at most.
        window: Tokens among which partners are sought.
    """
    owner = torch.arange(len(tokens), device=tokens.device)
    means, sizes = tokens.detach().float(), torch.ones(len(tokens), device=tokens.device)
    while len(means) > budget:
        target = _pairs(means, (len(means) - budget + 1) // 2, window)
        kept, group = torch.unique(target, return_inverse=True)
        sums = torch.zeros(len(kept), means.shape[1], device=means.device)
        sums.index_add_(0, group, means * sizes[:, None])
        sizes = torch.zeros(len(kept), device=means.device).index_add_(0, group, sizes)
        means, owner = sums / sizes[:, None], group[owner]
    return owner


def group_means(values: torch.Tensor, owner: torch.Tensor, groups: int) -> torch.Tensor:
    """Mean of each group of rows: (T, D) to (groups, D).

    Examples:
        >>> group_means(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
        [[2.0], [5.0]]
    """
    exact = values.to(torch.promote_types(values.dtype, torch.float32))
    sums = exact.new_zeros(groups, values.shape[1]).index_add(0, owner, exact)
    return (sums / torch.bincount(owner, minlength=groups)[:, None]).to(values.dtype)


def _pairs(means: torch.Tensor, drop: int, window: int) -> torch.Tensor:
    """For every token the one it goes into: itself, or for the ``drop`` likest even ones an odd one."""
    unit = F.normalize(means, dim=1)
    best = torch.full((len(unit),), -torch.inf, device=unit.device)
    target = torch.arange(len(unit), device=unit.device)
    partner = target.clone()
    with torch.autocast(unit.device.type, enabled=False):  # likeness in half precision would be full of ties
        for start in range(0, len(unit), window):
            even, odd = target[start : start + window : 2], target[max(1, start - 1) : start + window : 2]
            best[even], place = (unit[even] @ unit[odd].T).max(dim=1)
            partner[even] = odd[place]
    chosen = best.sort(descending=True, stable=True).indices[:drop]
    target[chosen] = partner[chosen]
    return target


class SlicesMerge(nn.Module):
    """The tokens of all slices, merged to a budget; what repeats from slice to slice costs one token.

    Tokens of one place in neighbouring slices are tried first. The tokens that come out are means of what they stand
    for, with the mean of its places as a mark; gradients reach every token.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        tokens: Tokens that come out.
        window: Tokens among which like ones are sought; an even number.
        marks: Whether tokens are marked with their place.
    """

    @staticmethod
    def out_tokens(grid: Grid, *, tokens: int = 64, window: int = 512, marks: bool = True) -> int:
        """``tokens``, whatever is read.

        Raises:
            ValueError: If ``tokens`` is below 1 or ``window`` no positive even number.
        """
        budget_span(grid, tokens)
        if window < 2 or window % 2:
            raise ValueError(f"compressor.window={window} must be an even number of tokens.")
        return tokens

    @staticmethod
    def slices_span(grid: Grid, *, tokens: int = 64, window: int = 512, marks: bool = True) -> Span:
        """At least the slices that hold the budget."""
        return budget_span(grid, tokens)

    def __init__(self, width: int, grid: Grid, *, tokens: int = 64, window: int = 512, marks: bool = True) -> None:
        super().__init__()
        self.grid, self.tokens, self.window = grid, tokens, window
        self.places = Places(width) if marks else None

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Merge (S, N, D) to (tokens, D), in the order of their mean height."""
        count = len(slices)
        check_span("slices_merge", count, budget_span(self.grid, self.tokens))
        values = rearrange(slices, "s n d -> (n s) d")
        owner = merge_owners(values, self.tokens, window=self.window)
        places = rearrange(grid_places(count, self.grid, slices.device), "(s n) three -> (n s) three", s=count)
        merged, where = (group_means(one, owner, self.tokens) for one in (values, places))
        order = _reading_order(owner, self.tokens, count)
        marked = merged if self.places is None else merged + self.places(where)
        return marked[order]


def _reading_order(owner: torch.Tensor, groups: int, slices: int) -> torch.Tensor:
    """Groups by mean slice; those of one height stay in the order of their places."""
    height = repeat(torch.arange(slices, device=owner.device), "s -> (n s) 1", n=len(owner) // slices).double()
    return group_means(height, owner, groups)[:, 0].sort(stable=True).indices
