"""Memory of one training step, from the numbers of a model: exact for weights and optimiser, rough for activations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from medvlm.models.quantized import BITS

# what Lightning keeps weights in, and what it computes in
WEIGHT_BYTES: Mapping[str, int] = {"32-true": 4, "bf16-mixed": 4, "16-mixed": 4, "bf16-true": 2}
COMPUTE_BYTES: Mapping[str, int] = {"32-true": 4, "bf16-mixed": 2, "16-mixed": 2, "bf16-true": 2}

# values that one transformer layer keeps for its backward pass, in units of its width a token: 34 bytes at two bytes a
# value where attention scores are not kept (Korthikanti et al., 2022)
KEPT = 17
# fp32 copies of a score: the scores, their log-softmax and its gradient
SCORES = 3


@dataclass(frozen=True, slots=True)
class Tower:
    """The numbers of a transformer that memory depends on."""

    width: int
    layers: int
    vocabulary: int = 0
    cached: int = 0

    @classmethod
    def of(cls, config: Any) -> Tower:
        """Read them from a Hugging Face configuration; an encoder without these fields counts as nothing."""
        width, layers = int(getattr(config, "hidden_size", 0)), int(getattr(config, "num_hidden_layers", 0))
        all_heads = int(getattr(config, "num_attention_heads", 1))
        heads = int(getattr(config, "num_key_value_heads", None) or all_heads)
        size = int(getattr(config, "head_dim", None) or width // all_heads)
        return cls(width, layers, getattr(config, "vocab_size", 0), 2 * layers * heads * size)


@dataclass(frozen=True, slots=True)
class Load:
    """What goes through the model in one forward pass.

    Attributes:
        tokens: Padded tokens.
        row: Tokens of one row.
        counted: Tokens whose scores are computed.
        encoded: Values that the encoders keep of all images, where they are trained; else 0.
        cached: Tokens that a sampler keeps.
    """

    tokens: int
    row: int
    counted: int
    encoded: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one device.

    Attributes:
        weights: Of the model.
        reference: Of its frozen copy.
        gradients: Of what is trained.
        optimizer: Two moments of what is trained.
        activations: Kept for the backward pass (rough).
        sampling: The cache of a rollout, when activations are not held (rough).
    """

    weights: int
    reference: int
    gradients: int
    optimizer: int
    activations: int
    sampling: int

    @property
    def held(self) -> int:
        """What stays whatever passes through the model."""
        return self.weights + self.reference + self.gradients + self.optimizer

    @property
    def peak(self) -> int:
        """The most that is held at once: sampling and learning take turns."""
        return self.held + max(self.activations, self.sampling)

    def parts(self) -> dict[str, int]:
        """Every part that is not zero, by name."""
        named = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, value in named.items() if value}


def estimate(
    decoder: Tower | None,
    load: Load | None,
    *,
    total: int,
    trained: int,
    precision: str,
    reference: bool,
    small: int = 0,
) -> Memory:
    """Memory of a step on one device that holds the whole model.

    Args:
        decoder: The language model; None for what is held alone.
        load: One forward pass; None for what is held alone.
        total: Parameters.
        trained: Parameters that are trained.
        precision: Lightning's name.
        reference: Whether a frozen copy is kept.
        small: Parameters that are stored in 4 bits.

    Examples:
        >>> memory = estimate(Tower(8, 1, 10), Load(2, 2, 1, 0), total=100, trained=10, precision="32-true",
        ...                   reference=False)
        >>> memory.weights, memory.gradients, memory.optimizer
        (400, 40, 80)
    """
    size, value = WEIGHT_BYTES[precision], COMPUTE_BYTES[precision]
    weights = (total - small) * size + math.ceil(small * BITS / 8)
    passing = sampling = 0
    if decoder is not None and load is not None:
        passing = value * (KEPT * load.tokens * decoder.width * decoder.layers + load.encoded)
        passing += load.tokens * load.row * value  # the mask
        passing += SCORES * 4 * load.counted * decoder.vocabulary
        sampling = load.cached * decoder.cached * value
    return Memory(
        weights=weights,
        reference=weights if reference else 0,
        gradients=trained * size,
        optimizer=2 * trained * size,
        activations=passing,
        sampling=sampling,
    )
