"""A key and value cache for rows that grow by a few columns a step and from which dead columns can be taken."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class GrowingLayer(DynamicLayer):
    """Keys and values in buffers with room to spare, so that a step writes its own columns and copies no others."""

    room: tuple[Tensor, Tensor] | None = None
    keys: Tensor
    values: Tensor

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append columns ``(B, heads, new, D)``; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        used = self.get_seq_length()
        end = used + key_states.shape[2]
        keys, values = self._room(key_states, value_states, used, end)
        keys[:, :, used:end] = key_states
        values[:, :, used:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    def _room(self, key_states: Tensor, value_states: Tensor, used: int, end: int) -> tuple[Tensor, Tensor]:
        """Buffers of at least ``end`` columns, the first ``used`` of them filled."""
        if self.room is None or self.room[0].shape[2] < end:
            self.room = (_buffer(key_states, end + end // 4), _buffer(value_states, end + end // 4))
            if used:
                self.room[0][:, :, :used] = self.keys
                self.room[1][:, :, :used] = self.values
        return self.room

    def take(self, rows: Tensor, columns: Tensor) -> None:
        """Keep ``rows`` ``(R,)``, and of each of them its ``columns`` ``(R, C)``."""
        if self.get_seq_length():
            self.keys = self.keys.transpose(1, 2)[rows[:, None], columns].transpose(1, 2)
            self.values = self.values.transpose(1, 2)[rows[:, None], columns].transpose(1, 2)
            self.room = None


def _buffer(like: Tensor, columns: int) -> Tensor:
    batch, heads, _, width = like.shape
    return torch.empty((batch, heads, columns, width), dtype=like.dtype, device=like.device)


class RowCache(Cache):
    """The cache of a batch of rows, full attention in every layer: masks alone say what is seen."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=GrowingLayer)

    def take(self, rows: Tensor, columns: Tensor) -> None:
        """Keep ``rows`` ``(R,)``, and of each of them its ``columns`` ``(R, C)``."""
        layers: Any = self.layers  # all of them GrowingLayer
        for layer in layers:
            layer.take(rows, columns)
