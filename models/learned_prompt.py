"""Prompt tuning: learned tokens that every prompt begins with, all else frozen (Lester et al., EMNLP 2021).

The tokens are rows of the decoder's embedding table with names in the tokenizer, and the chat template writes them
first. So trees, caches, sampling and plain transformers need to know nothing of them. They are trained by peft's
trainable tokens, saved apart like any adapter, and merged by writing them into their rows.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import TrainableTokensConfig
from transformers import AddedToken

from medvlm.study import WeightsError

from .adapters import attach

NAME = "<|learned_{}|>"


def learned_tokens(tokenizer: Any) -> list[str]:
    """Names of the learned tokens that a tokenizer has, in order."""
    names: list[str] = []
    while tokenizer.convert_tokens_to_ids(name := NAME.format(len(names))) not in (None, tokenizer.unk_token_id):
        names.append(name)
    return names


def add_learned_tokens(model: Any, processor: Any, count: int, *, seed: int = 0) -> None:
    """Give a model learned tokens: names, rows that start as those of drawn words, and their place in every prompt.

    Args:
        model: Composed or native.
        processor: Its processor.
        count: How many; as many as are there already change nothing.
        seed: Of the drawn words.

    Raises:
        WeightsError: If the processor has no chat template, or learned tokens in another number.
    """
    if there := len(learned_tokens(processor.tokenizer)):
        if there != count:
            raise WeightsError(f"The model has {there} learned tokens, model.prompt_tokens asks for {count}.")
        return
    written = processor if "native" not in vars(processor) else processor.native
    if not isinstance(written.chat_template, str):
        raise WeightsError("The model has no chat template: there is no place for learned tokens in its prompts.")
    names = [NAME.format(index) for index in range(count)]
    known = len(processor.tokenizer)
    processor.tokenizer.add_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    ids = processor.tokenizer.convert_tokens_to_ids(names)
    if len(model.get_input_embeddings().weight) <= max(ids):
        model.resize_token_embeddings(max(ids) + 1, mean_resizing=False)
    if model.device.type != "meta":
        _draw(model.get_input_embeddings().weight, ids, known, seed)
    written.chat_template = "{{- '" + "".join(names) + "' -}}" + written.chat_template
    model.config.learned_token_ids = list(ids)
    settings = model.generation_config
    settings.suppress_tokens = sorted({*(settings.suppress_tokens or ()), *ids})


@torch.no_grad()
def _draw(table: torch.Tensor, ids: list[int], known: int, seed: int) -> None:
    """Start learned rows as those of words that are drawn without repetition."""
    words = torch.randperm(min(known, min(ids)), generator=torch.Generator().manual_seed(seed))
    table[ids] = table[words[torch.arange(len(ids)) % len(words)].to(table.device)]


def plan_learned_tokens(model: Any, count: int) -> None:
    """Let a model on the meta device stand for one with ``count`` learned tokens."""
    if not getattr(model.config, "learned_token_ids", None):
        model.config.learned_token_ids = list(range(count))


def train_learned_tokens(model: Any) -> None:
    """Freeze a model but for its learned tokens, in place.

    Raises:
        WeightsError: If it has none.
    """
    ids: list[int] = getattr(model.config, "learned_token_ids", None) or []
    if not ids:
        raise WeightsError(
            "The model has no learned tokens: this run's folder was made without model.prompt_tokens. Start anew "
            "(name=NAME), or leave it out."
        )
    table = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is table)
    attach(model, TrainableTokensConfig(token_indices=list(ids), target_modules=[name]))
