"""FLOPs of a train step by formula are those that torch counts; without a GPU nothing is claimed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.logps import branch_logps
from medvlm.rows import pack
from tools.bench import mfu
from tools.bench import model as bench

WORK = mfu.Work(contexts=2, context=40, answers=3, answer=8)
TINY = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 211}  # fmt: skip


@pytest.mark.parametrize("name", ["llama", "qwen3"])
@pytest.mark.parametrize("shared", [True, False])
def test_the_formula_counts_what_torch_counts(name: str, shared: bool) -> None:
    config = AutoConfig.for_model(name, **TINY, attn_implementation="eager")
    model: Any = AutoModelForCausalLM.from_config(config)
    rows = pack(WORK.trees(shared=shared), 0)
    with FlopCounterMode(display=False) as counter:
        (-branch_logps(model, rows)[0].mean()).backward()
    counted = mfu.step_flops(config, [rows.ids.shape[1]] * len(rows.ids), len(rows.target))
    assert counter.get_total_flops() == pytest.approx(counted, rel=2e-3)  # rotary angles are a product too


def test_the_tree_is_less_work_for_as_many_answers() -> None:
    tree, alone = WORK.trees(shared=True), WORK.trees(shared=False)
    assert (len(tree), len(alone)) == (2, 6)
    assert sum(map(len, tree)) == 2 * (40 + 3 * 8)
    assert len(pack(tree, 0).target) == len(pack(alone, 0).target) == 2 * 3 * 8


@pytest.mark.parametrize(("name", "parameters"), [("1b", 1.24e9), ("4b", 4.02e9)])
def test_sizes_are_what_they_are_called(name: str, parameters: float) -> None:
    numbers = dict(mfu.SIZES[name])
    with torch.device("meta"):
        config = AutoConfig.for_model(numbers.pop("model_type"), **numbers)
        model = AutoModelForCausalLM.from_config(config)
    assert model.num_parameters() == pytest.approx(parameters, rel=0.01)


def test_without_a_gpu_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="nothing was measured"):
        bench.main(["--mfu", "1b"])
