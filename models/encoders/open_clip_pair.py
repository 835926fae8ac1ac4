"""Both towers of an open_clip model, for zero-shot classification and retrieval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch.nn.functional import normalize

from .known import reached
from .open_clip_files import open_clip_folder
from .open_clip_vision import open_clip_vision
from .registry import EncoderSpec


@dataclass(frozen=True, slots=True)
class OpenClipPair:
    """An image and a text tower that share one space.

    Attributes:
        model: open_clip's model, in evaluation mode.
        tokenizer: Texts to ids (N, L).
        spec: Image size and normalisation.
    """

    model: Any
    tokenizer: Callable[[list[str]], torch.Tensor]
    spec: EncoderSpec

    @property
    def device(self) -> torch.device:
        """Where it is."""
        device: torch.device = next(self.model.parameters()).device
        return device


def load_open_clip(source: str, *, device: torch.device | str = "cpu") -> OpenClipPair:
    """Both towers of a checkpoint.

    Args:
        source: Folder or Hub name with ``open_clip_config.json`` and ``open_clip_model.safetensors``.
        device: Where they go.

    Raises:
        WeightsError: If it is missing, pickled or damaged; with licence and access, where they are known.
    """
    spec, folder = open_clip_vision(weights=source), f"local-dir:{open_clip_folder(source)}"
    open_clip: Any = import_module("open_clip")
    with reached(source):
        model = open_clip.create_model(folder, device=device)
        tokenizer = open_clip.get_tokenizer(folder)
    return OpenClipPair(model.eval(), tokenizer, spec)


@torch.no_grad()
def encode_text(pair: OpenClipPair, texts: Sequence[str], *, batch: int = 64) -> torch.Tensor:
    """Embeddings (N, D) of texts, of length one: their products with those of images are cosines.

    Args:
        pair: The towers.
        texts: One or more.
        batch: Texts at a time.

    Raises:
        ValueError: If there is no text.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"encode_text takes a list of one or more texts, got {texts!r}.")
    ids = pair.tokenizer(list(texts)).to(pair.device)
    return torch.cat([normalize(pair.model.encode_text(some), dim=-1) for some in ids.split(batch)])


@torch.no_grad()
def encode_images(pair: OpenClipPair, pixels: torch.Tensor) -> torch.Tensor:
    """Embeddings (N, D) of images (N, 3, H, W) normalised as ``pair.spec`` says, of length one."""
    found: torch.Tensor = normalize(pair.model.encode_image(pixels.to(pair.device)), dim=-1)
    return found
