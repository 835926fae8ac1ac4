"""Pixels decoded and prepared once: kept in memory up to a budget, and on disk up to a limit if a folder is given.

An entry on disk is found by the content of the file (:mod:`.content`), by the fingerprint of the recipe that made its
pixels and by the code that did so; without a folder, by where the file is and when it changed. Pixels of one recipe are
never taken for those of another, nor those of a file for those of a changed file; on disk, a file that was moved or
copied is known again.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import medvlm
from medvlm.study import Image, ImageError, ImageRef, Repair

from .content import Digests
from .shard_files import local_file
from .store import TensorStore

if TYPE_CHECKING:
    from torch import Tensor

DISK_BYTES = 50 << 30
DECODERS = ("pydicom", "numpy", "imagecodecs", "opencv-python-headless", "pillow", "nibabel", "SimpleITK", "zlib-ng")


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

    The tensors are shared: do not write into one, copy it. Three equal channels are one plane in memory, expanded. With
    worker processes each has its part of the budget, and the folder is common to all.

    Attributes:
        decoded: How many images were decoded rather than found.
    """

    def __init__(
        self,
        pixels: Callable[[Image], Tensor],
        budget_bytes: int = 1 << 30,
        *,
        recipe: str = "",
        folder: Path | str | None = None,
        disk_bytes: int = DISK_BYTES,
        modality: str | None = None,
        repair: Repair = False,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Start empty, or with what the folder holds.

        Args:
            pixels: Prepares a decoded image, ``processor.image_processor.pixels`` for example.
            budget_bytes: Most bytes kept in memory; what was used longest ago goes first. 0 keeps nothing.
            recipe: Fingerprint of the settings of ``pixels``; needed with a folder, which outlives this run.
            folder: Where prepared pixels are also kept; many runs may share it.
            disk_bytes: Most bytes kept there.
            modality: DICOM modality of files that do not say, such as NIfTI, where their reference does not say either.
            repair: Whether irregular series are resampled instead of refused.
            size: Height and width that ``pixels`` needs of a plane at least, so that no more is decoded of it
                (``processor.image_processor.needed``, for example); None decodes all.

        Raises:
            ValueError: If the budget is negative, a limit is not positive, or a folder is given without a fingerprint.
        """
        if budget_bytes < 0:
            raise ValueError(f"budget_bytes={budget_bytes}: expected 0 or more")
        if folder is not None and not recipe:
            raise ValueError("a cache folder needs recipe=fingerprint(settings): else old pixels pass for new ones")
        self.pixels, self.budget_bytes, self.recipe = pixels, budget_bytes, recipe
        self.modality, self.repair, self.size = modality, repair, size
        self.decoded = 0
        self._made_by = "" if folder is None else _made_by(_source(pixels))
        self._store = None if folder is None else TensorStore(Path(folder), disk_bytes)
        self._digests = Digests(stamps=True) if folder is None else Digests(Path(folder) / "digests.txt")
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0

    def __call__(self, image: ImageRef) -> Tensor:
        """Return the prepared pixels of an image.

        Args:
            image: A file, a folder of slices or a member of a shard.

        Raises:
            ImageError: If it is absent, cannot be read, or is a volume where the sample says 2D (or the reverse).
        """
        key = self.key(image)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        tensor = None if self._store is None else self._store.get(key)
        if tensor is None:
            tensor = _one_plane(self._decode(image))
            if self._store is not None and self.key(image) == key:  # else the file changed while it was read
                self._store.put(key, tensor)
        self._keep(key, tensor)
        return tensor

    def key(self, image: ImageRef) -> str:
        """Return the name of an entry: what the file holds, and what made pixels of it."""
        modality = image.modality or self.modality
        how = f"{image.volume} {modality} {self.repair} {image.region} {image.rescale} {self.size}"
        parts = [self.recipe, self._made_by, how, self._digests(image.path)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _decode(self, image: ImageRef) -> Tensor:
        """Read and prepare an image."""
        from .readers import read_image
        from .readers.published import published_rescale

        with local_file(image.path) as path:
            modality = image.modality or self.modality
            decoded = read_image(path, modality=modality, repair=self.repair, region=image.region, size=self.size)
        if image.rescale is not None:
            decoded = published_rescale(decoded, *image.rescale)
        if decoded.is_volume != image.volume:
            found, said = ("volume", "2D image") if decoded.is_volume else ("2D image", "volume")
            raise ImageError(f"{image.path}: holds a {found}, but its sample says {said}; set volume in its record")
        self.decoded += 1
        return self.pixels(decoded)

    def _keep(self, key: str, tensor: Tensor) -> None:
        """Keep a tensor in memory, dropping what was used longest ago."""
        worker = torch.utils.data.get_worker_info()
        budget = self.budget_bytes // (1 if worker is None else worker.num_workers)
        size = tensor.untyped_storage().nbytes()
        if size > budget:
            return
        self._kept[key] = tensor
        self._bytes += size
        while self._bytes > budget:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.untyped_storage().nbytes()


def _one_plane(tensor: Tensor) -> Tensor:
    """Keep one of three channels that are equal bit by bit, expanded to three."""
    if tensor.ndim < 3 or tensor.shape[-3] != 3 or tensor.dtype != torch.float32:
        return tensor.contiguous()
    bits = tensor.view(torch.int32)  # as numbers, 0 and -0 would be equal and NaN not equal to itself
    if not torch.equal(bits, bits[..., :1, :, :].expand_as(bits)):
        return tensor.contiguous()
    return tensor[..., :1, :, :].clone(memory_format=torch.contiguous_format).expand_as(tensor)


def _source(pixels: Callable[[Image], Tensor]) -> str:
    """Return the file in which a function is written, empty if there is none."""
    module = inspect.getmodule(pixels)
    return "" if module is None else vars(module).get("__file__") or ""


@lru_cache
def _made_by(source: str) -> str:
    """Name the code that decodes and prepares: that of medvlm, of ``source``, and the packages that it stands on."""
    top, here = Path(medvlm.__file__).parent, Path(__file__).parent
    files = [*sorted(top.glob("*.py")), *sorted((here / "readers").rglob("*.py")), *([Path(source)] if source else [])]
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    for name in DECODERS:
        try:
            found.update(f"{name} {version(name)}".encode())
        except PackageNotFoundError:
            found.update(f"no {name}".encode())
    return found.hexdigest()[:16]
