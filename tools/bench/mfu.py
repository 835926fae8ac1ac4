"""Model FLOPs utilisation of supervised fine-tuning at 1 B and 4 B parameters, with the prefix tree and without.

``python tools/bench/model.py --mfu 1b`` builds a decoder of that size from its numbers on a CUDA device, in bf16, and
takes train steps (forward, backward, AdamW) over contexts that carry several answers: as one row a context, and as one
row an answer. FLOPs are counted by formula (`step_flops`; activations are computed
again in the backward pass, which does not count), time is the device's. Without a CUDA device nothing is
measured, and it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from medvlm.logps import branch_logps
from medvlm.rows import pack
from medvlm.tree import Tree

SIZES: dict[str, dict[str, Any]] = {
    # Llama 3.2 1B and Qwen3 4B
    "1b": {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
           "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
           "vocab_size": 128256, "tie_word_embeddings": True},
    "4b": {"model_type": "qwen3", "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
           "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
           "vocab_size": 151936, "tie_word_embeddings": True},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Work:
    """A batch: ``contexts`` of ``context`` tokens, each with ``answers`` of ``answer`` tokens."""

    contexts: int = 4
    context: int = 768
    answers: int = 8
    answer: int = 64

    def trees(self, *, shared: bool) -> list[Tree]:
        """One tree a context, or one an answer."""
        made = []
        for index in range(self.contexts):
            tokens = [3 + (index + place) % 97 for place in range(self.context)]
            branches = [[5 + (branch + place) % 89 for place in range(self.answer)] for branch in range(self.answers)]
            for group in [branches] if shared else [[branch] for branch in branches]:
                tree = Tree.of(tokens)
                for branch in group:
                    tree.add(branch)
                made.append(tree)
        return made


def step_flops(config: Any, lengths: Sequence[int], counted: int) -> int:
    """FLOPs of a train step of a dense decoder: two for a multiply-add, the backward pass twice the forward one.

    Attention is counted over all pairs of a row, as kernels with a dense mask compute it.

    Args:
        config: Of a decoder with gated MLPs (Llama, Qwen).
        lengths: Tokens of each row.
        counted: Tokens whose scores are computed.
    """
    width, heads, size = config.hidden_size, config.num_attention_heads, config.head_dim
    maps = 2 * width * heads * size + 2 * width * config.num_key_value_heads * size  # q and o; k and v
    maps += 3 * width * config.intermediate_size
    layer = sum(2 * maps * length + 4 * heads * size * length**2 for length in lengths)
    return int(3 * (config.num_hidden_layers * layer + 2 * counted * width * config.vocab_size))


def measure(name: str, work: Work, *, peak_tflops: float, steps: int = 5) -> dict[str, dict[str, float]]:
    """Seconds of a step, MFU and answers a second of both ways.

    Args:
        name: A size.
        work: The batch.
        peak_tflops: What the device can do in bf16, dense.
        steps: Timed steps, after one that warms up.

    Raises:
        SystemExit: If there is no CUDA device.
    """
    if not torch.cuda.is_available():
        raise SystemExit("--mfu needs a CUDA device, and none is here: nothing was measured.")
    numbers = dict(SIZES[name])
    config = AutoConfig.for_model(numbers.pop("model_type"), **numbers)
    auto: Any = AutoModelForCausalLM
    with torch.device("cuda"):
        model = auto.from_config(config, dtype=torch.bfloat16)
    model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    return {
        way: _time(model.train(), optimizer, work.trees(shared=way == "tree"), work, peak_tflops, steps)
        for way in ("tree", "rows")
    }


def _time(model: Any, optimizer: Any, trees: list[Tree], work: Work, peak: float, steps: int) -> dict[str, float]:
    rows = pack(trees, 0).to("cuda")
    flops = step_flops(model.config, [rows.ids.shape[1]] * len(trees), len(rows.target))
    spent, event = [], cast(Any, torch.cuda.Event)
    for _ in range(steps + 1):
        start, end = event(enable_timing=True), event(enable_timing=True)
        start.record()
        optimizer.zero_grad()
        loss: Any = -branch_logps(model, rows)[0].mean()
        loss.backward()
        optimizer.step()
        end.record()
        torch.cuda.synchronize()
        spent.append(start.elapsed_time(end) / 1e3)
    seconds = median(spent[1:])
    answers = work.contexts * work.answers
    return {"seconds": seconds, "mfu": flops / seconds / peak / 1e12, "answers_a_second": answers / seconds}


def show(result: dict[str, dict[str, float]]) -> None:
    """Print both ways."""
    for way, figures in result.items():
        print(
            f"{way:6}{figures['seconds']:10.3f} s{figures['mfu']:8.1%} MFU{figures['answers_a_second']:10.1f} answers/s"
        )
    print(f"the tree answers {result['rows']['seconds'] / result['tree']['seconds']:.2f} times as fast")
