"""Where a token lies in its volume, as a learned mark; and how many slices a compressor can take."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import nn

from medvlm.study import ImageError

Grid = tuple[int, int]
Span = tuple[int, int | None]


class Places(nn.Module):
    """Marks made of sines and cosines of relative height, row and column.

    A compressor that keeps different tokens of every volume needs them: the order of its tokens says little.

    Args:
        width: Channels of a token.
    """

    frequencies = 8

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(6 * self.frequencies, width)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """Marks (T, width) of places (T, 3) between 0 and 1."""
        angles = places[..., None] * math.pi * torch.arange(1, self.frequencies + 1, device=places.device)
        waves = rearrange([angles.sin(), angles.cos()], "two t axes f -> t (two axes f)")
        marks: torch.Tensor = self.linear(waves.to(self.linear.weight.dtype))
        return marks


def grid_places(slices: int, grid: Grid, device: torch.device | None = None) -> torch.Tensor:
    """Height, row and column of every token of a volume, between 0 and 1, in the order of (slices, rows, columns).

    Examples:
        >>> grid_places(2, (1, 2)).tolist()
        [[0.25, 0.5, 0.25], [0.25, 0.5, 0.75], [0.75, 0.5, 0.25], [0.75, 0.5, 0.75]]
    """
    sides = [(torch.arange(side, device=device) + 0.5) / side for side in (slices, *grid)]
    return torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1).flatten(0, 2)


def budget_span(grid: Grid, tokens: int) -> Span:
    """Slices that hold at least ``tokens`` tokens; there is no upper end.

    Raises:
        ValueError: If ``tokens`` is below 1.

    Examples:
        >>> budget_span((4, 4), 64), budget_span((4, 4), 65)
        ((4, None), (5, None))
    """
    if tokens < 1:
        raise ValueError(f"compressor.tokens={tokens} must be at least 1.")
    return math.ceil(tokens / (grid[0] * grid[1])), None


def check_span(kind: str, slices: int, span: Span) -> None:
    """Refuse a volume that a compressor cannot bring to its budget.

    Raises:
        ImageError: If it has fewer or more slices than ``span``.
    """
    fewest, most = span
    if slices < fewest or (most is not None and slices > most):
        wanted = f"{fewest} or more" if most is None else f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise ImageError(
            f"A volume of {slices} slice(s) cannot be given to compressor.kind={kind!r}, which takes {wanted}. Let the "
            "intensity recipe choose that many slices (slices=...), or change the compressor's numbers."
        )
