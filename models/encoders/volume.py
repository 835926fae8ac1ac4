"""3D encoders in one Hugging Face class: a configuration that states its grid, and a model that keeps to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from medvlm.study import ImageError

Size = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class VolumeTraits:
    """The shape of a 3D encoder's input and output.

    Attributes:
        size: Slices, rows and columns of the volume that it takes.
        grid: Slabs, rows and columns of tokens that come out.
        width: Channels of a token.
    """

    size: Size
    grid: Size
    width: int

    @property
    def tokens(self) -> int:
        """Tokens of one volume."""
        return math.prod(self.grid)


@strict
class VolumeEncoderConfig(PreTrainedConfig):
    """Any 3D encoder: which network, the volume that it takes and the voxels that become one token.

    It has the fields of a 2D encoder too (``image_size``, ``patch_size``, ``num_prefix_tokens``): those of one slab of
    tokens, so that whatever reads slices reads slabs.

    Attributes:
        kind: Name of the network, see ``NETWORKS`` of :mod:`.volume_networks`.
        volume_size: Slices, rows and columns.
        volume_patch: Slices, rows and columns of one token.
        hidden_size: Channels of a token.
        channels: 1 or 3 channels that the network reads; for 1 the mean of a volume's channels is taken, which is any
            of them where one window is shown in all.
        image_mean: Channel means that are subtracted from voxels in 0..1.
        image_std: Channel deviations by which they are then divided.
        options: Further numbers of the network.
    """

    model_type = "medvlm_volume_encoder"
    num_prefix_tokens = 0

    kind: str = "vit3d"
    volume_size: Any = (32, 256, 256)
    volume_patch: Any = (4, 16, 16)
    hidden_size: int = 768
    channels: int = 1
    image_mean: Any = (0.5, 0.5, 0.5)
    image_std: Any = (0.5, 0.5, 0.5)
    options: Any = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Check that patches tile the volume."""
        self.volume_size, self.volume_patch = _three(self.volume_size), _three(self.volume_patch)
        self.image_mean, self.image_std = tuple(self.image_mean), tuple(self.image_std)
        self.options = dict(self.options or {})
        if self.channels not in (1, 3):
            raise ValueError(f"channels={self.channels}: a volume has 1 or 3.")
        if any(patch < 1 or size % patch for size, patch in zip(self.volume_size, self.volume_patch, strict=True)):
            raise ValueError(
                f"Patches of {shown(self.volume_patch)} voxels do not tile a volume of {shown(self.volume_size)}; "
                "choose sizes (slices, rows, columns) that are multiples."
            )
        super().__post_init__(**kwargs)

    @property
    def image_size(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        return self.volume_size[1], self.volume_size[2]

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of one token."""
        return self.volume_patch[1], self.volume_patch[2]

    @property
    def volume_traits(self) -> VolumeTraits:
        """The volume that it takes, and the tokens that come out."""
        deep, high, wide = (size // patch for size, patch in zip(self.volume_size, self.volume_patch, strict=True))
        return VolumeTraits(self.volume_size, (deep, high, wide), self.hidden_size)


class VolumeEncoder(PreTrainedModel):
    """A network over whole volumes."""

    config: VolumeEncoderConfig
    config_class = VolumeEncoderConfig
    base_model_prefix = "volume_encoder"
    main_input_name = "pixel_values"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    network: nn.Module

    def __init__(self, config: VolumeEncoderConfig) -> None:
        from .volume_networks import build_network

        super().__init__(config)
        self.network = build_network(
            config.kind,
            size=config.volume_size,
            patch=config.volume_patch,
            channels=config.channels,
            width=config.hidden_size,
            **config.options,
        )
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutput:
        """Tokens (B, d h w, C) of volumes (B, S, 1 or 3, H, W), slabs first, then rows, then columns.

        Raises:
            ImageError: If the volume is not of the encoder's size.
        """
        self._check(pixel_values)
        volumes = rearrange(pixel_values, "b s c h w -> b c s h w")
        if self.config.channels == 1:
            volumes = volumes.mean(dim=1, keepdim=True)
        volumes = volumes.expand(-1, self.config.channels, -1, -1, -1)
        tokens: torch.Tensor = self.network(volumes)
        return BaseModelOutput(last_hidden_state=tokens)

    def _check(self, volumes: torch.Tensor) -> None:
        if volumes.ndim != 5 or volumes.shape[2] not in (1, 3):
            raise ImageError(
                f"A 3D encoder takes volumes (B, S, 1 or 3 channels, H, W), got a tensor of {shown(volumes.shape)}."
            )
        given = (volumes.shape[1], volumes.shape[3], volumes.shape[4])
        if given != self.config.volume_size:
            raise ImageError(
                f"The 3D encoder takes volumes of {shown(self.config.volume_size)} (slices, rows, columns), got "
                f"{shown(given)}. Prepare them with the model's processor, whose recipes choose slices and size."
            )


def encode_volume(tower: PreTrainedModel, volumes: torch.Tensor) -> torch.Tensor:
    """Tokens (B, d, h w, C) of volumes (B, S, 3, H, W): slab by slab, as a 2D encoder gives them slice by slice.

    Args:
        tower: The 3D encoder.
        volumes: Normalised volumes of its size.
    """
    found = tower(volumes.to(device=tower.device, dtype=tower.dtype)).last_hidden_state
    tokens: torch.Tensor = rearrange(found, "b (d n) c -> b d n c", d=tower.config.volume_traits.grid[0])
    return tokens


def shown(size: Any) -> str:
    """A size for a reader.

    Examples:
        >>> shown((32, 256, 256))
        '32 x 256 x 256'
    """
    return " x ".join(str(int(side)) for side in size)


def _three(value: Any) -> Size:
    deep, high, wide = (value,) * 3 if isinstance(value, int) else value
    return int(deep), int(high), int(wide)


AutoConfig.register("medvlm_volume_encoder", VolumeEncoderConfig, exist_ok=True)
AutoModel.register(VolumeEncoderConfig, VolumeEncoder, exist_ok=True)
