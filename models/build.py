"""Build the composed model from its parts: encoder, projector, volume compressor, decoder, tokenizer, recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from medvlm.intensity import IntensityRecipe

from .configuration import MedVLMConfig
from .decoders import check_head, decoder_config, load_decoder
from .encoders import EncoderSpec, plane_spec
from .encoders.volumes import VolumeSpec, list_volume_encoders, volume_encoder_spec
from .image_processing import MedVLMVideoProcessor
from .modeling import MedVLMForConditionalGeneration
from .modeling_parts import new_compressor, new_projector, new_volume_projector
from .processing import MedVLMProcessor
from .sizing import image_processor
from .tokenizer import IMAGE, VOLUME, add_placeholders, chat_template, load_tokenizer

Options = Mapping[str, Any]


def build_vlm(
    *,
    encoder: str | Options = "siglip_tiny",
    decoder: str | Options,
    projector: Options | None = None,
    compressor: Options | None = None,
    volume_encoder: str | Options | None = None,
    tokenizer: str | PreTrainedTokenizerBase | None = None,
    template: str | None = None,
    recipes: Sequence[IntensityRecipe] | None = None,
    seed: int = 0,
    meta: bool = False,
    attention: str | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[MedVLMForConditionalGeneration, MedVLMProcessor]:
    """Build a model and its processor.

    Args:
        encoder: A registered name, a folder or Hub name, or ``{"name": ..., **options}``.
        decoder: Folder or Hub name of a causal language model, or ``{"model_type": ..., **numbers}``.
        projector: ``{"kind": ..., **options}``, see ``PROJECTORS`` of :mod:`.projectors`.
        compressor: ``{"kind": ..., "tokens": ..., **options}``, see ``COMPRESSORS`` of :mod:`.projectors`.
        volume_encoder: A 3D encoder of volumes beside the 2D ``encoder``; None lets slices pass the latter. A 3D
            ``encoder`` needs none: the model then reads volumes only.
        tokenizer: A tokenizer, its folder or Hub name; that of the decoder if None.
        template: ``short`` or a Jinja file, for a decoder that has no chat template or should have another.
        recipes: Intensity recipes, tried in order; their size becomes the encoder's. A set for any modality if None.
        seed: Start of every parameter that no checkpoint gives.
        meta: Allocate and read no weights: for counting parameters and tokens.
        attention: Attention implementation (``eager``, ``sdpa``, ``flash_attention_2``); the decoder's best if None.
        dtype: Number type of the weights; that of the pretrained decoder, else float32, if None.

    Raises:
        WeightsError: If the decoder cannot be composed, or has no tokenizer or chat template.
        ValueError: If an option is unknown or its numbers do not fit; the message names it.
    """
    spec = find_spec(encoder)
    volume = find_volume_spec(volume_encoder)
    text = _text_tokenizer(tokenizer, decoder)
    config = compose_config(spec, decoder, projector, compressor, volume=volume, tokenizer=text)
    if attention is not None:
        config._attn_implementation = attention
    processor = make_processor(config, text, spec, recipes, volume=volume, template=template)
    model = _empty(config) if meta else _assemble(config, spec, volume, decoder, seed, dtype, attention)
    model.generation_config = _generation(model, processor, own=tokenizer is None)
    return model, processor


def find_spec(encoder: str | Options) -> EncoderSpec:
    """The encoder that a name, a folder, a Hub name or a dictionary of options means."""
    if isinstance(encoder, Mapping) and encoder.get("name") in list_volume_encoders():
        return volume_encoder_spec(**encoder)
    if isinstance(encoder, str) and encoder in list_volume_encoders():
        return volume_encoder_spec(encoder)
    return plane_spec(encoder)


def find_volume_spec(encoder: str | Options | None) -> VolumeSpec | None:
    """The 3D encoder that a name, a folder of one, or a dictionary of options means; None for None."""
    if encoder is None:
        return None
    if isinstance(encoder, Mapping):
        return volume_encoder_spec(**encoder)
    if encoder in list_volume_encoders() or ":" in encoder or "/" not in encoder:
        return volume_encoder_spec(encoder)
    return volume_encoder_spec("volume_folder", weights=encoder)


def compose_config(
    spec: EncoderSpec,
    decoder: str | Options,
    projector: Options | None = None,
    compressor: Options | None = None,
    *,
    volume: VolumeSpec | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> MedVLMConfig:
    """The configuration of the composed model; with a tokenizer its placeholders and vocabulary are entered."""
    text = decoder_config(decoder)
    ids: dict[str, Any] = {}
    if tokenizer is not None:
        text.vocab_size = max(text.vocab_size, len(tokenizer)) if isinstance(decoder, str) else len(tokenizer)
        text.pad_token_id, text.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
        text.bos_token_id = tokenizer.bos_token_id
        ids = {
            "image_token_id": tokenizer.convert_tokens_to_ids(IMAGE),
            "video_token_id": tokenizer.convert_tokens_to_ids(VOLUME),
        }
    return MedVLMConfig(
        vision_config=spec.config,
        volume_config=None if volume is None else volume.config,
        text_config=text,
        projector=dict(projector or {"kind": "mlp"}),
        compressor=dict(compressor or {"kind": "slices_pool"}),
        **ids,
    )


def make_processor(
    config: MedVLMConfig,
    tokenizer: PreTrainedTokenizerBase,
    spec: EncoderSpec,
    recipes: Sequence[IntensityRecipe] | None = None,
    *,
    volume: VolumeSpec | None = None,
    template: str | None = None,
) -> MedVLMProcessor:
    """The processor that fits ``config``: its recipes give the encoders' sizes, its counts are the model's."""
    return MedVLMProcessor(
        image_processor(spec, spec if isinstance(spec, VolumeSpec) else volume, recipes),
        tokenizer,
        MedVLMVideoProcessor(),
        chat_template=chat_template(tokenizer, template),
        image_seq_length=config.image_tokens,
        video_seq_length=config.volume_tokens,
    )


def _text_tokenizer(tokenizer: str | PreTrainedTokenizerBase | None, decoder: str | Options) -> PreTrainedTokenizerBase:
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return add_placeholders(tokenizer)
    source = tokenizer or decoder
    if not isinstance(source, str):
        raise ValueError("A decoder that is given by numbers has no tokenizer: give tokenizer=train_tokenizer(texts).")
    return load_tokenizer(source)


def _empty(config: MedVLMConfig) -> MedVLMForConditionalGeneration:
    with torch.device("meta"):
        return MedVLMForConditionalGeneration(config)


def _assemble(
    config: MedVLMConfig,
    spec: EncoderSpec,
    volume: VolumeSpec | None,
    decoder: str | Options,
    seed: int,
    dtype: torch.dtype | None,
    attention: str | None,
) -> MedVLMForConditionalGeneration:
    """Fresh parts are initialised from the seed; pretrained ones are read straight into place."""
    if not spec.sources and (volume is None or not volume.sources) and not isinstance(decoder, str):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh: MedVLMForConditionalGeneration = MedVLMForConditionalGeneration._from_config(config, dtype=dtype)
            return fresh
    model = _empty(config)
    causal = load_decoder(decoder, config.text_config, seed=seed, dtype=dtype, attention=attention)
    model.model.vision_tower = spec.build(seed=seed, dtype=causal.dtype)
    if volume is not None and model.model.volume_reader is not None:
        model.model.volume_reader.vision_tower = volume.build(seed=seed, dtype=causal.dtype)
    base: Any = causal.base_model
    model.model.language_model, model.lm_head = base, causal.get_output_embeddings()
    model.config.vision_config, model.config.text_config = model.model.vision_tower.config, causal.config
    _fresh_projector(model, seed)
    model.tie_weights()
    model.generation_config.eos_token_id = causal.generation_config.eos_token_id
    if isinstance(decoder, str):
        _check_decoder(model, causal, decoder)
    return model


@torch.no_grad()
def _check_decoder(model: MedVLMForConditionalGeneration, causal: PreTrainedModel, source: str) -> None:
    """Two tokens through the decoder, with its own head and with ours."""
    ids = torch.tensor([[0, 1]])
    hidden = causal.base_model(input_ids=ids, use_cache=False).last_hidden_state
    check_head(source, causal, model.head(hidden), ids)


def _fresh_projector(model: MedVLMForConditionalGeneration, seed: int) -> None:
    """Real start values for the parts that no checkpoint has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = {"multi_modal_projector": new_projector, "volume_compressor": new_compressor}
        if model.model.volume_reader is not None:
            parts["volume_reader.multi_modal_projector"] = new_volume_projector
        for name, part in parts.items():
            module = part(model.config).to(model.model.language_model.dtype)
            module.apply(model._init_weights)
            model.model.set_submodule(name, module)


def _generation(model: MedVLMForConditionalGeneration, processor: MedVLMProcessor, *, own: bool) -> GenerationConfig:
    """Stop at the end of a turn or text, and never generate a placeholder: it would ask for an image that is not there.

    With its own tokenizer a decoder also stops at the other tokens at which it was made to stop.
    """
    settings, tokenizer = model.generation_config, processor.tokenizer
    stops = processor.stop_ids
    made: Any = settings.eos_token_id if own else None
    more = sorted({*(made if isinstance(made, list) else ())} - {*stops})
    settings.eos_token_id = [*stops, *more] if len(stops) + len(more) > 1 else stops[0]
    settings.pad_token_id = tokenizer.pad_token_id
    settings.bos_token_id = tokenizer.bos_token_id
    settings.suppress_tokens = [model.config.image_token_id, model.config.video_token_id]
    return settings
