"""Prompt tuning: learned tokens are trained alone, saved apart, merged, and part of every prompt from then on."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from medvlm.generation.prompts import Prompter
from medvlm.logps import branch_logps
from medvlm.models import build_vlm, load_vlm, save_lora, tiny_decoder
from medvlm.models.learned_prompt import add_learned_tokens, learned_tokens, train_learned_tokens
from medvlm.models.merge import can_switch_off, merge_lora
from medvlm.rows import pack
from medvlm.study import Sample, WeightsError
from medvlm.tree import Tree

ENCODER = {"name": "siglip_tiny", "image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "heads": 2}
QUESTION = Sample("1", (), "Is there a pleural effusion?", "yes", "closed")


def prompted(tokenizer: Any, count: int = 3, *, tied: bool = True) -> Any:
    decoder = tiny_decoder(width=32, layers=1, heads=2) | {"tie_word_embeddings": tied}
    own = deepcopy(tokenizer)  # the shared one must not learn the names
    model, processor = build_vlm(encoder=ENCODER, decoder=decoder, tokenizer=own)
    add_learned_tokens(model, processor, count)
    return model.eval(), processor


def logps(model: Any, processor: Any) -> Any:
    prompter = Prompter(processor)
    tree = Tree.of(prompter.prompt(QUESTION))
    tree.add(prompter.completion("yes"))
    return branch_logps(model, pack([tree], 0))[0]


@torch.no_grad()
def scored(model: Any, processor: Any) -> Any:
    return logps(model, processor)


def train(model: Any, processor: Any) -> None:
    train_learned_tokens(model)
    optimizer = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=5.0)
    for _ in range(3):
        optimizer.zero_grad()
        (-logps(model, processor).mean()).backward()
        optimizer.step()


def test_every_prompt_begins_with_them_and_they_are_never_drawn(tokenizer: Any) -> None:
    model, processor = prompted(tokenizer)
    ids = processor.tokenizer.convert_tokens_to_ids(learned_tokens(processor.tokenizer))
    prompter = Prompter(processor)
    assert prompter.prompt(QUESTION)[:3] == ids == model.config.learned_token_ids
    assert {*ids} <= {*prompter.banned} & {*model.generation_config.suppress_tokens}


@pytest.mark.parametrize("tied", [True, False])
def test_only_they_are_trained_and_the_loss_falls(tokenizer: Any, tied: bool) -> None:
    model, processor = prompted(tokenizer, tied=tied)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    start = float(scored(model, processor).mean())
    train(model, processor)
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert sum(weight.numel() for weight in trained.values()) == 3 * 32
    assert float(scored(model, processor).mean()) > start
    kept = {name.replace(".base_layer", ""): weight for name, weight in model.named_parameters() if name not in trained}
    assert all(torch.equal(weight, before[name]) for name, weight in kept.items())
    model.disable_adapters()
    assert float(scored(model, processor).mean()) == pytest.approx(start, abs=1e-5)
    assert can_switch_off(model)


@pytest.mark.parametrize("tied", [True, False])
def test_saved_apart_and_merged_they_give_the_same(tokenizer: Any, tied: bool, tmp_path: Path) -> None:
    model, processor = prompted(tokenizer, tied=tied)
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    train(model, processor)
    trained = scored(model, processor)
    save_lora(model, tmp_path / "apart")
    assert (tmp_path / "apart" / "adapter_model.safetensors").stat().st_size < 4096
    other, again = load_vlm(tmp_path / "base", adapter=tmp_path / "apart")
    torch.testing.assert_close(scored(other, again), trained)
    merge_lora(model)
    model.save_pretrained(tmp_path / "merged")
    processor.save_pretrained(tmp_path / "merged")
    torch.testing.assert_close(scored(*load_vlm(tmp_path / "merged")), trained)
    text = AutoProcessor.from_pretrained(tmp_path / "merged").apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": "a"}]}], tokenize=False
    )
    assert text.startswith("<|learned_0|><|learned_1|><|learned_2|>")


def test_another_number_and_none_are_refused(tokenizer: Any) -> None:
    model, processor = prompted(tokenizer)
    add_learned_tokens(model, processor, 3)
    with pytest.raises(WeightsError, match=r"has 3 learned tokens, .* asks for 4"):
        add_learned_tokens(model, processor, 4)
    model, processor = build_vlm(encoder=ENCODER, decoder=tiny_decoder(width=32), tokenizer=tokenizer)
    with pytest.raises(WeightsError, match="has no learned tokens"):
        train_learned_tokens(model)
    processor.chat_template = None
    with pytest.raises(WeightsError, match="no chat template"):
        add_learned_tokens(model, processor, 3)
