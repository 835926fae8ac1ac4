"""The second epoch of files as hospitals write them, from the cache, against the first and against MONAI's cache."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from medvlm.datamodules.cache import PixelCache, fingerprint
from medvlm.datamodules.content import SETTLED_S
from medvlm.datamodules.readers import read_image
from medvlm.models.image_processing import MedVLMImageProcessor
from medvlm.recipes import RECIPES
from medvlm.study import ImageRef
from tools.bench.data_rows import Row, compare

SIZE, FILES = 448, 6
RAW, JPEG2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"


def measure(repeats: int) -> list[Row]:
    """Write the files, let them settle, measure.

    Args:
        repeats: Timed runs of each side.
    """
    recipes = [recipe.model_copy(update={"size": (SIZE, SIZE), "slices": 32}) for recipe in RECIPES.values()]
    processor = MedVLMImageProcessor(recipes=recipes)
    recipe = fingerprint(processor.to_dict())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = {
            f"{FILES} raw DICOM radiographs 2500x2048": [_dicom(folder, n, RAW) for n in range(FILES)],
            f"{FILES} JPEG 2000 DICOM radiographs 2500x2048": [_dicom(folder, n, JPEG2000) for n in range(FILES)],
            f"{FILES} JPEG pictures 1024x1024": [_jpeg(folder, n) for n in range(FILES)],
            "2 NIfTI.gz CT volumes 512x512x64": [_nifti(folder, n) for n in range(2)],
        }
        time.sleep(SETTLED_S + 0.1)
        rows = []
        for title, refs in work.items():
            side = _Sides(processor.pixels, recipe, folder / "caches", refs)
            rows.append(side.against_the_first(title, repeats))
            rows.append(side.against_monai(title, repeats))
        return rows


class _Sides:
    """The ways to the prepared pixels of some files; each reads every value once, as a batch would."""

    def __init__(self, pixels: Callable[[Any], Tensor], recipe: str, folder: Path, refs: Sequence[ImageRef]) -> None:
        self.pixels, self.recipe, self.folder, self.refs = pixels, recipe, folder, refs
        self.fresh = count()

    def cached(self, folder: Path) -> list[Tensor]:
        """Our cache as a new process finds it: nothing in memory."""
        cache = PixelCache(self.pixels, 0, recipe=self.recipe, folder=folder, modality="CT")
        return _read([cache(ref) for ref in self.refs])

    def against_the_first(self, title: str, repeats: int) -> Row:
        """A second epoch, and the first, which decodes, prepares and fills the cache."""
        warm = self.folder / f"warm {title}"
        self.cached(warm)
        return compare(
            f"second epoch of {title}",
            lambda: self.cached(warm),
            lambda: self.cached(self.folder / f"cold {title} {next(self.fresh)}"),
            peer_name="medvlm, the first epoch",
            repeats=repeats,
            difference=_apart,
            target=8.0,
            remark=f"{_size(warm) / 1e6:.1f} MB on disk for {self._bytes() / 1e6:.1f} MB of tensors",
        )

    def against_monai(self, title: str, repeats: int) -> Row:
        """A second epoch, and MONAI's with the same reading and preparing."""
        from monai.data.dataset import PersistentDataset
        from monai.transforms.transform import Transform

        warm, theirs = self.folder / f"warm {title}", self.folder / f"monai {title}"
        items: Any = [{"path": str(ref.path)} for ref in self.refs]

        pixels = self.pixels

        class Prepare(Transform):  # what is no Transform is taken for random, and not cached
            def __call__(self, item: dict[str, str]) -> Tensor:
                return pixels(read_image(item["path"], modality="CT"))

        def peer() -> list[Tensor]:
            dataset: Any = PersistentDataset(items, Prepare(), theirs)
            return _read([dataset[n] for n in range(len(items))])

        peer()
        return compare(
            f"second epoch of {title}",
            lambda: self.cached(warm),
            peer,
            peer_name=f"MONAI {version('monai')} PersistentDataset, its second",
            repeats=repeats,
            difference=_apart,
            target=1.0,
            remark=f"MONAI holds {_size(theirs) / 1e6:.1f} MB, knows a file by its path, not by its content",
        )

    def _bytes(self) -> int:
        return sum(4 * tensor.numel() for tensor in self.cached(self.folder / "size"))


def _read(tensors: list[Tensor]) -> list[Tensor]:
    """Touch every value, so that what is mapped is read."""
    for tensor in tensors:
        tensor.sum()
    return tensors


def _apart(ours: list[Tensor], peer: list[Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(ours, peer, strict=True))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _radiograph(seed: int, shape: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Smooth shapes and 12-bit noise, as a detector gives."""
    import cv2

    random = np.random.default_rng(seed)
    coarse = cv2.resize(random.random((9, 7)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (600 + 2500 * coarse.clip(0, 1) + random.normal(0, 12, shape)).clip(0, 4095).astype(np.uint16)


def _dicom(folder: Path, seed: int, syntax: str) -> ImageRef:
    """A DX object with the fields that a detector writes."""
    import imagecodecs
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    array = _radiograph(seed, (2500, 2048))
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = DigitalXRayImageStorageForPresentation
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[syntax, str(seed)])
    data.Modality, data.PhotometricInterpretation = "DX", "MONOCHROME2"
    data.Rows, data.Columns, data.SamplesPerPixel = *array.shape, 1
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.WindowCenter, data.WindowWidth = 1800, 2600
    if syntax == ExplicitVRLittleEndian:
        data.PixelData = array.tobytes()
    else:
        data.PixelData = encapsulate([bytes(imagecodecs.jpeg2k_encode(array, codecformat="j2k", reversible=True))])
        data["PixelData"].is_undefined_length = True
    path = folder / f"{syntax}.{seed}.dcm"
    data.save_as(path, enforce_file_format=True)
    return ImageRef(path)


def _jpeg(folder: Path, seed: int) -> ImageRef:
    import PIL.Image

    path = folder / f"{seed}.jpg"
    PIL.Image.fromarray((_radiograph(seed, (1024, 1024)) >> 4).astype(np.uint8)).save(path, quality=92)
    return ImageRef(path)


def _nifti(folder: Path, seed: int) -> ImageRef:
    import nibabel

    make: Any = nibabel.Nifti1Image
    random = np.random.default_rng(seed)
    volume = (random.normal(0, 12, (512, 512, 64)) + np.linspace(-900, 400, 512)[:, None, None]).astype(np.int16)
    path = folder / f"{seed}.nii.gz"
    make(volume, np.diag([-0.8, -0.8, 2.0, 1.0])).to_filename(path)
    return ImageRef(path, volume=True)
