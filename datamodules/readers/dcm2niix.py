"""An irregular series made regular by dcm2niix, for those who trust it more than the repair of ours.

dcm2niix writes what it was given and, beside it, the corrected volume: ``_Tilt`` is sheared upright, ``_Eq`` has even
steps. The corrected one is chosen by that suffix; the first file of the folder is the uncorrected one. Its shear moves
slices by whole pixels, ours (:mod:`~medvlm.datamodules.readers.geometry`) by parts of one: on a linear function of
place it is off by up to half a pixel where ours is exact, which is why ours is the default.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medvlm.orientation import same_plane
from medvlm.study import GeometryError, Image, need

from .geometry import Layout
from .nifti import read_nifti

_SECONDS = 600
_VERSION = re.compile(r"v\d+\.\d+\.\d{8}")


def mend_by_dcm2niix(files: Sequence[Path], name: str, layout: Layout, *, modality: str) -> Image:
    """Convert the slices of a series and return the corrected volume.

    Args:
        files: The slices of one volume.
        name: What to call the series in errors.
        layout: How they lie: dcm2niix leaves slices out without a word where instance numbers are absent, so a volume
            that does not reach from the first to the last of them is refused.
        modality: Theirs; a NIfTI file does not say it.

    Raises:
        GeometryError: If dcm2niix fails, corrects nothing, leaves slices out, or makes several volumes of them.
        ImportError: If it is absent; the message says how to install it.
    """
    program = need("dcm2niix", "dcm2niix").bin
    with tempfile.TemporaryDirectory(prefix="medvlm-") as place:
        source, target = Path(place, "in"), Path(place, "out")
        source.mkdir()
        target.mkdir()
        for index, file in enumerate(files):
            (source / f"{index:06d}.dcm").symlink_to(file.resolve())
        said = _run([program, "-b", "n", "-z", "n", "-f", "v", "-o", str(target), str(source)], name)
        chosen = _corrected(sorted(target.glob("*.nii")), name)
        image = read_nifti(chosen, modality=modality)
    if not _reaches(image, layout):
        raise GeometryError(f"{name}: dcm2niix left out some of these slices; repair=True is our own repair.")
    version = _VERSION.search(said)
    kinds = {"_Tilt": "gantry tilt sheared out", "_Eq": "resampled to even steps"}
    done = " and ".join(text for suffix, text in kinds.items() if suffix in chosen.stem)
    return replace(image, notes=(*image.notes, f"repaired by dcm2niix {version[0] if version else ''}: {done}"))


def _reaches(image: Image, layout: Layout) -> bool:
    """Whether a volume is as long as the slices were, within a step and a half, and has no fewer planes than they."""
    if image.orientation is None or image.spacing is None or layout.letters is None or layout.depths is None:
        return False
    axis = next(i for i, letter in enumerate(image.orientation) if same_plane(letter, layout.letters[0]))
    step, span = image.spacing[axis], float(layout.depths[-1] - layout.depths[0])
    planes = image.array.shape[axis]
    return bool(abs((planes - 1) * step - span) <= 1.5 * step and planes >= len(layout.depths))


def _run(command: list[str], name: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise GeometryError(f"{name}: dcm2niix did not end within {_SECONDS} seconds.") from None
    if done.returncode:  # what it prints may name the patient
        raise GeometryError(f"{name}: dcm2niix failed (exit status {done.returncode}); repair=True is our own repair.")
    return done.stdout


def _corrected(made: Sequence[Path], name: str) -> Path:
    """The file that was corrected most; dcm2niix ends names by ``_1``, ``_2``, ... after the suffix."""
    corrected = [path for path in made if "_Tilt" in path.stem or "_Eq" in path.stem]
    if not corrected:
        raise GeometryError(
            f"{name}: dcm2niix made {len(made)} volume(s) and corrected none; repair=True is our own repair."
        )
    best = max(corrected, key=lambda path: ("_Tilt" in path.stem) + ("_Eq" in path.stem))
    if len({path.stem.partition("_")[0] for path in made}) > 1:
        raise GeometryError(f"{name}: dcm2niix made several volumes of these slices ({len(made)} files).")
    return best
