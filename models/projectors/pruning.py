"""Compressors that keep tokens as they are: those that differ from the slice before, or simply all of them."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .places import Places, Span, budget_span, check_span, grid_places

Grid = tuple[int, int]


def novelty(slices: torch.Tensor) -> torch.Tensor:
    """How much every token differs from the one at its place in the slice before.

    The first slice has none before it: its tokens are compared with the mean token of the volume.

    Args:
        slices: (S, N, D).

    Returns:
        (S, N): one minus the cosine, 0 for equal directions and 2 for opposite ones.
    """
    mean = slices.mean((0, 1)).expand(1, slices.shape[1], -1)
    return 1 - F.cosine_similarity(slices, torch.cat([mean, slices[:-1]]), dim=-1)


class SlicesPrune(nn.Module):
    """The tokens that say most beyond the slice before; what nearly repeats is dropped (after Hulu-Med).

    Hulu-Med compares pixels and keeps what exceeds a threshold, so that a volume's length depends on its content;
    here tokens are compared and exactly ``tokens`` are kept, so that the length is known before a volume is read.
    Of equally new tokens the earlier ones are kept.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        tokens: Tokens that come out.
        marks: Whether tokens are marked with their place.
    """

    @staticmethod
    def out_tokens(grid: Grid, *, tokens: int = 64, marks: bool = True) -> int:
        """``tokens``, whatever is read.

        Raises:
            ValueError: If they are below 1.
        """
        budget_span(grid, tokens)
        return tokens

    @staticmethod
    def slices_span(grid: Grid, *, tokens: int = 64, marks: bool = True) -> Span:
        """At least the slices that hold the budget."""
        return budget_span(grid, tokens)

    def __init__(self, width: int, grid: Grid, *, tokens: int = 64, marks: bool = True) -> None:
        super().__init__()
        self.grid, self.tokens = grid, tokens
        self.places = Places(width) if marks else None

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Choose (tokens, D) of (S, N, D), in their order."""
        check_span("slices_prune", len(slices), budget_span(self.grid, self.tokens))
        with torch.no_grad():
            news = rearrange(novelty(slices.float()), "s n -> (s n)")
            kept = news.sort(descending=True, stable=True).indices[: self.tokens].sort().values
        chosen = rearrange(slices, "s n d -> (s n) d")[kept]
        if self.places is None:
            return chosen
        marked: torch.Tensor = chosen + self.places(grid_places(len(slices), self.grid, slices.device)[kept])
        return marked


class SlicesKeep(nn.Module):
    """Every token of every slice, to compare with; all volumes must then have the same number of slices.

    Args:
        width: Channels of the decoder.
        grid: Rows and columns of projected tokens of a slice.
        slices: Slices of every volume.
    """

    @staticmethod
    def out_tokens(grid: Grid, *, slices: int = 32) -> int:
        """Tokens of all slices.

        Raises:
            ValueError: If there are no slices.
        """
        if slices < 1:
            raise ValueError(f"compressor.slices={slices} must be at least 1.")
        return slices * grid[0] * grid[1]

    @staticmethod
    def slices_span(grid: Grid, *, slices: int = 32) -> Span:
        """Exactly the slices stated."""
        return slices, slices

    def __init__(self, width: int, grid: Grid, *, slices: int = 32) -> None:
        super().__init__()
        self.slices = slices

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        """Flatten (S, N, D) to (S N, D)."""
        check_span("slices_keep", len(slices), (self.slices, self.slices))
        return rearrange(slices, "s n d -> (s n) d")
