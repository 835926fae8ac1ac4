"""The visibility of prefix trees for flex attention: a rule for pairs of tokens in place of a mask of all pairs.

A dense mask of a row takes the square of its length; flex attention (PyTorch, ``attn_implementation=flex_attention``)
asks a function instead and skips blocks of 128 x 128 pairs that see nothing: a tree of many branches is mostly such
blocks. Its kernels are compiled for CUDA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from medvlm.rows import Rows
from medvlm.study import WeightsError

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def tree_rule(rows: Rows, window: int | None = None) -> Rule:
    """Whether a query sees a key, for flex attention's ``mask_mod``: what ``medvlm.rows.visible`` says of the pair.

    Padding sees itself alone: a query that sees nothing has no average to give.

    Args:
        rows: What ``pack`` made, on the model's device.
        window: Sliding window in tokens, counted along the path; None sees everything before.
    """
    segments, positions, ancestors, blocks = rows.segments, rows.positions, rows.ancestors, rows.blocks

    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        one, other = segments[batch, query], segments[batch, key]
        distance = positions[batch, query] - positions[batch, key]
        before = distance >= 0
        if blocks is not None:
            before = before | ((blocks[batch, query] == blocks[batch, key]) & (blocks[batch, query] >= 0))
        seen = ancestors[batch, one.clamp(min=0), other.clamp(min=0)] & before & (one >= 0) & (other >= 0)
        if window is not None:
            seen = seen & (distance < window)
        return seen | ((one < 0) & (query == key))

    return sees


def block_mask(rows: Rows, window: int | None = None) -> BlockMask:
    """The rule of some rows as the blocks that flex attention computes."""
    from torch.nn.attention.flex_attention import create_block_mask

    length = rows.ids.shape[1]
    made: Any = create_block_mask(
        tree_rule(rows, window), len(rows.ids), None, length, length, device=str(rows.ids.device)
    )
    found: BlockMask = made
    return found


def wants_flex(config: Any) -> bool:
    """Whether a decoder was set to flex attention.

    Raises:
        WeightsError: If there is no CUDA device: its backward pass has kernels for no other.
    """
    if config._attn_implementation != "flex_attention":
        return False
    if not torch.cuda.is_available():
        raise WeightsError(
            "attn_implementation=flex_attention needs a CUDA device, and none is here. Take sdpa, which gives the same."
        )
    return True
