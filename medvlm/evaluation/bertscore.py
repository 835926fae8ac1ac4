"""BERTScore (Zhang et al. 2020): words of two texts matched by their embeddings in a context."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medvlm.evaluation.published import BERTSCORE
from medvlm.evaluation.text import clean

LONGEST = 512


@lru_cache(maxsize=2)
def load_encoder(folder: str | Path, device: str = "cpu") -> tuple[Any, Any]:
    """A text encoder and its tokenizer.

    Args:
        folder: Of the model.
        device: Where it computes.

    Raises:
        WeightsError: If the folder holds no model.
    """
    from transformers import AutoModel, AutoTokenizer

    path = BERTSCORE.folder(folder)
    return AutoModel.from_pretrained(path).eval().to(device), AutoTokenizer.from_pretrained(path)


@torch.no_grad()
def bert_scores(
    predictions: Sequence[str],
    references: Sequence[str],
    encoder: tuple[Any, Any],
    *,
    layer: int = -1,
    baseline: float | None = None,
) -> list[float]:
    """F1 of greedy matching of word pieces by cosine, without inverse document frequency.

    An empty text scores 0 (the published package stops on it), and texts are cut at 512 pieces.

    Args:
        predictions: Texts given.
        references: Texts wanted.
        encoder: What `load_encoder` gives.
        layer: Whose states are compared: 5 for distilbert in RadEval, 4 for distilroberta.
        baseline: Value to which unrelated texts come, published a model and a layer; scores are rescaled by it.
    """
    scores = []
    for given, wanted in zip(predictions, references, strict=True):
        if not clean(given) or not clean(wanted):
            scores.append(0.0)
            continue
        value = match_f1(_states(given, encoder, layer), _states(wanted, encoder, layer))
        scores.append(value if baseline is None else (value - baseline) / (1 - baseline))
    return scores


def match_f1(given: Tensor, wanted: Tensor) -> float:
    """F1 of two sets of states, each matched with the nearest of the other.

    Args:
        given: ``(N, D)``.
        wanted: ``(M, D)``.

    Examples:
        >>> match_f1(torch.eye(2), torch.eye(2)[:1])
        0.6666666865348816
    """
    near = torch.nn.functional.normalize(given, dim=-1) @ torch.nn.functional.normalize(wanted, dim=-1).T
    precision, recall = near.max(1).values.mean(), near.max(0).values.mean()
    return float(2 * precision * recall / (precision + recall))


def _states(text: str, encoder: tuple[Any, Any], layer: int) -> Tensor:
    """States of the word pieces ``(N, D)``, those of the special tokens left out."""
    model, tokenizer = encoder
    inputs = tokenizer(" ".join(clean(text).split()), truncation=True, max_length=LONGEST, return_tensors="pt")
    inputs = {name: value.to(model.device) for name, value in inputs.items() if name != "token_type_ids"}
    states: Tensor = model(**inputs, output_hidden_states=True).hidden_states[layer][0]
    special = torch.tensor([piece in tokenizer.all_special_ids for piece in inputs["input_ids"][0].tolist()])
    return states[~special.to(states.device)] if not special.all() else states
