"""3D encoders by name, as 2D ones are in the registry beside."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from medvlm.study import WeightsError

from ..weights import explained
from .registry import EncoderSpec, find_encoder
from .volume import Size, VolumeEncoderConfig, VolumeTraits
from .volume_inflated import inflate


@dataclass(frozen=True, slots=True)
class VolumeSpec(EncoderSpec):
    """What is known of a 3D encoder before any weight is read.

    Attributes:
        plane: The pretrained 2D encoder that it is inflated from; None for any other.
    """

    plane: EncoderSpec | None = None

    @property
    def volume_traits(self) -> VolumeTraits:
        """The volume that it takes, and the tokens that come out."""
        traits: VolumeTraits = self.config.volume_traits
        return traits

    def tokens(self) -> int:
        """Tokens of one volume."""
        return self.volume_traits.tokens

    def build(self, *, seed: int = 0, dtype: torch.dtype | None = None) -> PreTrainedModel:
        """The encoder itself: loaded, inflated from its 2D encoder, or initialised from ``seed``.

        Raises:
            WeightsError: If the weights are missing, pickled or of another architecture.
        """
        if self.plane is None:
            return EncoderSpec.build(self, seed=seed, dtype=dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder: Any = AutoModel.from_config(self.config, dtype=dtype)
        inflate(encoder.network, self.plane.build(dtype=dtype))
        inflated: PreTrainedModel = encoder
        return inflated


Builder = Callable[..., VolumeSpec]

UNIT: dict[str, Any] = {"image_mean": (0.0, 0.0, 0.0), "image_std": (1.0, 1.0, 1.0)}
"""Voxels stay in 0..1."""

_ENCODERS: dict[str, Builder] = {}


def register_volume_encoder(build: Builder) -> Builder:
    """Make ``build`` available under its name.

    Raises:
        ValueError: If the name is taken.
    """
    if build.__name__ in _ENCODERS:
        raise ValueError(f"3D encoder {build.__name__!r} is already registered.")
    _ENCODERS[build.__name__] = build
    return build


def list_volume_encoders(pattern: str = "*") -> list[str]:
    """Registered names that match ``pattern``, sorted.

    Examples:
        >>> list_volume_encoders("ctvit*")
        ['ctvit', 'ctvit_tiny']
    """
    return sorted(fnmatch.filter(_ENCODERS, pattern))


def volume_encoder_spec(name: str, **options: Any) -> VolumeSpec:
    """What the 3D encoder called ``name`` (or ``package.module:function``) with these options will be.

    Raises:
        TypeError: If the builder does not take one of the options.
        ValueError: If there is no such encoder, or it is a 2D one.
    """
    if ":" not in name and name not in _ENCODERS:
        near = difflib.get_close_matches(name, _ENCODERS, n=3) or sorted(_ENCODERS)
        raise ValueError(f"Unknown 3D encoder {name!r}. Nearest: {', '.join(near)}.")
    build: Callable[..., EncoderSpec] = find_encoder(name) if ":" in name else _ENCODERS[name]
    inspect.signature(build).bind(**options)
    spec = build(**options)
    if not isinstance(spec, VolumeSpec):
        raise ValueError(f"{name} is a 2D encoder; volume_encoder takes a 3D one: {', '.join(sorted(_ENCODERS))}.")
    return spec


def spec_of(config: PreTrainedConfig, weights: str | None = None, plane: EncoderSpec | None = None) -> VolumeSpec:
    """The spec of a 3D encoder's configuration.

    Raises:
        WeightsError: If it is the configuration of something else.
    """
    if not isinstance(config, VolumeEncoderConfig):
        raise WeightsError(f"{weights} holds a {config.model_type!r}, expected {VolumeEncoderConfig.model_type!r}.")
    return VolumeSpec(config, weights, config.image_mean, config.image_std, plane)


def saved_spec(weights: str) -> VolumeSpec:
    """The spec of a 3D encoder that ``save_pretrained`` wrote, from its configuration."""
    with explained(weights):
        config = AutoConfig.from_pretrained(weights, trust_remote_code=False)
    return spec_of(config, weights)


def fresh_spec(
    kind: str, size: Size, patch: Size, width: int, channels: int, options: Mapping[str, Any], **normal: Any
) -> VolumeSpec:
    """The spec of a 3D encoder without weights.

    Args:
        kind: Its network.
        size: Slices, rows and columns.
        patch: Voxels of one token.
        width: Channels of a token.
        channels: 1 or 3.
        options: Further numbers of the network.
        normal: ``image_mean`` and ``image_std``.
    """
    return spec_of(
        VolumeEncoderConfig(
            kind=kind,
            volume_size=size,
            volume_patch=patch,
            hidden_size=width,
            channels=channels,
            options=dict(options),
            **normal,
        )
    )
