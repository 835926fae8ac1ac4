"""Compressors of volumes: budgets, hand numbers, invariances, and each one inside the composed model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText

from medvlm.models.projectors import build_compressor, check_slices, compressed_tokens
from medvlm.models.projectors.merging import group_means, merge_owners
from medvlm.models.projectors.places import Places, grid_places
from medvlm.study import ImageError

ALL: list[dict[str, Any]] = [
    {"kind": "slices_pool", "tokens": 8, "depth": 4},
    {"kind": "slices_perceiver", "tokens": 8, "heads": 2},
    {"kind": "slices_merge", "tokens": 8},
    {"kind": "slices_prune", "tokens": 8},
    {"kind": "slices_focus", "tokens": 8, "whole": 4, "depth": 2},
    {"kind": "slices_focus", "tokens": 8, "whole": 4, "depth": 2, "region": [0.4, 0.7]},
    {"kind": "slices_keep", "slices": 2},
    {"kind": "prior", "heads": 2},
]


def without_kind(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "kind"}


def noise(slices: int, tokens: int = 4, width: int = 16) -> torch.Tensor:
    return torch.randn(slices, tokens, width, generator=torch.Generator().manual_seed(slices))


@pytest.mark.parametrize("options", ALL, ids=lambda options: options["kind"])
@pytest.mark.parametrize("slices", [1, 2, 3, 40])
@pytest.mark.parametrize("grid", [(2, 2), (1, 5)])
def test_every_volume_comes_out_as_announced_or_is_refused(options: Any, slices: int, grid: Any) -> None:
    compress = build_compressor(**options, width=16, grid=grid)
    volume = noise(slices, grid[0] * grid[1])
    try:
        check_slices(options["kind"], slices, grid=grid, **without_kind(options))
    except ImageError:
        with pytest.raises(ImageError, match=f"A volume of {slices} slice"):
            compress(volume)
    else:
        assert compress(volume).shape == (compressed_tokens(**options, grid=grid), 16)


@pytest.mark.parametrize("options", ALL, ids=lambda options: options["kind"])
def test_half_precision_in_half_precision_out(options: Any) -> None:
    compress = build_compressor(**options, width=16, grid=(2, 2)).bfloat16()
    volume = noise(2).bfloat16().requires_grad_()
    tokens = compress(volume)
    tokens.float().square().sum().backward()
    assert tokens.dtype == torch.bfloat16
    assert volume.grad is not None
    assert volume.grad.isfinite().all()


@pytest.mark.parametrize("options", ALL, ids=lambda options: options["kind"])
def test_mixed_precision_changes_little(options: Any) -> None:
    torch.manual_seed(0)
    compress = build_compressor(**options, width=16, grid=(2, 2))
    exact = compress(noise(2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(compress(noise(2)).float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("window", [6, 512])
@pytest.mark.parametrize("times", [2, 3, 7])
def test_merging_repeated_slices_is_exact_and_in_order(times: int, window: int) -> None:
    distinct = noise(2, 8)
    compress = build_compressor("slices_merge", width=16, grid=(2, 4), tokens=16, window=window, marks=False)
    merged = compress(distinct.repeat_interleave(times, dim=0))
    torch.testing.assert_close(merged, distinct.flatten(0, 1))


def test_merged_tokens_are_means_of_what_they_stand_for() -> None:
    values = noise(10).flatten(0, 1)
    owner = merge_owners(values, 7, window=8)
    assert owner.unique().tolist() == list(range(7))
    merged, sizes = group_means(values, owner, 7), owner.bincount().float()
    torch.testing.assert_close((merged * sizes[:, None]).sum(0) / 40, values.mean(0))


def test_merging_pairs_the_likest_by_hand() -> None:
    angles = torch.tensor([0.0, 0.1, 1.0, 1.5])  # likest is the first pair, 0.1 apart; the next are 0.5 apart
    owner = merge_owners(torch.stack([angles.cos(), angles.sin()], 1), 3)
    assert owner.tolist() == [0, 0, 1, 2]


def test_merging_does_not_depend_on_scale() -> None:
    values = noise(12).flatten(0, 1)
    assert torch.equal(merge_owners(values, 9), merge_owners(values * 7, 9))


def test_pruning_identical_slices_keeps_one() -> None:
    compress = build_compressor("slices_prune", width=16, grid=(2, 2), tokens=4, marks=False)
    one = noise(1)
    torch.testing.assert_close(compress(one.expand(9, -1, -1)), one[0])


def test_pruning_keeps_what_changed() -> None:
    volume = noise(1).repeat(6, 1, 1)
    volume[3:, 2] = -volume[3:, 2]
    compress = build_compressor("slices_prune", width=16, grid=(2, 2), tokens=5, marks=False)
    torch.testing.assert_close(compress(volume), torch.cat([volume[0], volume[3, 2:3]]))


def test_a_stated_region_gives_its_slices_by_hand() -> None:
    compress: Any = build_compressor(
        "slices_focus", width=1, grid=(1, 1), tokens=3, whole=1, depth=1, region=[0.5, 0.75]
    )
    nn.init.zeros_(compress.places.linear.weight)
    nn.init.zeros_(compress.places.linear.bias)
    tokens = compress(torch.arange(8.0).reshape(8, 1, 1))
    assert tokens.flatten().tolist() == [3.5, 4.5, 4.5]


def test_attention_chooses_the_slab_and_learns() -> None:
    compress: Any = build_compressor("slices_focus", width=4, grid=(1, 1), tokens=4, whole=2, depth=2, slab=0.25)
    volume = torch.zeros(16, 1, 4)
    volume[9:13, 0, 2] = 5.0
    nn.init.zeros_(compress.attention.weight)
    compress.attention.weight.data[0, 2] = 1.0
    start, stop, scale = compress.choose(volume)
    assert (start, stop, scale.item()) == (9, 13, 1.0)
    compress(volume).square().sum().backward()
    assert compress.attention.weight.grad[0, 2] > 0


def test_keeping_everything_changes_nothing() -> None:
    compress = build_compressor("slices_keep", width=16, grid=(2, 2), slices=5)
    assert torch.equal(compress(noise(5)), noise(5).flatten(0, 1))


def test_a_prior_is_looked_at_and_none_is_the_image_itself() -> None:
    torch.manual_seed(0)
    align: Any = build_compressor("prior", width=16, grid=(2, 2), heads=2)
    pair = noise(2)
    torch.testing.assert_close(align(pair[1:]), align(pair[1:].expand(2, -1, -1)))
    assert (align(pair) - align(pair[1:])).abs().max() > 1e-3
    nn.init.zeros_(align.out.weight)
    torch.testing.assert_close(align(pair), align(pair[1:]))  # what is left is of the current image, the last


def test_the_order_of_the_priors_tokens_does_not_matter_but_their_likeness_does() -> None:
    align = build_compressor("prior", width=16, grid=(2, 2), heads=2)
    pair = noise(2)
    shuffled = torch.stack([pair[0, [2, 0, 3, 1]], pair[1]])
    nn.init.zeros_(align.get_submodule("same").weight)  # type: ignore[arg-type]
    torch.testing.assert_close(align(shuffled), align(pair))
    nn.init.normal_(align.get_submodule("same").weight)  # type: ignore[arg-type]
    assert (align(shuffled) - align(pair)).abs().max() > 1e-4


def test_marks_tell_places_apart() -> None:
    marks = Places(8)(grid_places(3, (2, 2)))
    assert (torch.cdist(marks, marks) + torch.eye(12)).min() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "slices_merge", "tokens": 0}, "tokens=0"),
        ({"kind": "slices_merge", "window": 5}, "window=5"),
        ({"kind": "slices_prune", "tokens": -1}, "tokens=-1"),
        ({"kind": "slices_perceiver", "tokens": 0}, "tokens=0"),
        ({"kind": "slices_pool", "tokens": 10, "depth": 4}, "tokens=10 must be a multiple"),
        ({"kind": "slices_focus", "tokens": 16, "whole": 16}, "whole=16 must be at least 1 and below"),
        ({"kind": "slices_focus", "tokens": 18, "whole": 8}, "tokens=10 must be a multiple of compressor.depth=4"),
        ({"kind": "slices_focus", "region": [0.6, 0.2]}, r"region=\[0.6, 0.2\]"),
        ({"kind": "slices_focus", "slab": 1.5}, "slab=1.5"),
        ({"kind": "slices_keep", "slices": 0}, "slices=0"),
        ({"kind": "prior", "heads": 0}, "heads=0"),
    ],
)
def test_impossible_budgets_are_refused_before_anything_is_built(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compressed_tokens(**options, grid=(4, 4))


def test_a_volume_that_is_too_small_is_refused_with_numbers() -> None:
    with pytest.raises(ImageError, match=r"2 slice\(s\).*takes 4 or more"):
        check_slices("slices_merge", 2, grid=(4, 4), tokens=64)
    with pytest.raises(ImageError, match=r"31 slice\(s\).*takes 32"):
        check_slices("slices_keep", 31, grid=(4, 4))


@pytest.mark.parametrize("options", ALL, ids=lambda options: options["kind"])
def test_every_compressor_learns_and_is_saved(options: Any, make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    model, processor = make_vlm(tokenizer, projector={"kind": "mlp", "merge": 2}, compressor=options)
    assert processor.count_tokens("volume") == model.config.volume_tokens
    least = 2 if options["kind"] in ("slices_keep", "prior") else 7
    volumes = [torch.randn(count, 3, 32, 32) for count in (2, least)]
    ids = torch.tensor([processor.token_ids(f"{name} <volume>") for name in ("yes", "no")])
    logits = model(input_ids=ids, pixel_values_videos=volumes).logits
    logits.square().mean().backward()
    named = {**dict(model.model.volume_compressor.named_parameters()), **_tower(model)}
    assert [name for name, weight in named.items() if weight.grad is None or not weight.grad.any()] == []
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(input_ids=ids, pixel_values_videos=volumes).logits, logits)


def _tower(model: Any) -> dict[str, Any]:
    return {"vision": next(model.get_encoder("image").parameters())}
