"""Pixels decoded and prepared once: kept in memory up to a budget, and on disk if a folder is given.

An entry is found by the file (path, size, time of change) and by the fingerprint of the intensity recipe that made it.
Pixels made by one recipe are never taken for those of another, nor those of a file for those of a changed file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medvlm.study import Image, ImageError, ImageRef

if TYPE_CHECKING:
    from torch import Tensor


def fingerprint(recipes: Any) -> str:
    """Name the settings that turn an image into pixels; any change of them gives another name.

    Args:
        recipes: What JSON can hold: the image processor's ``to_dict()``, for example.

    Raises:
        TypeError: If it holds something that JSON cannot (an address in memory would differ in every run).

    Examples:
        >>> fingerprint({"size": 64, "mean": 0.5}) == fingerprint({"mean": 0.5, "size": 64})
        True
    """
    return hashlib.sha256(json.dumps(recipes, sort_keys=True).encode()).hexdigest()[:16]


class PixelCache:
    """Gives the prepared pixels of an image reference, decoding each file once.

    The tensors are shared: do not write into one, copy it. With worker processes each has a memory of its own, and the
    folder is common to all.
    """

    def __init__(
        self,
        pixels: Callable[[Image], Tensor],
        budget_bytes: int = 1 << 30,
        *,
        recipe: str = "",
        folder: Path | str | None = None,
        modality: str | None = None,
        repair: bool = False,
    ) -> None:
        """Start empty.

        Args:
            pixels: Prepares a decoded image, ``processor.image_processor.pixels`` for example.
            budget_bytes: Most bytes kept in memory; what was used longest ago goes first. 0 keeps nothing.
            recipe: Fingerprint of the settings of ``pixels``; needed with a folder, which outlives this run.
            folder: Where prepared pixels are also kept as ``.npy``.
            modality: DICOM modality of files that do not say, such as NIfTI.
            repair: Whether irregular series are resampled instead of refused.

        Raises:
            ValueError: If the budget is negative, or a folder is given without a fingerprint.
        """
        if budget_bytes < 0:
            raise ValueError(f"budget_bytes={budget_bytes}: expected 0 or more")
        if folder is not None and not recipe:
            raise ValueError("a cache folder needs recipe=fingerprint(settings): else old pixels pass for new ones")
        self.pixels, self.budget_bytes, self.recipe = pixels, budget_bytes, recipe
        self.folder = None if folder is None else Path(folder)
        self.modality, self.repair = modality, repair
        self.decoded = 0
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, image: ImageRef) -> Tensor:
        """Return the prepared pixels of an image.

        Args:
            image: A file or a folder of slices.

        Raises:
            ImageError: If it is absent, cannot be read, or is a volume where the sample says 2D (or the reverse).
        """
        key = self.key(image)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        tensor = self._from_disk(key)
        if tensor is None:
            tensor = self._decode(image)
            self._to_disk(key, tensor)
        self._keep(key, tensor)
        return tensor

    def key(self, image: ImageRef) -> str:
        """Return the name of an entry: what the file is, and what made pixels of it."""
        how = f"{image.volume} {self.modality} {self.repair}"
        parts = [self.recipe, how, *(_stamp(path) for path in _files(image.path))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _decode(self, image: ImageRef) -> Tensor:
        """Read and prepare an image."""
        from .readers import read_image

        decoded = read_image(image.path, modality=self.modality, repair=self.repair)
        if decoded.is_volume != image.volume:
            found, said = ("volume", "2D image") if decoded.is_volume else ("2D image", "volume")
            raise ImageError(f"{image.path}: holds a {found}, but its sample says {said}; set volume in its record")
        self.decoded += 1
        return self.pixels(decoded)

    def _keep(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor in memory, dropping what was used longest ago."""
        size = tensor.numel() * tensor.element_size()
        if size > self.budget_bytes:
            return
        self._kept[key] = tensor
        self._bytes += size
        while self._bytes > self.budget_bytes:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.numel() * old.element_size()

    def _from_disk(self, key: str) -> Tensor | None:
        """Read an entry from the folder; one that was cut off is not there, for it is made again."""
        if self.folder is None or not (path := self.folder / f"{key}.npy").is_file():
            return None
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (ValueError, EOFError):
            return None

    def _to_disk(self, key: str, tensor: Tensor) -> None:
        """Write an entry beside its name and rename it, so that a reader never sees half of it."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{key}.{os.getpid()}.part"
        try:
            with part.open("wb") as file:
                np.save(file, tensor.numpy(), allow_pickle=False)
            part.replace(self.folder / f"{key}.npy")
        finally:
            part.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """Return the files of an image: one, or all in a folder of slices."""
    if path.is_dir():
        return sorted(found for found in path.rglob("*") if found.is_file())
    if not path.is_file():
        raise ImageError(f"{path}: expected an image file or a folder of slices, found nothing there")
    return [path]


def _stamp(path: Path) -> str:
    """Describe a file so that a change of it shows."""
    status = path.stat()
    return f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}"
