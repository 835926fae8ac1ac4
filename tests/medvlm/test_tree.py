"""The prefix tree gives what one row per branch gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.logps import branch_logps
from medvlm.rows import pack
from medvlm.tree import Tree

SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
}
DECODERS: dict[str, dict[str, Any]] = {
    "qwen2": {},
    "qwen3": {},
    "llama": {},
    "mistral": {"sliding_window": 5},
    "gemma2": {"sliding_window": 4, "query_pre_attn_scalar": 8},
    "gemma3_text": {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    "qwen2-sliding": {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
}


def decoder(name: str) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(name.partition("-")[0], **SMALL | DECODERS[name])
    return AutoModelForCausalLM.from_config(config).eval()


def trees() -> list[Tree]:
    """Ragged trees: three branches, one branch, and answers below questions below one context."""
    draw = torch.Generator().manual_seed(1)

    def tokens(count: int) -> list[int]:
        return torch.randint(1, 97, (count,), generator=draw).tolist()

    first, second, third = Tree.of(tokens(9)), Tree.of(tokens(4)), Tree.of(tokens(6))
    for count in (3, 7, 5):
        first.add(tokens(count))
    second.add(tokens(8), [0.0, 0.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    for count in (2, 4):
        question = third.add(tokens(count), [0.0] * count)
        for answer in (1, 5):
            third.add(tokens(answer), parent=question)
    return [first, second, third]


def row_by_row(model: Any, forest: list[Tree]) -> Tensor:
    """The same log-probabilities by plain forwards, one sequence a branch, in the order of `pack`."""
    values = []
    for tree in forest:
        for segment in tree.segments:
            path, parent = [segment.tokens], segment.parent
            while parent >= 0:
                path.insert(0, tree.segments[parent].tokens)
                parent = tree.segments[parent].parent
            ids = torch.tensor([[token for part in path for token in part]])
            logps = model(ids, use_cache=False).logits.float().log_softmax(-1)[0]
            start = ids.shape[1] - len(segment.tokens)
            for offset, weight in enumerate(segment.weights):
                if weight:
                    values.append(logps[start + offset - 1, ids[0, start + offset]])
    return torch.stack(values)


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("name", DECODERS)
def test_log_probabilities_equal_one_row_per_branch(name: str, padding_side: Any) -> None:
    model, forest = decoder(name), trees()
    logps, _ = branch_logps(model, pack(forest, 0, padding_side=padding_side))
    torch.testing.assert_close(logps, row_by_row(model, forest), atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_eager_and_sdpa_mean_the_same_mask(attention: str) -> None:
    model, forest = decoder("gemma3_text"), trees()
    model.set_attn_implementation(attention)
    logps, _ = branch_logps(model, pack(forest, 0))
    torch.testing.assert_close(logps, row_by_row(model, forest), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["qwen3", "llama", "gemma3_text"])
def test_gradients_equal_one_row_per_branch(name: str) -> None:
    forest, grads = trees(), []
    for compute in (lambda m: branch_logps(m, pack(forest, 0))[0], lambda m: row_by_row(m, forest)):
        model = decoder(name)
        compute(model).sum().backward()
        grads.append({key: value.grad for key, value in model.named_parameters() if value.grad is not None})
    for key, grad in grads[0].items():
        # fp32 sums over tens of tokens in another order: relative to the largest entry of the tensor
        torch.testing.assert_close(grad, grads[1][key], atol=1e-5 * max(1.0, float(grad.abs().max())), rtol=1e-4)


def test_lora_layers_take_part() -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base = decoder("qwen3")
    model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)).eval()
    forest = trees()
    logps, _ = branch_logps(model, pack(forest, 0))
    torch.testing.assert_close(logps, row_by_row(model, forest), atol=1e-5, rtol=0)
    with model.disable_adapter():
        without, _ = branch_logps(model, pack(forest, 0))
    assert (logps - without).abs().max() > 1e-3


def test_a_sibling_is_never_seen() -> None:
    model = decoder("qwen3")
    one, two = Tree.of([5, 6, 7]), Tree.of([5, 6, 7])
    one.add([8, 9])
    two.add([8, 9])
    two.add([90, 91, 92])
    alone, _ = branch_logps(model, pack([one], 0))
    both, _ = branch_logps(model, pack([two], 0))
    torch.testing.assert_close(both[:2], alone, atol=1e-6, rtol=0)


def test_what_branches_begin_with_stands_there_once() -> None:
    draw = torch.Generator().manual_seed(2)
    sequences = [torch.randint(1, 4, (size,), generator=draw).tolist() for size in (5, 1, 4, 5, 5, 3, 2, 6)]
    tree = Tree.of([9, 9])
    question = tree.add([8], [0.0])
    paths = tree.share([*sequences, sequences[0]], parent=question)
    spelled = [[token for index in path for token in tree.segments[index].tokens] for path in paths]
    assert spelled == [*sequences, sequences[0]]
    beginnings = {tuple(sequence[: end + 1]) for sequence in sequences for end in range(len(sequence))}
    assert tree.starts[-1] == len(beginnings)
    model = decoder("qwen3")
    found, _ = branch_logps(model, pack([tree], pad_id=0))
    torch.testing.assert_close(found, row_by_row(model, [tree]), atol=1e-5, rtol=1e-5)


def test_from_sequences_shares_prompts_only() -> None:
    tree = Tree.from_sequences([[1, 2, 3, 4], [1, 2, 3, 5]], [[0, 0, 1, 1], [0, 0, 1, 1]])
    assert [segment.tokens for segment in tree.segments] == [[1, 2], [3, 4], [3, 5]]
    assert pack([tree], 0).weights.sum() == 4


def test_entropy_of_a_flat_head_is_log_vocabulary() -> None:
    model = decoder("llama")
    torch.nn.init.zeros_(model.get_output_embeddings().weight)
    _, entropy = branch_logps(model, pack(trees(), 0))
    torch.testing.assert_close(entropy, torch.full_like(entropy, torch.tensor(97.0).log().item()))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Tree.of([]), "context"),
        (lambda: Tree.of([1]).add([]), "at least one token"),
        (lambda: Tree.of([1]).add([2], [1.0, 1.0]), "2 weights"),
        (lambda: Tree.of([1]).add([2], parent=7), "Parent 7"),
        (lambda: Tree.of([1]).share([[2], []]), "at least one token"),
        (lambda: pack([], 0), "no tree"),
    ],
)
def test_a_broken_tree_says_why(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
