"""Taking dead columns out of the cache changes no answer, and the cache is what concatenation gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from medvlm.generation import sampling
from medvlm.generation.cache import RowCache
from medvlm.generation.draws import pick
from medvlm.generation.sampling import sample
from medvlm.tree import Tree


def decoder() -> Any:
    torch.manual_seed(3)
    small = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "eos_token_id": 1}
    config = AutoConfig.for_model("qwen3", **small, **heads, initializer_range=0.5)
    return AutoModelForCausalLM.from_config(config).eval().double()


def answers(model: Any, seed: int) -> Any:
    """Many samples that end at different times, below a long, a short and a nested context."""
    long, short, nested = Tree.of(range(5, 25)), Tree.of([11]), Tree.of([20, 21, 22])
    for question in ([30, 31], [32]):
        nested.add(question, [0.0] * len(question))
    draw = torch.Generator().manual_seed(seed)
    return sample(model, [long, short, nested], n=6, max_new_tokens=30, stop=range(1, 5), generator=draw)


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_no_branch_sees_can_go(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, taken, plain = decoder(), [], RowCache.take

    def counted(self: RowCache, rows: Tensor, columns: Tensor) -> None:
        taken.append(columns.shape)
        plain(self, rows, columns)

    monkeypatch.setattr(RowCache, "take", counted)
    found = {}
    for live in (0.0, 1.0):  # only rows go; every dead column goes at once
        taken.clear()
        monkeypatch.setattr(sampling, "LIVE", live)
        found[live] = answers(model, seed), len(taken)
    assert found[1.0][1] > found[0.0][1]
    for leaves, others in zip(found[0.0][0], found[1.0][0], strict=True):
        for left, right in zip(leaves, others, strict=True):
            assert [one.tokens for one in left] == [one.tokens for one in right]
            assert [one.logps for one in left] == pytest.approx([pytest.approx(o.logps, abs=1e-6) for o in right])
    lengths = {len(one.tokens) for leaves in found[1.0][0] for left in leaves for one in left}
    assert len(lengths) > 5


def test_growing_is_concatenation() -> None:
    draw, ours, theirs = torch.Generator().manual_seed(0), RowCache(), DynamicCache()
    for columns in (7, 1, 3, 20, 2):
        part = torch.randn(2, 3, 4, columns, 5, generator=draw)
        for layer in range(2):
            found, wanted = ours.update(part[0], -part[1], layer), theirs.update(part[0], -part[1], layer)
            assert all(torch.equal(one, two) for one, two in zip(found, wanted, strict=True))
        assert ours.get_seq_length() == theirs.get_seq_length()


def test_take_keeps_rows_and_columns_and_grows_on() -> None:
    keys, cache = torch.arange(12.0).reshape(3, 1, 4, 1), RowCache()
    cache.update(keys, -keys, 0)
    cache.take(torch.tensor([2, 0]), torch.tensor([[3, 1], [0, 2]]))
    found, values = cache.update(torch.full((2, 1, 1, 1), 99.0), torch.zeros(2, 1, 1, 1), 0)
    assert found[:, 0, :, 0].tolist() == [[11, 9, 99], [0, 2, 99]]
    assert values[:, 0, :, 0].tolist() == [[-11, -9, 0], [0, -2, 0]]
    assert keys.flatten().tolist() == list(range(12))


class Fixed:
    """Random numbers of our choice in the place of ``torch.rand``."""

    def __init__(self, *numbers: float) -> None:
        self.numbers = torch.tensor(numbers, dtype=torch.float64)[:, None]

    def __call__(self, *shape: Any, **more: Any) -> Tensor:
        return self.numbers


def test_the_smallest_and_the_largest_random_number_hit_words_that_have_a_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chances = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).repeat(4, 1)
    monkeypatch.setattr(torch, "rand", Fixed(0.0, 0.2499, 0.25, 1 - 2**-53))
    assert pick(chances, None)[:, 0].tolist() == [1, 1, 3, 3]
