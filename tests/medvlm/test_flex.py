"""Flex attention's rule says of every pair of tokens what the dense mask says; on a CPU it is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.flex import block_mask, tree_rule
from medvlm.logps import branch_logps
from medvlm.models import tiny_vlm, train_tokenizer
from medvlm.models.native.layout import Layout
from medvlm.rows import Rows, pack, visible
from medvlm.settings import ModelSettings
from medvlm.study import WeightsError
from medvlm.training.fitting import prepare_parts
from medvlm.tree import Tree

NUMBERS = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
           "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0}  # fmt: skip
IMAGE = 5


def trees() -> list[Tree]:
    """Two ragged trees with answers below questions; the context of the first shows an image of four tokens."""
    first = Tree.of([1, IMAGE, IMAGE, IMAGE, IMAGE, 2, 3])
    for question in ([11, 12], [13, 14, 15]):
        parent = first.add(question, [0.0] * len(question))
        for answer in ([21], [22, 23, 24]):
            first.add(answer, parent=parent)
    second = Tree.of([7, 8, 9])
    second.add(list(range(30, 38)))
    return [first, second]


def packed(side: Any, ahead: Any) -> Rows:
    layout = None if ahead == "none" else Layout(IMAGE, None, ahead)
    return pack(trees(), 0, padding_side=side, layout=layout)


def dense(rows: Rows, window: int | None) -> Tensor:
    place = (rows.segments, rows.positions)
    blocks = None if rows.blocks is None else (rows.blocks, rows.blocks)
    return visible(place, place, rows.ancestors, window, blocks)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("ahead", ["none", "image"])
def test_the_rule_is_the_dense_mask(side: str, window: int | None, ahead: str) -> None:
    rows = packed(side, ahead)
    batch, length = rows.ids.shape
    grid = torch.meshgrid(torch.arange(batch), torch.arange(length), torch.arange(length), indexing="ij")
    found = tree_rule(rows, window)(grid[0], torch.zeros_like(grid[0]), grid[1], grid[2])
    padded = rows.segments < 0
    assert torch.equal(found[~padded], dense(rows, window)[~padded])
    assert torch.equal(found[padded], torch.eye(length, dtype=torch.bool).expand(batch, -1, -1)[padded])


def test_blocks_that_see_nothing_are_skipped() -> None:
    tree = Tree.of(list(range(1, 129)))
    for _ in range(3):
        tree.add(list(range(1, 129)))
    blocks: Any = block_mask(pack([tree], 0))
    # each of three branches sees the context and itself; the context itself alone
    assert blocks.to_dense()[0, 0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]


def flexed(name: str, **more: Any) -> tuple[Any, Any]:
    """The same decoder with SDPA and with flex attention."""
    both = []
    for attention in ("sdpa", "flex_attention"):
        torch.manual_seed(0)
        config = AutoConfig.for_model(name, **NUMBERS, **more, attn_implementation=attention)
        both.append(AutoModelForCausalLM.from_config(config).eval())
    return both[0], both[1]


def test_on_a_cpu_it_says_what_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WeightsError, match=r"flex_attention needs a CUDA device.* Take sdpa"):
        branch_logps(flexed("qwen3")[1], pack(trees(), 0))


def test_a_recipe_chooses_how_its_decoder_attends(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = tiny_vlm(train_tokenizer(["left"], 300), image_size=32)
    rows = pack(trees()[1:], 0)
    before = branch_logps(model, rows)[0]
    vision = model.config.vision_config._attn_implementation
    prepare_parts(model, ModelSettings(attention="eager"))
    assert model.get_decoder().config._attn_implementation == "eager"
    assert model.config.vision_config._attn_implementation == vision
    torch.testing.assert_close(branch_logps(model, rows)[0], before)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(WeightsError, match="needs a CUDA device"):
        prepare_parts(model, ModelSettings(attention="flex_attention"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen3", "gemma3_text"])
def test_scores_are_those_of_sdpa(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]} if "gemma" in name else {}
    sdpa, flex = flexed(name, **more)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("medvlm.logps.wants_flex", lambda config: config._attn_implementation == "flex_attention")
    rows = pack(trees(), 0)
    with torch.no_grad():
        torch.testing.assert_close(branch_logps(flex, rows)[0], branch_logps(sdpa, rows)[0], atol=1e-5, rtol=1e-5)
