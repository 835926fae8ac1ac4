"""Projectors (encoder tokens to decoder tokens) and volume compressors (slices to a fixed budget), by kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from .abstractor import AbstractorProjector
from .focus import SlicesFocus
from .merging import SlicesMerge
from .perceiver import Perceiver, PerceiverProjector
from .places import check_span
from .pooling import AveragePoolProjector, SpatialPoolProjector
from .prior import SlicesPrior
from .pruning import SlicesKeep, SlicesPrune
from .qformer import QFormerProjector
from .slices import SlicesPerceiver, SlicesPool
from .tokenwise import LinearProjector, MLPProjector, PixelShuffleProjector

Grid = tuple[int, int]
AnyGrid = TypeVar("AnyGrid", bound=tuple[int, ...])

PROJECTORS: dict[str, Any] = {
    "linear": LinearProjector,
    "mlp": MLPProjector,
    "pixel_shuffle": PixelShuffleProjector,
    "average_pool": AveragePoolProjector,
    "spatial_pool": SpatialPoolProjector,
    "c_abstractor": AbstractorProjector,
    "perceiver": PerceiverProjector,
    "qformer": QFormerProjector,
}
COMPRESSORS: dict[str, Any] = {
    "slices_pool": SlicesPool,
    "slices_perceiver": SlicesPerceiver,
    "slices_merge": SlicesMerge,
    "slices_prune": SlicesPrune,
    "slices_focus": SlicesFocus,
    "slices_keep": SlicesKeep,
    "prior": SlicesPrior,
}

__all__ = [
    "COMPRESSORS",
    "PROJECTORS",
    "Perceiver",
    "build_compressor",
    "build_projector",
    "check_slices",
    "compressed_tokens",
    "projected_grid",
    "slices_span",
]


def build_projector(kind: str, *, width_in: int, width_out: int, grid: tuple[int, ...], **options: Any) -> nn.Module:
    """The projector of this kind, from (B, N, width_in) to (B, M, width_out)."""
    projected_grid(kind, grid, **options)
    module: nn.Module = _pick(PROJECTORS, "projector", kind)(width_in, width_out, grid, **options)
    return module


def projected_grid(kind: str, grid: AnyGrid, **options: Any) -> AnyGrid:
    """Tokens a side that come out of this projector for ``grid``: (rows, columns), of ``spatial_pool`` also in depth.

    Examples:
        >>> projected_grid("mlp", (8, 8), merge=2), projected_grid("perceiver", (8, 8), latents=5)
        ((4, 4), (1, 5))
    """
    out: AnyGrid = _pick(PROJECTORS, "projector", kind).out_grid(grid, **options)
    return out


def build_compressor(kind: str, *, width: int, grid: Grid, **options: Any) -> nn.Module:
    """The compressor of this kind, from (S, N, width) to (tokens, width)."""
    compressed_tokens(kind, grid=grid, **options)
    module: nn.Module = COMPRESSORS[kind](width, grid, **options)
    return module


def compressed_tokens(kind: str, *, grid: Grid, **options: Any) -> int:
    """Tokens of one volume of slices with this grid; it depends on the options alone, not on the volume.

    Raises:
        ValueError: If the kind is unknown, or its numbers do not fit.

    Examples:
        >>> compressed_tokens("slices_merge", grid=(8, 8), tokens=48), compressed_tokens("slices_keep", grid=(8, 8))
        (48, 2048)
    """
    tokens: int = _pick(COMPRESSORS, "compressor", kind).out_tokens(grid, **options)
    return tokens


def check_slices(kind: str, given: int, /, *, grid: Grid, **options: Any) -> None:
    """Refuse a number of slices from which this compressor cannot make its tokens, before a volume is read.

    Raises:
        ImageError: If there are too few or too many; the message names the numbers.
    """
    check_span(kind, given, slices_span(kind, grid=grid, **options))


def slices_span(kind: str, *, grid: Grid, **options: Any) -> tuple[int, int | None]:
    """Fewest and most slices of a volume that this compressor takes; None for no upper end.

    Examples:
        >>> slices_span("slices_merge", grid=(4, 4), tokens=64), slices_span("slices_pool", grid=(4, 4), tokens=64)
        ((4, None), (1, None))
    """
    span: tuple[int, int | None] = _pick(COMPRESSORS, "compressor", kind).slices_span(grid, **options)
    return span


def _pick(table: Mapping[str, Any], what: str, kind: str) -> Any:
    if kind not in table:
        near = difflib.get_close_matches(kind, table, n=1) or sorted(table)
        raise ValueError(f"{what}.kind={kind!r} is unknown, did you mean {' or '.join(map(repr, near))}?")
    return table[kind]
