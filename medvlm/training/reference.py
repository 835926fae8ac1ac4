"""What a policy is compared with: its adapters switched off, or a frozen copy of the stage's start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from medvlm.models.merge import can_switch_off


class Reference:
    """The model at the start of a stage.

    It is taken before a checkpoint is loaded. Adapters are only switched off while it speaks; without adapters (or with
    those that take a part of the weights with them) it is a copy, kept in a list, so that it is no submodule of the
    objective and enters no checkpoint.

    Args:
        model: The policy, as the stage starts.
    """

    def __init__(self, model: Any) -> None:
        switched = can_switch_off(model)
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
