"""Every decoder that can be composed: from a folder and from numbers, resized, tied, stopped, exact in a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.generation.sampling import sample
from medvlm.logps import branch_logps
from medvlm.models import MedVLMForConditionalGeneration, build_vlm, tiny_decoder, train_tokenizer
from medvlm.models.adapters import lora_targets
from medvlm.models.tokenizer import add_placeholders, chat_template
from medvlm.rows import pack
from medvlm.study import WeightsError
from medvlm.tree import Tree

DECODERS: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "llama": {"tie_word_embeddings": False},
    "mistral": {"sliding_window": 6},
    "gemma": {},
    "gemma2": {"sliding_window": 6, "query_pre_attn_scalar": 16},
    "gemma3_text": {"sliding_window": 6},
    "phi": {"tie_word_embeddings": False},
    "phi3": {"sliding_window": 6, "tie_word_embeddings": False},
    "smollm3": {},
    "gpt2": {},
    "gpt_neox": {"tie_word_embeddings": False},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "cohere": {"logit_scale": 0.3},
    "granite": {"logits_scaling": 3.0},
    "starcoder2": {},
    "mixtral": {"num_local_experts": 2},
}
TOWER = {"name": "siglip_tiny", "image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}


def numbers(name: str) -> dict[str, Any]:
    return tiny_decoder(name, width=32, layers=2, heads=2, kv_heads=1, **DECODERS[name])


def compose(name: str, tokenizer: Any, folder: Path | None = None) -> Any:
    decoder: Any = numbers(name)
    if folder is not None:
        config = AutoConfig.for_model(**decoder, vocab_size=len(tokenizer) - 4, pad_token_id=0, eos_token_id=[1, 9])
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        decoder, tokenizer = str(folder), None
    compressor = {"kind": "slices_pool", "tokens": 2, "depth": 2}
    model, processor = build_vlm(encoder=TOWER, decoder=decoder, compressor=compressor, tokenizer=tokenizer)
    return model.eval(), processor


@pytest.fixture(params=DECODERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["numbers", "folder"])
def pair(request: pytest.FixtureRequest, name: str, tokenizer: Any, tmp_path: Path) -> Any:
    return compose(name, tokenizer, tmp_path / "decoder" if request.param == "folder" else None)


def row(model: Any, ids: list[int], features: Any) -> Any:
    encoded = {"image": {"pooler_output": features}}
    return model(input_ids=torch.tensor([ids]), mm_encoder_outputs=encoded, use_cache=False).logits[0].float()


@torch.no_grad()
def test_a_tree_over_an_image_equals_one_row_per_branch(pair: Any) -> None:
    model, _ = pair
    context = [40, *[model.config.image_token_id] * 4, 41, 42]
    branches = [[50, 51, 52], [60], [70, 71, 72, 73]]
    features = model.get_image_features(torch.randn(1, 3, 16, 16)).pooler_output
    tree = Tree.of(context)
    for branch in branches:
        tree.add(branch)
    found, _ = branch_logps(model, pack([tree], 0), features)
    wanted = []
    for branch in branches:
        logps = row(model, context + branch, features).log_softmax(-1)[len(context) - 1 : -1]
        wanted.append(logps.gather(1, torch.tensor(branch)[:, None])[:, 0])
    torch.testing.assert_close(found, torch.cat(wanted), atol=1e-5, rtol=0)


@torch.no_grad()
def test_our_sampler_and_generate_agree(name: str, tokenizer: Any) -> None:
    model, _ = compose(name, tokenizer)
    ids = torch.tensor([[40, 41, 42, 43]])
    settings = model.generation_config
    settings.eos_token_id = settings.suppress_tokens = None
    wanted = model.generate(input_ids=ids, max_new_tokens=4, do_sample=False)[0, 4:].tolist()
    found = sample(model, [Tree.of(ids[0].tolist())], max_new_tokens=4, temperature=0.0, stop=())
    assert list(found[0][0][0].tokens) == wanted


def test_resized_tied_saved_and_loaded(pair: Any, name: str, tmp_path: Path) -> None:
    model, processor = pair
    tied = numbers(name)["tie_word_embeddings"]
    size = len(processor.tokenizer)
    model.resize_token_embeddings(size + 3)
    model.save_pretrained(tmp_path / "whole")
    again = MedVLMForConditionalGeneration.from_pretrained(tmp_path / "whole").eval()
    for one in (model, again):
        embeddings = one.get_input_embeddings().weight
        assert (one.get_output_embeddings().weight is embeddings) == tied
        assert len(embeddings) == one.config.text_config.vocab_size == size + 3
        assert embeddings[size - 4 :].isfinite().all()
        assert 0 < embeddings[size - 2].detach().abs().max() < 4  # a new row: drawn, not left as it was found in memory
    ids = {"input_ids": torch.tensor([[40, 41, size - 1]])}
    with torch.no_grad():
        assert torch.equal(again(**ids).logits, model(**ids).logits)


def test_a_folder_keeps_its_stop_tokens(tokenizer: Any, tmp_path: Path) -> None:
    model, processor = compose("llama", tokenizer, tmp_path)
    assert processor.tokenizer.eos_token_id == 1
    assert model.generation_config.eos_token_id == [1, 9]
    assert compose("llama", tokenizer)[0].generation_config.eos_token_id == 1


def test_gpt2_is_adapted_too(tokenizer: Any) -> None:
    targets = lora_targets(compose("gpt2", tokenizer)[0], ["decoder"])
    assert {target.rpartition(".")[2] for target in targets} == {"c_attn", "c_proj", "c_fc"}


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        ({"model_type": "mamba"}, "linear_attention would carry"),
        ({"model_type": "lfm2", "num_hidden_layers": 2, "full_attn_idxs": [1]}, "conv would carry"),
        ({"model_type": "qwen3_next", "num_hidden_layers": 4}, "linear_attention would carry"),
        ({"model_type": "llama4_text"}, "chunked_attention would carry"),
        ({"model_type": "bloom"}, "takes no positions"),
        ({"model_type": "gpt_neo"}, "takes no positions"),
        ({"model_type": "bert", "is_decoder": True}, "both directions"),
        ({"model_type": "opt", "word_embed_proj_dim": 8}, "another width"),
        ({"model_type": "siglip_vision_model"}, "no causal language model"),
    ],
)
def test_what_cannot_be_composed_says_why(tokenizer: Any, decoder: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        build_vlm(decoder=decoder, tokenizer=tokenizer)


def test_a_head_that_is_not_understood_is_refused(
    tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MedVLMForConditionalGeneration, "head", lambda self, hidden: 2 * self.lm_head(hidden))
    with pytest.raises(WeightsError, match="changes the scores of its head"):
        compose("llama", tokenizer, tmp_path)


# --- chat templates --------------------------------------------------------------------------------------------------

CHAT: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "left?"}]},
    {"role": "assistant", "content": "no"},
]


def render(template: str | dict[str, str] | None, given: str | None = None, *, eos: str = "<|end|>") -> str:
    tokenizer: Any = train_tokenizer(["left"], 300)
    tokenizer.chat_template, tokenizer.eos_token = template, eos
    text: str = tokenizer.apply_chat_template(CHAT, chat_template=chat_template(tokenizer, given), tokenize=False)
    return text


def test_a_template_that_refuses_a_system_message_gets_it_with_the_users() -> None:
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    own = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert render(refuses + own) == "[user]Be brief.\n<image>left?[assistant]no"
    assert render({"default": own, "tools": "x"}) == "[system]Be brief.[user]<image>left?[assistant]no"


def test_a_supplied_template_ends_as_the_decoder_does() -> None:
    assert render(None, "short", eos="</s>") == "<|system|>Be brief.<|user|><image>left?<|assistant|>no</s>"


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = train_tokenizer(["left"], 300)
    tokenizer.eos_token = None
    with pytest.raises(WeightsError, match="no token that ends a text"):
        add_placeholders(tokenizer)
