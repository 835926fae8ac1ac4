"""Sampling over the shared cache is sampling from the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.generation.sampling import sample
from medvlm.logps import branch_logps
from medvlm.rows import pack
from medvlm.tree import Tree

KINDS: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "llama": {},
    "gemma3_text": {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
}


def decoder(name: str) -> Any:
    torch.manual_seed(3)
    small = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0, "eos_token_id": 1}
    config = AutoConfig.for_model(name, **small, **heads, initializer_range=0.5, **KINDS[name])
    return AutoModelForCausalLM.from_config(config).eval()


def prompts() -> list[Tree]:
    one, two, three = Tree.of([5, 6, 7, 8, 9, 10]), Tree.of([11, 12]), Tree.of([20, 21, 22, 23])
    for question in ([30, 31], [32]):
        three.add(question, [0.0] * len(question))
    return [one, two, three]


def sequences(tree: Tree) -> list[list[int]]:
    return [(tree.segments[0].tokens if leaf else []) + tree.segments[leaf].tokens for leaf in tree.leaves]


@pytest.mark.parametrize("name", KINDS)
def test_greedy_equals_hugging_face_generate(name: str) -> None:
    model = decoder(name)
    found = sample(model, prompts(), max_new_tokens=9, temperature=0.0, stop=[1])
    for tree, leaves in zip(prompts(), found, strict=True):
        for prompt, (answer,) in zip(sequences(tree), leaves, strict=True):
            ids = torch.tensor([prompt])
            wanted = model.generate(ids, max_new_tokens=9, do_sample=False, attention_mask=torch.ones_like(ids))
            assert list(answer.tokens) == wanted[0, len(prompt) :].tolist()


@pytest.mark.parametrize("name", KINDS)
def test_sampled_log_probabilities_equal_teacher_forced_ones(name: str) -> None:
    model, forest = decoder(name).double(), prompts()  # in fp32 such weights round to 2e-5 on some draws, 1e-6 is exact
    found = sample(model, forest, n=3, max_new_tokens=7, temperature=0.7, stop=[1])
    sampled: list[float] = []
    for tree, leaves in zip(forest, found, strict=True):
        for leaf, answers in zip(tree.leaves, leaves, strict=True):
            for answer in answers:
                tree.add(answer.tokens, parent=leaf)
                sampled += answer.logps
    logps, _ = branch_logps(model, pack(forest, 0), temperature=0.7)
    torch.testing.assert_close(logps, torch.tensor(sampled), atol=1e-6, rtol=0)


def test_samples_follow_the_models_distribution() -> None:
    model = decoder("llama")
    tree = Tree.of([5, 6, 7])
    ((answers,),) = sample(
        model, [tree], n=4000, max_new_tokens=1, stop=[1], generator=torch.Generator().manual_seed(0)
    )
    counts = torch.bincount(torch.tensor([answer.tokens[0] for answer in answers]), minlength=61) / 4000
    wanted = model(torch.tensor([[5, 6, 7]])).logits[0, -1].softmax(-1)
    assert (counts - wanted).abs().sum() < 0.15  # total variation of 4,000 draws over 61 words stays near 0.05


def test_the_seed_decides() -> None:
    model = decoder("qwen3")

    def run(seed: int) -> Any:
        draw = torch.Generator().manual_seed(seed)
        return sample(model, prompts(), n=2, max_new_tokens=6, stop=[1], generator=draw)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_stop_ends_and_limit_cuts() -> None:
    model = decoder("llama")
    ((cut,),) = sample(model, [Tree.of([5])], max_new_tokens=4, temperature=0.0, stop=[])
    assert len(cut[0].tokens) == 4
    assert not cut[0].finished
    ((ended,),) = sample(model, [Tree.of([5])], max_new_tokens=4, temperature=0.0, stop=[cut[0].tokens[1]])
    assert ended[0].tokens == cut[0].tokens[:2]
    assert ended[0].finished


def test_banned_tokens_are_never_drawn() -> None:
    model = decoder("qwen3")
    free = sample(model, prompts(), max_new_tokens=5, temperature=0.0, stop=[])
    first = free[0][0][0].tokens[0]
    bound = sample(model, prompts(), max_new_tokens=5, temperature=0.0, stop=[], banned=[first])
    assert all(first not in answer.tokens for leaves in bound for answers in leaves for answer in answers)
