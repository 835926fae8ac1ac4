from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from medvlm.models import MedVLMForConditionalGeneration, MedVLMModel, tiny_decoder
from medvlm.models.parts import checkpoint_activations

DECODERS = ["qwen2", "qwen3", "llama", "mistral", "gemma2", "gemma3_text", "granite"]


def ask(processor: Any, question: str, images: Any = (), volumes: Any = ()) -> Any:
    text = "<|user|>" + "<image>" * len(images) + "<volume>" * len(volumes) + question + "<|end|><|assistant|>"
    return processor(
        text=text,
        images=list(images) or None,
        videos=list(volumes) or None,
        return_tensors="pt",
        add_special_tokens=False,
    )


@torch.no_grad()
def logits(model: Any, inputs: Any) -> Any:
    return model(**inputs).logits


def test_image_changes_the_answer(vlm: Any, radiograph: Any, photo: Any) -> None:
    model, processor = vlm
    one, other = (logits(model, ask(processor, "effusion?", [image])) for image in (radiograph, photo))
    assert one.shape == other.shape
    assert (one - other)[:, -1].abs().max() > 1e-3


def test_order_of_two_images_matters(vlm: Any, radiograph: Any, photo: Any) -> None:
    model, processor = vlm
    one = logits(model, ask(processor, "left?", [radiograph, photo]))
    other = logits(model, ask(processor, "left?", [photo, radiograph]))
    assert (one - other)[:, -1].abs().max() > 1e-4


def test_volume_and_image_in_one_question(vlm: Any, radiograph: Any, volume: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "nodule?", [radiograph], [volume])
    assert inputs["pixel_values_videos"].shape == (1, 32, 3, 32, 32)
    assert int((inputs["input_ids"] == model.config.video_token_id).sum()) == 8
    assert torch.isfinite(logits(model, inputs)).all()


def test_chunks_of_slices_change_nothing(vlm: Any, volume: Any) -> None:
    model, processor = vlm
    pixels = processor.image_processor.pixels(volume)[None]
    with torch.no_grad():
        whole = model.get_video_features(pixels).pooler_output[0]
        model.config.slice_chunk = 5
        chunked = model.get_video_features(pixels).pooler_output[0]
    model.config.slice_chunk = 16
    torch.testing.assert_close(chunked, whole, atol=1e-5, rtol=1e-5)


def test_volumes_of_different_length_have_one_budget(vlm: Any) -> None:
    model, _ = vlm
    volumes = [torch.randn(3, 3, 32, 32), torch.randn(9, 3, 32, 32)]
    features = model.get_video_features(volumes).pooler_output
    assert [tuple(part.shape) for part in features] == [(8, 64), (8, 64)]


def test_features_list_one_entry_an_image(vlm: Any) -> None:
    model, _ = vlm
    features = model.get_image_features(torch.randn(3, 3, 32, 32)).pooler_output
    assert [tuple(part.shape) for part in features] == [(4, 64)] * 3


