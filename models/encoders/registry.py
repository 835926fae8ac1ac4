"""Encoders by name: a name is a builder function, its body is the numbers."""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import torch
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from medvlm.study import WeightsError

from ..weights import check_complete, check_source
from .known import reached
from .traits import Traits, image_size, read_traits


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What is known of an encoder before any weight is read.

    Attributes:
        config: Its configuration, of a class that ``AutoModel`` can build.
        weights: Folder or Hub name of its weights; None for a fresh one.
        mean: Channel means that are subtracted from pixels in 0..1.
        std: Channel deviations by which they are then divided.
        make: Builds it from its weights (seed, number type) where transformers alone cannot.
        parts: Where the weights of its parts come from, for an encoder that is made of several.
    """

    config: PreTrainedConfig
    weights: str | None = None
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    make: Callable[[int, torch.dtype | None], PreTrainedModel] | None = field(default=None, kw_only=True)
    parts: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def sources(self) -> tuple[str, ...]:
        """Folders and Hub names from which weights are read; none for a fresh encoder."""
        return self.parts if self.weights is None else (self.weights,)

    @property
    def traits(self) -> Traits:
        """Width, grid and prefix tokens."""
        return read_traits(self.config)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return image_size(self.config)

    def tokens(self) -> int:
        """Patch tokens of one image."""
        return self.traits.tokens

    def build(self, *, seed: int = 0, dtype: torch.dtype | None = None) -> PreTrainedModel:
        """The encoder itself: loaded from its sources, or initialised from ``seed``.

        Raises:
            WeightsError: If the weights are missing, pickled or of another architecture.
        """
        if self.make is not None:
            return self.make(seed, dtype)
        if self.weights is not None:
            return self._pretrained(check_source(self.weights), dtype)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: PreTrainedModel = AutoModel.from_config(self.config, dtype=dtype)
            return model

    def _pretrained(self, source: str, dtype: torch.dtype | None) -> PreTrainedModel:
        with reached(source):
            model, report = AutoModel.from_pretrained(
                source, config=self.config, dtype=dtype or "auto", use_safetensors=True, output_loading_info=True
            )
        check_complete(source, report)
        _check_blocks(source, report)
        loaded: PreTrainedModel = model
        return loaded


def _check_blocks(source: str, report: dict[str, set[str]]) -> None:
    """Refuse weights that have more inside a block than the architecture: UNI's layer scale in a plain ViT.

    A head, or the text side of an image-text model, is left over rightly.
    """
    left = sorted(name for name in report["unexpected_keys"] if name.startswith(("blocks.", "timm_model.blocks.")))
    if left:
        raise WeightsError(
            f"{source} holds {len(left)} parameters that the architecture has no place for ({left[0]}): it is another "
            "one. Name the encoder that was published with these weights, or give its arguments (init_values)."
        )


Builder = Callable[..., EncoderSpec]

SCHEMES = {"timm": "timm_model", "open_clip": "open_clip_vision"}

_ENCODERS: dict[str, Builder] = {}


def register_encoder(build: Builder) -> Builder:
    """Make ``build`` available as ``create_encoder(build.__name__)``.

    Raises:
        ValueError: If the name is taken.
    """
    if build.__name__ in _ENCODERS:
        raise ValueError(f"Encoder {build.__name__!r} is already registered by {_ENCODERS[build.__name__].__module__}.")
    _ENCODERS[build.__name__] = build
    return build


def list_encoders(pattern: str = "*") -> list[str]:
    """Registered names that match ``pattern``, sorted.

    Examples:
        >>> list_encoders("siglip*")
        ['siglip', 'siglip2', 'siglip2_tiny', 'siglip_tiny']
    """
    return sorted(fnmatch.filter(_ENCODERS, pattern))


def find_encoder(name: str) -> Builder:
    """The builder called ``name``, at ``package.module:function``, or of ``timm:MODEL`` or ``open_clip:MODEL``.

    Raises:
        ValueError: If there is none; the message names the nearest ones.
    """
    scheme, _, model = name.partition(":")
    if scheme in SCHEMES and model:
        return partial(find_encoder(SCHEMES[scheme]), model=model)
    if ":" in name:
        return _outside(name)
    if name not in _ENCODERS:
        near = difflib.get_close_matches(name, _ENCODERS, n=3) or sorted(_ENCODERS)
        raise ValueError(f"Unknown encoder {name!r}. Nearest: {', '.join(near)}. Your own: 'package.module:function'.")
    return _ENCODERS[name]


def _outside(path: str) -> Builder:
    module, _, attribute = path.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"encoder.name={path!r}: {error}. It must be an installed package.module:function.") from error
    if attribute not in vars(found):
        raise ValueError(f"encoder.name={path!r}: {module} has no {attribute!r}.")
    builder: Builder = vars(found)[attribute]
    return builder


def encoder_spec(name: str, **options: Any) -> EncoderSpec:
    """What the encoder called ``name`` with these options will be; reads configurations at most.

    Raises:
        TypeError: If the builder does not take one of the options.
    """
    build = find_encoder(name)
    inspect.signature(build).bind(**options)
    return build(**options)


def create_encoder(name: str, *, seed: int = 0, **options: Any) -> PreTrainedModel:
    """Build the encoder called ``name``, or the one at ``package.module:function``."""
    return encoder_spec(name, **options).build(seed=seed)
