"""Many devices: which strategy a recipe means, how its processes meet, and a model whose weights they share.

``ddp`` holds the model in every process and averages gradients once a step. ``fsdp`` (FSDP2 through Lightning's
`ModelParallelStrategy`) holds a share of every weight, gradient and moment in each: one decoder layer is whole at a
time, all else of the model during a forward and backward pass. While answers are sampled, or a reference looked up,
every process has all weights for a while. Both are exact: the batch of a recipe is the same however many devices share
it, and so are its losses.

``deepspeed_stage_1`` to ``_3`` are passed on to Lightning, which wants CUDA and the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import lightning
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import nn

from medvlm import ranks
from medvlm.settings import TrainerSettings
from medvlm.study import need

PATIENCE = timedelta(hours=2)
"""How long processes wait for each other: one may be downloading, or scoring by a slow judge."""
STRATEGIES = ("auto", "ddp", "fsdp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3")


class Replicas(DDPStrategy):
    """The model in every process; the module itself averages gradients, once a step.

    Lightning's wrapper averages in each backward pass: processes with unequal numbers of micro-batches, or a share of
    the batch that is empty or shows no image, would wait for each other for ever.
    """

    def __init__(self) -> None:
        super().__init__(timeout=PATIENCE)

    def configure_ddp(self) -> None:
        """Start from the trained weights of the first process; nothing is wrapped."""
        for tensor in (*cast(nn.Module, self.model).parameters(), *cast(nn.Module, self.model).buffers()):
            dist.broadcast(tensor.detach(), src=0)


class Shards(ModelParallelStrategy):
    """A share of every weight in each process; checkpoints are whole, as those of one process are."""

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False, timeout=PATIENCE)

    def setup_environment(self) -> None:
        """All devices share the data; none divides a layer."""
        self._data_parallel_size, self._tensor_parallel_size = self.num_nodes * self.num_processes, 1
        super().setup_environment()

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        """The whole state, on the first process, numbered as an unsharded optimiser numbers it."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        found: dict[str, Any] = get_optimizer_state_dict(self._module, _plain(optimizer), options=options)
        if not found:
            return {}
        names = self._trained_names()
        group = {**found["param_groups"][0], "params": list(range(len(names)))}
        state = {index: found["state"][name] for index, name in enumerate(names) if name in found["state"]}
        return {"state": state, "param_groups": [group]}

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a whole checkpoint and give each process its share."""
        from torch.distributed.checkpoint.state_dict import (
            StateDictOptions,
            set_model_state_dict,
            set_optimizer_state_dict,
        )

        checkpoint: dict[str, Any] = self.checkpoint_io.load_checkpoint(checkpoint_path)
        options = StateDictOptions(full_state_dict=True, strict=False)
        cast(Any, self.lightning_module).on_load_checkpoint(checkpoint)  # refuses another model before it is loaded
        set_model_state_dict(self._module, dict(checkpoint["state_dict"]), options=options)  # it adds tied ones
        names = self._trained_names()
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            state = {names[index]: values for index, values in saved["state"].items()}
            named: dict[str, Any] = {"state": state, "param_groups": [{**saved["param_groups"][0], "params": names}]}
            set_optimizer_state_dict(self._module, _plain(optimizer), named, options=options)
        return checkpoint

    @property
    def _module(self) -> nn.Module:
        return cast(nn.Module, self.model)

    def _trained_names(self) -> list[str]:
        return [name for name, parameter in self._module.named_parameters() if parameter.requires_grad]


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    """The torch optimiser below Lightning's."""
    return cast(torch.optim.Optimizer, getattr(optimizer, "optimizer", optimizer))


def count_devices(settings: TrainerSettings) -> int:
    """Devices on one machine that a recipe asks for.

    Raises:
        ValueError: If it asks for none, or for more GPUs than there are.
    """
    on_gpu = settings.accelerator in ("gpu", "cuda") or (settings.accelerator == "auto" and torch.cuda.is_available())
    there = torch.cuda.device_count() if on_gpu else None
    text = str(settings.devices)
    if text in ("auto", "-1"):
        return there or 1
    try:
        numbers = [int(part) for part in text.split(",") if part]
    except ValueError:
        raise ValueError(f"trainer.devices={text!r}: expected a number, a list like '0,1', or auto.") from None
    count = len(numbers) if "," in text else numbers[0]
    if count < 1 or (there is not None and (count > there or ("," in text and max(numbers) >= there))):
        have = f"this machine has {there}" if there is not None else "expected at least 1"
        raise ValueError(f"trainer.devices={text}: {have}.")
    return count


