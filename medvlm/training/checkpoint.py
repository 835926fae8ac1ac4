"""Checkpoints without pickled code: safetensors for weights, a restricted archive for the trainer's state.

A checkpoint is a folder: ``weights.safetensors`` (trained parameters), ``state.pt`` (optimiser, loops, data position;
read with ``weights_only``, which runs no code) and ``complete``, written last. The folder appears under its name in one
rename, so that a full disk or a kill leaves the one before as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medvlm.files import atomic_folder
from medvlm.study import WeightsError

WEIGHTS, STATE, COMPLETE = "weights.safetensors", "state.pt", "complete"


def trained_weights(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of a module's weights that are trained; the rest comes from the stage's start.

    Args:
        module: Says which are.
        state: Its weights by name.
    """
    names = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    return {name: value for name, value in state.items() if name in names}


def plain_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as safetensors writes them.

    Args:
        weights: On any device.
    """
    return {name: value.detach().cpu().contiguous() for name, value in weights.items()}


class SafeCheckpointIO(CheckpointIO):
    """Lightning's door to checkpoints, without pickle."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint folder.

        Raises:
            OSError: If the disk is full; the earlier checkpoint is untouched.
        """
        state = dict(checkpoint)
        weights = plain_weights(state.pop("state_dict"))
        with atomic_folder(Path(path)) as folder:
            save_file(weights, folder / WEIGHTS)
            torch.save(state, folder / STATE)
            (folder / COMPLETE).touch()

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = None) -> Any:
        """Read a checkpoint folder.

        Raises:
            WeightsError: If it is incomplete, damaged, or holds anything but tensors and plain values.
        """
        folder = Path(path)
        for name in (WEIGHTS, STATE, COMPLETE):
            if not (folder / name).is_file():
                raise WeightsError(f"{folder} is no checkpoint of medvlm: {name} is missing.")
        try:
            state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
            state["state_dict"] = load_file(folder / WEIGHTS)
        except SafetensorError as error:
            raise WeightsError(f"{folder / WEIGHTS} is damaged: {error}") from None
        except (RuntimeError, EOFError, ValueError, OSError) as error:
            raise WeightsError(f"{folder / STATE} is damaged: {error}") from None
        except UnpicklingError:
            reason = f"{folder / STATE} holds pickled objects, which could run code when loaded; it is refused."
            raise WeightsError(reason) from None
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint folder."""
        shutil.rmtree(path, ignore_errors=True)


def latest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint with the highest step, None where there is none."""
    found = [path for path in folder.glob("step-*") if (path / COMPLETE).is_file()]
    return max(found, key=lambda path: int(path.name.partition("-")[2]), default=None)
