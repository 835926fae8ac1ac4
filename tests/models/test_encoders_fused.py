"""Several encoders as one: what each part sees, and where its tokens go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medvlm.models import MedVLMForConditionalGeneration, build_vlm, encoder_spec, tiny_decoder
from medvlm.models.encoders import encode

SMALL: dict[str, Any] = {"image_size": 32, "width": 32, "layers": 2, "heads": 2}
SIGLIP: dict[str, Any] = {"name": "siglip_tiny", "patch_size": 16, **SMALL}
DINOV2: dict[str, Any] = {"name": "dinov2_tiny", "patch_size": 8, **{**SMALL, "width": 48}}


def parts_of(tower: Any, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Tokens of each part alone, from pixels in 0..1 normalised as that part wants them."""
    found = []
    for part, options in zip(tower.towers, (SIGLIP, DINOV2), strict=True):
        spec = encoder_spec(**options)
        mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
        found.append(encode(part, (pixels - mean) / std, spec.traits))
    return found


def test_channels_hold_every_part_of_a_place() -> None:
    spec = encoder_spec("fused", parts=[SIGLIP, DINOV2])
    tower, pixels = spec.build().eval(), torch.rand(2, 3, 32, 32)
    siglip, dinov2 = parts_of(tower, pixels)
    fused = encode(tower, (pixels - 0.5) / 0.5, spec.traits)
    assert (spec.traits.width, spec.traits.grid, fused.shape) == (80, (4, 4), (2, 16, 80))
    torch.testing.assert_close(fused[..., 32:], dinov2)
    torch.testing.assert_close(fused[:, 0, :32], siglip[:, 0])  # a corner of the finer grid is a corner of the coarser


def test_tokens_follow_each_other_in_channels_of_their_own() -> None:
    spec = encoder_spec("fused", parts=[SIGLIP, DINOV2], how="tokens", grid=[4, 4])
    tower, pixels = spec.build().eval(), torch.rand(2, 3, 32, 32)
    fused = encode(tower, (pixels - 0.5) / 0.5, spec.traits)
    assert (spec.traits.grid, fused.shape) == ((8, 4), (2, 32, 80))
    torch.testing.assert_close(fused[:, 16:, 32:], parts_of(tower, pixels)[1])
    assert not fused[:, :16, 32:].any()
    assert not fused[:, 16:, :32].any()


def test_each_part_sees_its_own_image_size() -> None:
    spec = encoder_spec("fused", parts=[SIGLIP, {**DINOV2, "image_size": 64}])
    assert (spec.image_size, spec.traits.grid) == ((64, 64), (8, 8))
    assert encode(spec.build(), torch.randn(1, 3, 64, 64), spec.traits).shape == (1, 64, 80)


def test_parts_with_weights_are_read_from_their_folders(tmp_path: Path, tokenizer: Any) -> None:
    encoder_spec(**DINOV2).build(seed=7).save_pretrained(tmp_path / "dino")
    encoder: dict[str, Any] = {
        "name": "fused",
        "parts": [SIGLIP, {"name": "dinov2", "weights": str(tmp_path / "dino")}],
    }
    assert encoder_spec(**encoder).sources == (str(tmp_path / "dino"),)
    model, processor = build_vlm(encoder=encoder, decoder=tiny_decoder(width=64, layers=2), tokenizer=tokenizer)
    tower: Any = model.model.vision_tower
    expected = encoder_spec(**DINOV2).build(seed=7).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in tower.towers[1].state_dict().items())
    assert not any(parameter.is_meta for parameter in model.parameters())
    model.save_pretrained(tmp_path / "whole")
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path / "whole").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())
    assert processor.count_tokens("image") == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": [SIGLIP]}, "two or more parts"),
        ({"parts": [SIGLIP, DINOV2], "how": "sum"}, "how='sum'; it is channels or tokens"),
        ({"parts": [SIGLIP, DINOV2], "grid": [4]}, "rows and columns"),
        ({"parts": [SIGLIP, "sigllip"]}, "Unknown encoder 'sigllip'"),
    ],
)
def test_bad_mixtures_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder_spec("fused", **options)