def build_strategy(settings: TrainerSettings) -> str | Strategy:
    """What a recipe's ``trainer.strategy`` means for Lightning.

    Raises:
        ValueError: If there is no such strategy, or it needs what this machine does not have.
        ImportError: If DeepSpeed is not installed.
    """
    name, count = settings.strategy, count_devices(settings) * settings.nodes
    if name not in STRATEGIES:
        raise ValueError(f"trainer.strategy={name!r} is none of {', '.join(STRATEGIES)}.")
    if name.startswith("deepspeed"):
        return _deepspeed(settings)
    if name == "fsdp":
        return Shards()
    return Replicas() if count > 1 else "auto"


def _deepspeed(settings: TrainerSettings) -> Strategy:
    if not torch.cuda.is_available():
        raise ValueError(f"trainer.strategy={settings.strategy} needs CUDA; without it take ddp or fsdp.")
    need("deepspeed", "deepspeed")
    from lightning.pytorch.strategies import DeepSpeedStrategy

    return DeepSpeedStrategy(stage=int(settings.strategy[-1]), **settings.strategy_options)


def meet(settings: TrainerSettings) -> None:
    """Start the other processes of a run, or join those that a launcher started, before anything is written.

    From here on every process runs the whole recipe; what is written, the first one writes.

    Args:
        settings: Say how many there are; one process has nobody to meet.

    Raises:
        ValueError: See `build_strategy`.
    """
    build_strategy(settings)
    if ranks.world_size() > 1 or count_devices(settings) * settings.nodes == 1:
        return
    trainer = lightning.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.nodes,
        strategy=Replicas(),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    launcher = trainer.strategy.launcher
    if launcher is None:
        trainer.strategy.setup_environment()
    else:
        launcher.launch(trainer.strategy.setup_environment, trainer=trainer)


def shard(module: nn.Module, model: Any, mesh: Any) -> None:
    """Divide the weights of a module among devices: each decoder layer by itself, all else together (FSDP2).

    Towers and projectors are in the whole, not layer by layer: how often they run depends on the images of a process,
    and what every process must do together may not.

    Args:
        module: Has the model and what is trained beside it.
        model: Has the decoder.
        mesh: Of the devices.
    """
    from torch.distributed.fsdp import fully_shard

    layers = [fully_shard(layer, mesh=mesh) for layer in model.get_decoder().layers]
    whole = fully_shard(module, mesh=mesh)
    # said outright, for torch's guess (the order of the last forward passes) differs where processes sampled otherwise
    for layer, before in zip(layers, [layers[0], *layers], strict=False):
        layer.set_modules_to_backward_prefetch([before])
    whole.set_modules_to_backward_prefetch([layers[-1]])


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """All weights in every process for a while: forward passes need no word between processes, however many they are.

    Args:
        module: One that may be sharded, or not.
    """
    from torch.distributed.fsdp import FSDPModule

    parts = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not module, recurse=False)
            part.reshard()


def load_trained(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put trained weights into a module; of sharded ones, each process takes its share.

    Args:
        module: One that may be sharded, or not; what is not among the weights stays.
        weights: Whole, by their names in the module.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.fsdp import FSDPModule

    if isinstance(module, FSDPModule):
        set_model_state_dict(module, dict(weights), options=StateDictOptions(full_state_dict=True, strict=False))
    else:
        module.load_state_dict(weights, strict=False)


def whole_model(module: Any, start: Callable[[], Any]) -> Any:
    """The trained model in one piece, on the first process; the others keep what they have.

    Args:
        module: Has the model, whose weights may be shared among processes.
        start: Builds the model as it was before training, adapters included.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.tensor import DTensor

    if not any(isinstance(parameter, DTensor) for parameter in module.parameters()):
        return module.model
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights: Mapping[str, Any] = get_model_state_dict(module.model, options=options)
    if not ranks.is_first():
        return module.model
    model = start()
    model.load_state_dict(weights)
    return model
