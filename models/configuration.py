"""The configuration of the composed model: encoder, projector, volume compressor and decoder in one."""

from __future__ import annotations

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from .encoders import Traits, read_traits
from .encoders.volume import Size, VolumeEncoderConfig, VolumeTraits
from .projectors import compressed_tokens, projected_grid

POOL_DEPTH = ("spatial_pool",)
"""Projectors that read the tokens of a 3D encoder at once."""


@strict
class MedVLMConfig(PreTrainedConfig):
    """All that is needed to build the model without weights, and to count its tokens without building it.

    Attributes:
        vision_config: The encoder (``siglip_vision_model`` unless it says otherwise); a 3D one reads volumes only.
        volume_config: The 3D encoder of volumes beside a 2D one; None lets their slices pass ``vision_config``.
        text_config: The decoder (``qwen3`` unless it says otherwise).
        projector: ``kind`` and options of the projector.
        compressor: ``kind`` and options of the volume compressor.
        vision_layer: Encoder layer that is read: -1 the last one after its norm.
        slice_chunk: Slices of a volume that go through the 2D encoder at a time.
        slice_checkpoint: Whether each chunk is encoded again in the backward pass, so that activations are kept of one
            chunk only.
        image_token_id: Placeholder of one image token.
        video_token_id: Placeholder of one volume token.
    """

    model_type = "medvlm"
    sub_configs = {"vision_config": AutoConfig, "volume_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    vision_config: Any = None
    volume_config: Any = None
    text_config: Any = None
    projector: Any = None
    compressor: Any = None
    vision_layer: int = -1
    slice_chunk: int = 16
    slice_checkpoint: bool = False
    image_token_id: int | None = None
    video_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the parts' configurations from plain dictionaries."""
        self.vision_config = _part(self.vision_config, "siglip_vision_model")
        if self.volume_config is not None:
            self.volume_config = _part(self.volume_config, VolumeEncoderConfig.model_type)
            self._check_encoders()
        self.text_config = _part(self.text_config, "qwen3")
        self.projector = dict(self.projector or {"kind": "mlp"})
        self.compressor = dict(self.compressor or {"kind": "slices_pool"})
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
        super().__post_init__(**kwargs)

    @property
    def vision_traits(self) -> Traits:
        """Width, grid and prefix tokens of the encoder."""
        return read_traits(self.vision_config)

    @property
    def reads_planes(self) -> bool:
        """Whether there is a 2D encoder."""
        return not isinstance(self.vision_config, VolumeEncoderConfig)

    @property
    def volume_traits(self) -> VolumeTraits | None:
        """Size, grid and width of the 3D encoder; None where slices pass the 2D one."""
        config = self.volume_config if self.reads_planes else self.vision_config
        return None if config is None else config.volume_traits

    @property
    def volume_grid(self) -> Size | None:
        """Slabs, rows and columns of projected tokens of the 3D encoder; None where there is none."""
        if self.volume_traits is None:
            return None
        grid = self.volume_traits.grid
        if self.pools_depth:
            deep, high, wide = projected_grid(**self.projector, grid=grid)
            return deep, high, wide
        return grid[0], *projected_grid(**self.projector, grid=grid[1:])

    @property
    def pools_depth(self) -> bool:
        """Whether the projector reads a volume of tokens at once, and not slab by slab."""
        return self.projector["kind"] in POOL_DEPTH

    @property
    def slice_grid(self) -> tuple[int, int]:
        """Rows and columns of projected tokens of an image, a slice, or a slab of a 3D encoder."""
        if not self.reads_planes and self.volume_grid is not None:
            return self.volume_grid[1:]
        return projected_grid(**self.projector, grid=self.vision_traits.grid)

    @property
    def image_tokens(self) -> int:
        """Placeholders of one image; 0 where the model reads volumes only."""
        return self.slice_grid[0] * self.slice_grid[1] if self.reads_planes else 0

    @property
    def compressed_grid(self) -> tuple[int, int]:
        """Rows and columns of the tokens that the volume compressor reads, slice by slice or slab by slab."""
        return self.slice_grid if self.volume_grid is None else self.volume_grid[1:]

    @property
    def volume_tokens(self) -> int:
        """Placeholders of one volume."""
        return compressed_tokens(**self.compressor, grid=self.compressed_grid)

    def _check_encoders(self) -> None:
        if not self.reads_planes:
            raise ValueError(
                f"The encoder is 3D ({self.vision_config.kind}) and volume_encoder names another one "
                f"({self.volume_config.kind}). Give a 2D encoder beside volume_encoder, or leave volume_encoder out."
            )


def _part(config: dict[str, Any] | PreTrainedConfig | None, default: str) -> PreTrainedConfig:
    if isinstance(config, PreTrainedConfig):
        return config
    options = dict(config or {})
    return CONFIG_MAPPING[options.pop("model_type", default)].from_dict(options)
