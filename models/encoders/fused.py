"""Several encoders as one: a general one beside a medical one, their tokens side by side.

Each part sees the same image at its own size and with its own normalisation; its grid of tokens is resampled to one
that all share. By ``channels`` a token holds what every part says of its place (Tong et al. 2024, Eyes Wide Shut). By
``tokens`` the grids are stacked; each part keeps channels of its own, so that the projector learns a map for each and
nothing in the encoder has to be learnt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Literal, get_args

import torch
from einops import rearrange
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn.functional import interpolate
from transformers import CONFIG_MAPPING, AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from .features import Tower, encode, recompute
from .registry import EncoderSpec, encoder_spec, register_encoder
from .traits import TowerConfig, Traits, image_size, read_traits

How = Literal["channels", "tokens"]
Three = tuple[float, float, float]
HALF: Three = (0.5, 0.5, 0.5)


@strict
class FusedVisionConfig(TowerConfig):
    """Several encoders and how their tokens are put together.

    Attributes:
        parts: Configurations of the encoders.
        means: Channel means of each.
        stds: Channel deviations of each.
        how: ``channels`` or ``tokens``.
        grid: Rows and columns that all are resampled to; the finest of the parts' if None.
    """

    model_type = "medvlm_fused_vision"

    parts: list[dict[str, Any]] | None = None
    means: list[list[float]] | None = None
    stds: list[list[float]] | None = None
    how: str = "channels"
    grid: list[int] | None = None

    def part_configs(self) -> tuple[PreTrainedConfig, ...]:
        """The parts' configurations as objects."""
        return _configs(json.dumps(self.parts or [], sort_keys=True))

    def part_traits(self) -> list[Traits]:
        """The parts' traits."""
        return [read_traits(config) for config in self.part_configs()]

    def shared(self) -> tuple[int, int]:
        """Rows and columns that every part's tokens are resampled to."""
        if self.grid is not None:
            return self.grid[0], self.grid[1]
        return max((traits.grid for traits in self.part_traits()), key=lambda grid: grid[0] * grid[1])

    def traits(self) -> Traits:
        """The sum of the widths; the shared grid, once, or once a part one below the other."""
        rows, columns = self.shared()
        count = len(self.part_configs()) if self.how == "tokens" else 1
        return Traits(sum(traits.width for traits in self.part_traits()), (rows * count, columns), 0)

    def pixels(self) -> tuple[int, int]:
        """The largest height and width of the parts."""
        heights, widths = zip(*(image_size(config) for config in self.part_configs()), strict=True)
        return max(heights), max(widths)