def test_encoded_images_are_used_again(vlm: Any, radiograph: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    encoded = {"image": model.get_image_features(inputs["pixel_values"])}
    again = {"input_ids": inputs["input_ids"], "mm_encoder_outputs": encoded}
    assert torch.equal(logits(model, inputs), logits(model, again))


def test_embeddings_in_place_of_ids(vlm: Any, radiograph: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    given = {"inputs_embeds": embeds, "pixel_values": inputs["pixel_values"]}
    assert torch.equal(logits(model, inputs), logits(model, given))


def test_wrong_number_of_placeholders_is_named(vlm: Any) -> None:
    model, _ = vlm
    ids = torch.full((1, 3), model.config.image_token_id)
    with pytest.raises(ValueError, match=r"3 image placeholders, the 1 image.* have 4 tokens"):
        model(input_ids=ids, pixel_values=torch.zeros(1, 3, 32, 32))


def test_ids_and_embeddings_together_are_refused(vlm: Any) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        vlm[0](input_ids=torch.zeros(1, 1, dtype=torch.long), inputs_embeds=torch.zeros(1, 1, 64))


@pytest.mark.parametrize("extra", [{}, {"num_beams": 2}, {"num_return_sequences": 2, "do_sample": True}])
def test_generate_with_cache_equals_without(vlm: Any, radiograph: Any, extra: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    runs = []
    for use_cache in (True, False):
        torch.manual_seed(0)
        runs.append(model.generate(**inputs, max_new_tokens=6, use_cache=use_cache, **extra))
    assert torch.equal(*runs)


def test_placeholders_are_never_generated(vlm: Any, radiograph: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    torch.manual_seed(0)
    new = model.generate(**inputs, do_sample=True, temperature=50.0, max_new_tokens=200, eos_token_id=None)
    banned = torch.tensor([model.config.image_token_id, model.config.video_token_id])
    assert not torch.isin(new[:, inputs["input_ids"].shape[1] :], banned).any()


def test_left_padded_batch_equals_single(vlm: Any, radiograph: Any, photo: Any) -> None:
    model, processor = vlm
    texts = ["<|user|><image>effusion?<|assistant|>", "<|user|><image><image>Is there a nodule?<|assistant|>", "no"]
    batch = processor(text=texts, images=[[radiograph], [photo, radiograph], []], padding=True, return_tensors="pt")
    positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    together = logits(model, {**batch, "position_ids": positions})
    singles = [ask_raw(processor, texts[0], [radiograph]), ask_raw(processor, texts[1], [photo, radiograph])]
    for row, single in zip(together, [*singles, ask_raw(processor, texts[2], [])], strict=True):
        alone = logits(model, single)[0]
        torch.testing.assert_close(row[-len(alone) :], alone, atol=1e-5, rtol=1e-4)


def ask_raw(processor: Any, text: str, images: Any) -> Any:
    return processor(text=text, images=images or None, return_tensors="pt")


@pytest.mark.parametrize("model_type", DECODERS)
def test_text_logits_equal_the_decoders_own_class(
    make_vlm: Any, tokenizer: Any, model_type: Any, tmp_path: Path
) -> None:
    quirks: dict[str, dict[str, Any]] = {"gemma2": {"final_logit_softcapping": 3.0}}
    quirks["gemma3_text"] = {"final_logit_softcapping": 2.0}
    quirks["granite"] = {"logits_scaling": 4.0, "embedding_multiplier": 2.0}
    numbers = tiny_decoder(model_type, width=64, layers=2, **quirks.get(model_type, {}))
    model, processor = make_vlm(tokenizer, decoder=numbers)
    native = AutoModelForCausalLM.from_config(
        model.config.text_config, attn_implementation=model.get_decoder().config._attn_implementation
    ).eval()
    native.model.load_state_dict(model.get_decoder().state_dict())
    native.lm_head.load_state_dict(model.lm_head.state_dict())
    inputs = ask(processor, "Is there a pleural effusion?")
    torch.testing.assert_close(logits(model, inputs), logits(native, inputs), atol=0, rtol=0)
    hidden = model.model(**inputs).last_hidden_state
    torch.testing.assert_close(model.head(hidden), logits(native, inputs), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("model_type", DECODERS)
def test_every_decoder_generates_and_reloads(
    make_vlm: Any, tokenizer: Any, radiograph: Any, model_type: Any, tmp_path: Path
) -> None:
    model, processor = make_vlm(tokenizer, model_type)
    inputs = ask(processor, "effusion?", [radiograph])
    cached = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert torch.equal(cached, model.generate(**inputs, max_new_tokens=4, do_sample=False, use_cache=False))
    model.save_pretrained(tmp_path)
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again, inputs), logits(model, inputs))


def test_loss_equals_cross_entropy_of_shifted_labels(vlm: Any, radiograph: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    labels = inputs["input_ids"].clone()
    labels[:, :-3] = -100
    out = model(**inputs, labels=labels)
    expected = torch.nn.functional.cross_entropy(out.logits[0, -4:-1], labels[0, -3:])
    torch.testing.assert_close(out.loss, expected)


def test_logits_to_keep(vlm: Any, radiograph: Any) -> None:
    model, processor = vlm
    inputs = ask(processor, "effusion?", [radiograph])
    kept = model(**inputs, logits_to_keep=2).logits
    torch.testing.assert_close(kept, logits(model, inputs)[:, -2:])


def test_tied_weights_stay_tied_after_resizing(make_vlm: Any, tokenizer: Any) -> None:
    model, _ = make_vlm(tokenizer)
    model.resize_token_embeddings(len(tokenizer) + 9)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.out_features == model.config.text_config.vocab_size == len(tokenizer) + 9


def test_untied_head_is_saved_on_its_own(make_vlm: Any, tokenizer: Any, tmp_path: Path) -> None:
    model, _ = make_vlm(tokenizer, decoder=tiny_decoder(width=64, layers=2, tie_word_embeddings=False))
    model.save_pretrained(tmp_path)
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path)
    assert again.lm_head.weight is not again.get_input_embeddings().weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


def test_checkpointing_changes_no_gradient(make_vlm: Any, tokenizer: Any, radiograph: Any, volume: Any) -> None:
    model, processor = make_vlm(tokenizer)
    inputs = ask(processor, "effusion?", [radiograph], [volume])
    before = gradients(model.train(), inputs)
    checkpoint_activations(model)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.model.language_model.modules())
    for name, value in gradients(model, inputs).items():
        torch.testing.assert_close(value, before[name], atol=1e-6, rtol=1e-4)


def gradients(model: Any, inputs: Any) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_every_parameter_gets_a_gradient(make_vlm: Any, tokenizer: Any, radiograph: Any) -> None:
    model, processor = make_vlm(tokenizer)
    inputs = ask(processor, "effusion?", [radiograph])
    assert set(gradients(model.train(), inputs)) == {name for name, _ in model.named_parameters()}


def test_parts_have_the_names_that_others_look_for(vlm: Any) -> None:
    model, _ = vlm
    assert isinstance(model.model, MedVLMModel)
    assert model.get_decoder() is model.model.language_model
    assert model.get_encoder("image") is model.model.vision_tower


def test_same_seed_same_weights(make_vlm: Any, tokenizer: Any) -> None:
    one, other, third = (make_vlm(tokenizer, seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(not torch.equal(one[name], third[name]) for name in one)


def test_half_precision(make_vlm: Any, tokenizer: Any, radiograph: Any) -> None:
    model, processor = make_vlm(tokenizer, dtype=torch.bfloat16)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert torch.isfinite(logits(model, ask(processor, "effusion?", [radiograph]))).all()
