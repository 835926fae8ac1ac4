"""What a policy is compared with: its adapters switched off, or a copy of the stage's start that may follow slowly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from medvlm.models.merge import can_switch_off


class Reference:
    """The model at the start of a stage.

    It is taken before a checkpoint is loaded. Adapters are only switched off while it speaks; without adapters (or with
    those that take a part of the weights with them) it is a copy, kept in a list, so that it is no submodule of the
    objective and enters no checkpoint.

    Args:
        model: The policy, as the stage starts.
        copy: Whether it is a copy although adapters could be switched off: one that is to follow the policy.
    """

    def __init__(self, model: Any, *, copy: bool = False) -> None:
        switched = can_switch_off(model) and not copy
        self._frozen: list[Any] = [] if switched else [deepcopy(model).requires_grad_(False).eval()]

    @contextmanager
    def of(self, model: Any, device: Any) -> Iterator[Any]:
        """The reference, without dropout, for the length of a block.

        Args:
            model: The policy; within the block it must not be asked if it has adapters.
            device: Where the copy goes.
        """
        if self._frozen:
            yield self._frozen[0].to(device)
            return
        training = model.training
        model.disable_adapters()
        try:
            yield model.eval()
        finally:
            model.enable_adapters()
            model.train(training)

    @torch.no_grad()
    def follow(self, model: Any, mix: float) -> None:
        """Move the copy towards the policy: ``mix`` of the policy's weights and the rest of its own (TR-DPO).

        Args:
            model: The policy; what it does not train stays as it is.
            mix: 1 makes the copy equal to the policy.
        """
        own = self._weights()
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                own[name].lerp_(weight.detach().to(own[name]), mix)

    def state(self, model: Any) -> dict[str, Tensor]:
        """Weights of the copy that the policy trains, for a checkpoint.

        Args:
            model: The policy.
        """
        own = self._weights()
        return {name: own[name].clone() for name, weight in model.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the weights that `state` gave.

        Args:
            state: By name.
        """
        own = self._weights()
        for name, value in state.items():
            own[name].copy_(value)

    def _weights(self) -> dict[str, Tensor]:
        return dict(self._frozen[0].named_parameters())