class FusedVision(Tower):
    """Several encoders behind one."""

    config_class = FusedVisionConfig
    config: FusedVisionConfig

    def __init__(self, config: FusedVisionConfig) -> None:
        super().__init__(config)
        self.towers = nn.ModuleList(AutoModel.from_config(part) for part in config.part_configs())
        self.post_init()

    def tokens(self, pixels: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """Tokens (B, N, C) of images (B, 3, H, W), normalised with 0.5 and 0.5."""
        found = [self._part(index, pixels, layer) for index in range(len(self.towers))]
        if self.config.how == "channels":
            return torch.cat(found, dim=-1)
        width, start, placed = sum(part.shape[-1] for part in found), 0, []
        for part in found:
            whole = part.new_zeros(*part.shape[:2], width)
            whole[..., start : start + part.shape[-1]] = part
            placed.append(whole)
            start += part.shape[-1]
        return torch.cat(placed, dim=1)

    def recompute(self, enable: bool) -> None:
        """Recompute activations of every part in the backward pass, or stop to."""
        for index in range(len(self.towers)):
            tower: Any = self.towers[index]
            recompute(tower, enable)

    def _part(self, index: int, pixels: torch.Tensor, layer: int) -> torch.Tensor:
        tower: Any = self.towers[index]
        traits, means, stds = read_traits(tower.config), self.config.means or [], self.config.stds or []
        mean, std = (pixels.new_tensor(values[index])[:, None, None] for values in (means, stds))
        seen = resample(pixels, image_size(tower.config))
        seen = (seen * HALF[0] + HALF[0] - mean) / std
        maps = rearrange(encode(tower, seen, traits, layer), "b (h w) c -> b c h w", h=traits.grid[0])
        flat: torch.Tensor = rearrange(resample(maps, self.config.shared()), "b c h w -> b (h w) c")
        return flat


@register_encoder
def fused(
    *, parts: Sequence[str | Mapping[str, Any]], how: How = "channels", grid: Sequence[int] | None = None
) -> EncoderSpec:
    """Several encoders as one.

    Args:
        parts: Two or more encoders, each a registered name or ``{"name": ..., **options}``.
        how: ``channels``: one token a place, as wide as all parts together. ``tokens``: the parts' tokens one after the
            other, each part in channels of its own.
        grid: Rows and columns that the parts' tokens are resampled to; the finest of theirs if None.

    Raises:
        ValueError: If there are fewer than two parts, or ``how`` or ``grid`` is something else.
    """
    if isinstance(parts, str) or len(parts) < 2:
        raise ValueError(f"A fused encoder has two or more parts, got parts={parts!r}.")
    if how not in get_args(How):
        raise ValueError(f"how={how!r}; it is {' or '.join(get_args(How))}.")
    if grid is not None and (len(grid) != 2 or min(grid) < 1):
        raise ValueError(f"grid={list(grid)}; it is rows and columns, one or more of each.")
    specs = [encoder_spec(part) if isinstance(part, str) else encoder_spec(**part) for part in parts]
    config = FusedVisionConfig(
        parts=[spec.config.to_dict() for spec in specs],
        means=[list(spec.mean) for spec in specs],
        stds=[list(spec.std) for spec in specs],
        how=how,
        grid=None if grid is None else list(grid),
    )
    sources = tuple(source for spec in specs for source in spec.sources)
    make = partial(_assemble, config, specs) if sources else None
    return EncoderSpec(config, None, HALF, HALF, make=make, parts=sources)


@register_encoder
def fused_tiny(*, image_size: int = 64, how: How = "channels", grid: Sequence[int] | None = None) -> EncoderSpec:
    """A small fresh SigLIP and a small fresh DINOv2 as one.

    Args:
        image_size: Pixels a side.
        how: ``channels`` or ``tokens``.
        grid: Rows and columns of tokens; the finer one's if None.
    """
    small = {"image_size": image_size, "width": 64, "layers": 3, "heads": 4}
    siglip, dinov2 = {"name": "siglip_tiny", "patch_size": 8}, {"name": "dinov2_tiny", "patch_size": 16}
    return fused(parts=[{**siglip, **small}, {**dinov2, **small}], how=how, grid=grid)


def resample(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Images or maps (B, C, H, W) at another size, bilinear, smoothed where they shrink; as they are at their own."""
    if maps.shape[-2:] == size:
        return maps
    scaled = interpolate(maps.float(), size=size, mode="bilinear", align_corners=False, antialias=True)
    return scaled.to(maps.dtype)


def _assemble(
    config: FusedVisionConfig, specs: Sequence[EncoderSpec], seed: int, dtype: torch.dtype | None
) -> PreTrainedModel:
    with torch.device("meta"):
        whole = FusedVision(config)
    for index, spec in enumerate(specs):
        whole.towers[index] = spec.build(seed=seed + index, dtype=dtype)
    return whole


@lru_cache(maxsize=32)
def _configs(parts: str) -> tuple[PreTrainedConfig, ...]:
    return tuple(CONFIG_MAPPING[part.pop("model_type")].from_dict(part) for part in json.loads(parts))


AutoConfig.register(FusedVisionConfig.model_type, FusedVisionConfig, exist_ok=True)
AutoModel.register(FusedVisionConfig, FusedVision, exist_ok=True)
