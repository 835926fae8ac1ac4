"""The configuration of the composed model: encoder, projector, volume compressor and decoder in one."""

from __future__ import annotations

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from .encoders import Traits, read_traits
from .projectors import compressed_tokens, projected_grid


@strict
class MedVLMConfig(PreTrainedConfig):
    """All that is needed to build the model without weights, and to count its tokens without building it.

    Attributes:
        vision_config: The encoder (``siglip_vision_model`` unless it says otherwise).
        text_config: The decoder (``qwen3`` unless it says otherwise).
        projector: ``kind`` and options of the projector.
        compressor: ``kind`` and options of the volume compressor.
        vision_layer: Encoder layer that is read: -1 the last one after its norm.
        slice_chunk: Slices of a volume that go through the encoder at a time.
        image_token_id: Placeholder of one image token.
        video_token_id: Placeholder of one volume token.
    """

    model_type = "medvlm"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    vision_config: Any = None
    text_config: Any = None
    projector: Any = None
    compressor: Any = None
    vision_layer: int = -1
    slice_chunk: int = 16
    image_token_id: int | None = None
    video_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the parts' configurations from plain dictionaries."""
        self.vision_config = _part(self.vision_config, "siglip_vision_model")
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
    def slice_grid(self) -> tuple[int, int]:
        """Rows and columns of projected tokens of an image or slice."""
        return projected_grid(**self.projector, grid=self.vision_traits.grid)

    @property
    def image_tokens(self) -> int:
        """Placeholders of one image."""
        return self.slice_grid[0] * self.slice_grid[1]

    @property
    def volume_tokens(self) -> int:
        """Placeholders of one volume."""
        return compressed_tokens(**self.compressor, grid=self.slice_grid)


def _part(config: dict[str, Any] | PreTrainedConfig | None, default: str) -> PreTrainedConfig:
    if isinstance(config, PreTrainedConfig):
        return config
    options = dict(config or {})
    return CONFIG_MAPPING[options.pop("model_type", default)].from_dict(options)
