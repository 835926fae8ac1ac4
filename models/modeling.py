"""The composed model: image placeholders in the text become projected encoder tokens, a decoder reads on.

Order of reading: encode -> project (-> compress, for a volume) -> replace placeholder embeddings -> decode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, Cache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils.generic import ModelOutput

from medvlm.study import ImageError

from .configuration import MedVLMConfig
from .decoders import BIASED_HEADS, embeddings_name
from .encoders import encode, recompute
from .encoders.volume import encode_volume, shown
from .projectors import Perceiver, build_compressor, build_projector

Encoded = Mapping[str, ModelOutput]


@dataclass
class ImageFeatures(ModelOutput):
    """Decoder tokens of images or volumes.

    Attributes:
        last_hidden_state: All of them, stacked.
        pooler_output: One (tokens, width) an image or volume.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: list[torch.Tensor] | None = None


@dataclass
class MedVLMModelOutput(ModelOutput):
    """What the decoder gives without its head.

    Attributes:
        last_hidden_state: (B, L, D).
        past_key_values: The cache.
        hidden_states: One a layer, where asked for.
        attentions: One a layer, where asked for.
    """

    last_hidden_state: torch.FloatTensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class MedVLMPreTrainedModel(PreTrainedModel):
    """What both classes share: capabilities and the start values of parameters that are ours."""

    config: MedVLMConfig
    config_class = MedVLMConfig
    base_model_prefix = "model"
    input_modalities = ["image", "video", "text"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Perceiver):
            init.normal_(module.latents, mean=0.0, std=0.02)

    def _set_gradient_checkpointing(self, enable: bool = True, *args: Any, **kwargs: Any) -> None:
        super()._set_gradient_checkpointing(enable, *args, **kwargs)
        recompute(self.get_encoder("image"), enable)


def new_projector(config: MedVLMConfig) -> nn.Module:
    """The projector that ``config`` describes."""
    if not config.reads_planes:
        return new_volume_projector(config)
    traits = config.vision_traits
    return build_projector(
        **config.projector, width_in=traits.width, width_out=config.text_config.hidden_size, grid=traits.grid
    )


def new_volume_projector(config: MedVLMConfig) -> nn.Module:
    """The projector of the 3D encoder that ``config`` describes.

    Raises:
        ValueError: If it describes none.
    """
    traits = config.volume_traits
    if traits is None:
        raise ValueError("The configuration has no 3D encoder.")
    grid = traits.grid if config.pools_depth else traits.grid[1:]
    return build_projector(
        **config.projector, width_in=traits.width, width_out=config.text_config.hidden_size, grid=grid
    )


def new_compressor(config: MedVLMConfig) -> nn.Module:
    """The volume compressor that ``config`` describes."""
    return build_compressor(**config.compressor, width=config.text_config.hidden_size, grid=config.compressed_grid)


class VolumeReader(nn.Module):
    """A 3D encoder and its projector, beside those of images.

    Args:
        config: Of a model with a ``volume_config``.
    """

    vision_tower: PreTrainedModel
    multi_modal_projector: nn.Module

    def __init__(self, config: MedVLMConfig) -> None:
        super().__init__()
        self.vision_tower = AutoModel.from_config(config.volume_config)
        self.multi_modal_projector = new_volume_projector(config)


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


class MedVLMForConditionalGeneration(MedVLMPreTrainedModel, GenerationMixin):
    """The composed model with its language head."""

    model: MedVLMModel
    lm_head: nn.Linear
    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: MedVLMConfig) -> None:
        super().__init__(config)
        self.model = MedVLMModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=text.model_type in BIASED_HEADS)
        name = embeddings_name(self.model.language_model, self.model.get_input_embeddings())
        self._tied_weights_keys = {"lm_head.weight": f"model.language_model.{name}.weight"}
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's token embeddings."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's token embeddings."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The language head's linear map."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replace the language head's linear map."""
        self.lm_head = value

    def get_decoder(self) -> PreTrainedModel:
        """The decoder without its head."""
        return self.model.language_model

    def get_encoder(self, modality: str | None = None) -> PreTrainedModel:
        """The vision encoder; for ``video`` that of volumes."""
        return self.model.get_encoder(modality)

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> ImageFeatures:
        """Decoder tokens of images, see ``MedVLMModel.get_image_features``."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def get_video_features(
        self, pixel_values_videos: torch.Tensor | Sequence[torch.Tensor], **kwargs: Any
    ) -> ImageFeatures:
        """Decoder tokens of volumes, see ``MedVLMModel.get_video_features``."""
        return self.model.get_video_features(pixel_values_videos, **kwargs)

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states, with what the decoder's own class does to them (Gemma, Granite, Cohere)."""
        logits: torch.Tensor = self.lm_head(hidden)
        text = self.config.text_config
        scaling, scale = getattr(text, "logits_scaling", None), getattr(text, "logit_scale", None)
        cap = getattr(text, "final_logit_softcapping", None)
        logits = logits if scaling is None else logits / scaling
        logits = logits if scale is None else logits * scale
        return logits if cap is None else torch.tanh(logits / cap) * cap

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | Sequence[torch.Tensor] | None = None,
        attention_mask: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: Encoded | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits, and the mean loss over ``labels`` that are not -100."""
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            pixel_values_videos=pixel_values_videos,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.head(outputs.last_hidden_state[:, kept])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.lm_head.out_features, **kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
