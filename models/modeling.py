"""The composed model with its language head: what is trained, saved, loaded and asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers import Cache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from .configuration import MedVLMConfig
from .decoders import BIASED_HEADS, embeddings_name
from .modeling_body import Encoded, MedVLMModel
from .modeling_parts import ImageFeatures, MedVLMPreTrainedModel


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
