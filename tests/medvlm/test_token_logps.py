"""Scores in chunks are the scores at once: values, gradients, soft cap, temperature, nothing at all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm import logps as module
from medvlm.logps import token_logps


def decoder(name: str) -> Any:
    torch.manual_seed(0)
    small = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "head_dim": 8}
    more = {"final_logit_softcapping": 3.0} if name == "gemma2" else {}
    config = AutoConfig.for_model(name, **small, num_attention_heads=4, num_key_value_heads=2, **more)
    return AutoModelForCausalLM.from_config(config).double()


def at_once(model: Any, hidden: Tensor, tokens: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    scores = model.lm_head(hidden)
    if model.config.model_type == "gemma2":
        scores = torch.tanh(scores / 3) * 3
    told = torch.distributions.Categorical(logits=scores / temperature)
    return told.log_prob(tokens), told.entropy()


@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_chunks_change_nothing(name: str, temperature: float, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_SCORES", kept)
    monkeypatch.setattr(module, "CHUNK_TOKENS", 4)
    monkeypatch.setattr(module, "CHUNK_SCORES", 5 * 97)
    model, draw = decoder(name), torch.Generator().manual_seed(1)
    hidden = torch.randn(13, 32, generator=draw, dtype=torch.float64)
    tokens, weights = torch.randint(97, (13,), generator=draw), torch.randn(13, generator=draw)
    grads = []
    for compute in (
        lambda h: token_logps(model, h, tokens, temperature=temperature),
        lambda h: at_once(model, h, tokens, temperature),
    ):
        model.zero_grad()
        source = hidden.clone().requires_grad_()
        logps, entropy = compute(source)
        (weights * logps).sum().backward()
        grads.append((logps.detach(), entropy.detach(), source.grad, model.lm_head.weight.grad.clone()))
    for found, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0, check_dtype=False)
    assert not token_logps(model, hidden, tokens)[1].requires_grad


def test_no_token_is_no_error() -> None:
    logps, entropy = token_logps(decoder("llama"), torch.zeros(0, 32).double(), torch.zeros(0, dtype=torch.long))
    assert logps.shape == entropy.shape == (0,)
