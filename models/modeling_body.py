"""The composed model without its head: image placeholders become projected encoder tokens, a decoder reads on.

Order of reading: encode -> project (-> compress, for a volume) -> replace placeholder embeddings -> decode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, Cache, PreTrainedModel
from transformers.utils.generic import ModelOutput

from medvlm.study import ImageError

from .configuration import MedVLMConfig
from .encoders import encode
from .encoders.volume import encode_volume, shown
from .modeling_parts import (
    ImageFeatures,
    MedVLMModelOutput,
    MedVLMPreTrainedModel,
    VolumeReader,
    new_compressor,
    new_projector,
)

Encoded = Mapping[str, ModelOutput]


class MedVLMModel(MedVLMPreTrainedModel):
    """Encoder, projector, compressor and decoder, without the language head."""

    vision_tower: PreTrainedModel
    language_model: PreTrainedModel
    multi_modal_projector: nn.Module
    volume_compressor: nn.Module

    def __init__(self, config: MedVLMConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.multi_modal_projector = new_projector(config)
        self.volume_reader = None if config.volume_config is None else VolumeReader(config)
        self.volume_compressor = new_compressor(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's token embeddings."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's token embeddings."""
        self.language_model.set_input_embeddings(value)

    def get_decoder(self) -> PreTrainedModel:
        """The decoder without its head."""
        return self.language_model

    def get_encoder(self, modality: str | None = None) -> PreTrainedModel:
        """The vision encoder; for ``video`` that of volumes."""
        if modality == "video" and self.volume_reader is not None:
            return self.volume_reader.vision_tower
        return self.vision_tower

    def project(self, pixels: torch.Tensor) -> torch.Tensor:
        """Projected tokens (B, N, D) of normalised images (B, 3, H, W)."""
        tokens = encode(self.vision_tower, pixels, self.config.vision_traits, self.config.vision_layer)
        projected: torch.Tensor = self.multi_modal_projector(tokens)
        return projected

    def project_volume(self, volume: torch.Tensor) -> torch.Tensor:
        """Projected tokens (slices, N, D), of a 3D encoder (slabs, N, D), of a normalised volume (S, 3, H, W)."""
        if self.config.volume_traits is None:
            chunks = volume.split(self.config.slice_chunk)
            if self.config.slice_checkpoint and torch.is_grad_enabled():
                return torch.cat([checkpoint(self.project, chunk, use_reentrant=False) for chunk in chunks])
            return torch.cat([self.project(chunk) for chunk in chunks])
        reader = self if self.volume_reader is None else self.volume_reader
        tokens = encode_volume(reader.vision_tower, volume[None])[0]
        if not self.config.pools_depth:
            slabs: torch.Tensor = reader.multi_modal_projector(tokens)
            return slabs
        pooled = reader.multi_modal_projector(rearrange(tokens, "d n c -> 1 (d n) c"))
        rows, columns = self.config.compressed_grid
        projected: torch.Tensor = rearrange(pooled, "1 (d n) c -> d n c", n=rows * columns)
        return projected

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> ImageFeatures:
        """Decoder tokens of images (N, 3, H, W); ``pooler_output`` lists one (tokens, width) an image.

        Raises:
            ImageError: If the model reads volumes only.
        """
        if not self.config.reads_planes:
            raise ImageError(
                f"The model reads volumes of {shown(self.config.vision_config.volume_size)} (slices, rows, columns) "
                f"only, got {len(pixel_values)} image(s) of {shown(pixel_values.shape[1:])}. Build it with a 2D "
                "encoder and volume_encoder to read both."
            )
        projected = self.project(pixel_values)
        return ImageFeatures(last_hidden_state=projected, pooler_output=list(projected))

    def get_video_features(
        self, pixel_values_videos: torch.Tensor | Sequence[torch.Tensor], **kwargs: Any
    ) -> ImageFeatures:
        """Decoder tokens of volumes (M, S, 3, H, W), or of a list of (S, 3, H, W) with different S.

        Slices pass a 2D encoder in chunks, so that memory without gradients does not grow with the volume; a 3D encoder
        takes one volume at a time.
        """
        compressed = [self.volume_compressor(self.project_volume(volume)) for volume in pixel_values_videos]
        return ImageFeatures(last_hidden_state=torch.stack(compressed), pooler_output=compressed)

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | Sequence[torch.Tensor] | None = None,
        attention_mask: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        mm_encoder_outputs: Encoded | None = None,
        mm_token_type_ids: torch.LongTensor | None = None,
        **kwargs: Any,
    ) -> MedVLMModelOutput:
        """Hidden states of the decoder over text whose placeholders are replaced by image tokens."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        kwargs.pop("return_dict", None)
        embeds = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        encoded = dict(mm_encoder_outputs or {})
        if pixel_values is not None and "image" not in encoded:
            encoded["image"] = self.get_image_features(pixel_values)
        if pixel_values_videos is not None and "video" not in encoded:
            encoded["video"] = self.get_video_features(pixel_values_videos)
        for kind, token_id in (("image", self.config.image_token_id), ("video", self.config.video_token_id)):
            if encoded.get(kind) is not None:
                embeds = self._place(encoded[kind]["pooler_output"], kind, token_id, input_ids, embeds)
        outputs = self.language_model(
            inputs_embeds=embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **kwargs,
        )
        return MedVLMModelOutput(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _place(
        self,
        features: Sequence[torch.Tensor],
        kind: str,
        token_id: int | None,
        input_ids: torch.Tensor | None,
        embeds: torch.Tensor,
    ) -> torch.Tensor:
        if input_ids is None:
            marker = self.get_input_embeddings()(torch.tensor(token_id, device=embeds.device))
            mask = (embeds == marker).all(-1)
        else:
            mask = input_ids == token_id
        flat = torch.cat(list(features)).to(embeds.device, embeds.dtype)
        places = int(mask.sum())
        if places != len(flat):
            raise ValueError(
                f"The text has {places} {kind} placeholders, the {len(features)} {kind}(s) given have {len(flat)} "
                "tokens. Make the inputs with the processor, which expands one placeholder an image to its tokens."
            )
        return embeds.masked_scatter(mask.unsqueeze(-1), flat)
