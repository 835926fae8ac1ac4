"""A CT of 512x512x200 at (1.5, 0.7, 0.7) mm to a windowed tensor at (2, 1, 1) mm, and a NIfTI file to its voxels."""

from __future__ import annotations

import gzip
import tempfile
import tracemalloc
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medvlm.datamodules.readers import read_image
from medvlm.datamodules.readers.nifti import read_nifti
from medvlm.resampling import resample_window
from medvlm.study import Image
from tools.bench.data_rows import Row, compare

SHAPE, OWN, WANTED = (200, 512, 512), (1.5, 0.7, 0.7), (2.0, 1.0, 1.0)
LIMITS = (-1024.0, 1024.0)
SLICES = 100


def measure(repeats: int) -> list[Row]:
    """Measure all; the volume is made here.

    Args:
        repeats: Timed runs of each side.
    """
    voxels = _volume()
    with tempfile.TemporaryDirectory() as folder:
        return [
            _resample(voxels, repeats),
            _read(voxels, Path(folder), repeats),
            _unpack(voxels, Path(folder), repeats),
        ]


def _volume() -> NDArray[np.int16]:
    """A cylinder of noisy soft tissue in air: packed, it takes about half of its bytes, as a real CT does."""
    import cv2

    random, (_, height, width) = np.random.default_rng(0), SHAPE
    y, x = np.mgrid[:height, :width] - 255.5
    body = np.hypot(y / 0.7, x) < 230
    volume = np.full(SHAPE, -1000, np.int16)
    for plane in volume:
        noise = cv2.GaussianBlur(random.normal(40, 60, (height, width)).astype(np.float32), (0, 0), 1)
        plane[body] = noise[body].astype(np.int16)
    return volume


def _resample(voxels: NDArray[np.int16], repeats: int) -> Row:
    image = Image(voxels, "zyx", modality="CT", unit="HU", spacing=OWN, orientation="SPL")
    return compare(
        "CT 512x512x200, int16 array, resampled (1.5, 0.7, 0.7) to (2, 1, 1) mm and windowed",
        lambda: resample_window(image, WANTED, LIMITS),
        _monai(voxels),
        peer_name=f"MONAI {version('monai')} Spacing + ScaleIntensityRange",
        repeats=repeats,
        difference=lambda ours, peer: float(np.abs(ours - peer[0].numpy()).max()),
        target=10.0,
        remark=f"one grid, values in 0..1; {_memory(image)}",
    )


def _monai(voxels: NDArray[np.int16]) -> Any:
    import torch
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms.intensity.array import ScaleIntensityRange
    from monai.transforms.spatial.array import Spacing

    affine = torch.diag(torch.tensor([*OWN, 1.0], dtype=torch.float64))
    space = Spacing(pixdim=WANTED, mode="bilinear", padding_mode="border")
    window = ScaleIntensityRange(*LIMITS, 0.0, 1.0, clip=True)
    return lambda: window(space(MetaTensor(torch.from_numpy(voxels)[None], affine=affine)))


def _memory(image: Image) -> str:
    tracemalloc.start()
    result = resample_window(image, WANTED, LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return f"peak {peak / result.nbytes:.2f} times the result (asked for: 1.3 and a slab)"


def _read(voxels: NDArray[np.int16], folder: Path, repeats: int) -> Row:
    """A folder of slices without compression; the peer sorts by position and checks nothing else."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    series = folder / "series"
    series.mkdir()
    for index, plane in enumerate(voxels[:SLICES]):
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = CTImageStorage
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{index + 1}")
        file.StudyInstanceUID, file.SeriesInstanceUID, file.Modality = "2.25.1000", "2.25.1001", "CT"
        file.Rows, file.Columns = SHAPE[1:]
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
        file.ImagePositionPatient, file.ImageOrientationPatient = [0, 0, 1.5 * index], [1, 0, 0, 0, 1, 0]
        file.PixelSpacing, file.RescaleSlope, file.RescaleIntercept = [0.7, 0.7], 1, 0
        file.PixelData = plane.tobytes()
        file.save_as(series / f"{index:03d}.dcm", enforce_file_format=True)

    def peer() -> NDArray[np.float32]:
        slices = sorted(map(pydicom.dcmread, series.iterdir()), key=lambda one: float(one.ImagePositionPatient[2]))
        return np.stack(
            [one.pixel_array.astype(np.float32) * one.RescaleSlope + one.RescaleIntercept for one in slices]
        )

    return compare(
        f"a folder of {SLICES} uncompressed CT slices to a volume",
        lambda: read_image(series),
        peer,
        peer_name=f"pydicom {version('pydicom')}",
        repeats=repeats,
        difference=lambda ours, theirs: float(np.abs(theirs - ours.array).max()),
        remark="ours checks geometry, chooses the series and returns int16; the peer sorts by position",
    )


def _unpack(voxels: NDArray[np.int16], folder: Path, repeats: int) -> Row:
    import nibabel

    nib: Any = nibabel
    file = nib.Nifti1Image(voxels.T, np.diag([0.7, 0.7, 1.5, 1.0]))
    path = folder / "ct.nii.gz"
    path.write_bytes(gzip.compress(file.to_bytes(), 4))
    return compare(
        "the same volume as NIfTI, gzipped, to int16 voxels",
        lambda: read_nifti(path, modality="CT"),
        lambda: np.asarray(nib.load(path).dataobj),
        peer_name=f"nibabel {version('nibabel')}",
        repeats=repeats,
        difference=lambda ours, peer: float(np.abs(peer.astype(np.int32) - ours.array.T).max()),
        remark="ours with the hash of the file that names its source",
    )
