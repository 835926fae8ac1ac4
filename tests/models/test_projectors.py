from __future__ import annotations

from typing import Any

import pytest
import torch

from medvlm.models.projectors import build_compressor, build_projector, compressed_tokens, projected_grid
from medvlm.models.projectors.tokenwise import merge_neighbours

PROJECTORS = [
    ("linear", {}),
    ("linear", {"merge": 2}),
    ("mlp", {"merge": 4, "hidden": 7}),
    ("perceiver", {"latents": 5, "heads": 2}),
    ("pixel_shuffle", {"merge": 2}),
    ("average_pool", {"pool": 4}),
    ("spatial_pool", {"pool": 2, "hidden": 5}),
    ("spatial_pool", {"pool": [4, 2]}),
    ("c_abstractor", {"tokens": 9, "depth": 1, "hidden": 12}),
    ("qformer", {"latents": 3, "depth": 3, "heads": 2, "width": 8}),
]
COMPRESSORS = [
    ("slices_pool", {"tokens": 12, "depth": 3}),
    ("slices_pool", {"tokens": 8, "depth": 8}),
    ("slices_perceiver", {"tokens": 6, "heads": 2}),
]


@pytest.mark.parametrize(("kind", "options"), PROJECTORS)
def test_projector_gives_what_it_announces(kind: Any, options: Any) -> None:
    rows, columns = projected_grid(kind, (8, 4), **options)
    project = build_projector(kind, width_in=6, width_out=16, grid=(8, 4), **options)
    assert project(torch.randn(2, 32, 6)).shape == (2, rows * columns, 16)


@pytest.mark.parametrize(("kind", "options"), PROJECTORS)
def test_projector_works_in_half_precision(kind: Any, options: Any) -> None:
    torch.manual_seed(0)
    project = build_projector(kind, width_in=6, width_out=16, grid=(8, 4), **options)
    tokens = torch.randn(2, 32, 6)
    exact, half = project(tokens), project.bfloat16()(tokens.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("kind", "options"), COMPRESSORS)
@pytest.mark.parametrize("slices", [1, 2, 17])
@pytest.mark.parametrize("grid", [(4, 4), (1, 5)])
def test_compressor_keeps_its_budget(kind: Any, options: Any, slices: Any, grid: Any) -> None:
    compress = build_compressor(kind, width=16, grid=grid, **options)
    tokens = compress(torch.randn(slices, grid[0] * grid[1], 16))
    assert tokens.shape == (compressed_tokens(kind, grid=grid, **options), 16)


def test_merged_tokens_are_the_neighbours() -> None:
    numbers = torch.arange(16.0)[None, :, None]
    assert merge_neighbours(numbers, (4, 4), 2)[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


def test_pool_averages_by_hand() -> None:
    compress = build_compressor("slices_pool", width=1, grid=(2, 2), tokens=2, depth=2)
    values = torch.arange(16.0).reshape(4, 4, 1)
    assert compress(values).flatten().tolist() == [3.5, 11.5]


def test_pool_keeps_the_mean_of_even_slabs() -> None:
    compress = build_compressor("slices_pool", width=3, grid=(4, 4), tokens=16, depth=4)
    values = torch.randn(8, 16, 3)
    torch.testing.assert_close(compress(values).mean(0), values.flatten(0, 1).mean(0))


def test_perceivers_know_the_order_of_slices() -> None:
    torch.manual_seed(0)
    compress = build_compressor("slices_perceiver", width=16, grid=(2, 2), tokens=4, heads=2)
    values = torch.randn(6, 4, 16)
    assert (compress(values) - compress(values.flip(0))).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: projected_grid("mpl", (4, 4)), "did you mean 'mlp'"),
        (lambda: projected_grid("mlp", (6, 6), merge=4), "merge=4 does not tile a grid of 6 x 6"),
        (lambda: projected_grid("linear", (6, 6), merge=0), "merge=0"),
        (lambda: build_projector("perceiver", width_in=4, width_out=10, grid=(2, 2)), "heads=8 does not divide"),
        (lambda: build_compressor("slices_pool", width=4, grid=(2, 2), tokens=10, depth=4), "multiple of"),
        (lambda: compressed_tokens("slice_pool", grid=(2, 2)), "did you mean 'slices_pool'"),
    ],
)
def test_wrong_numbers_are_named(call: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_options_are_named() -> None:
    with pytest.raises(TypeError, match="merg"):
        build_projector("mlp", width_in=4, width_out=4, grid=(2, 2), merg=2)
