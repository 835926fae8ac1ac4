"""Where MIMIC-CXR and MIMIC-CXR-JPG keep things: images and reports by patient and study, tables by image.

::

    files/p10/p10000032/s50414267/<dicom_id>.dcm | .jpg      files/p10/p10000032/s50414267.txt
    mimic-cxr-reports.zip                                    # the same text files, in MIMIC-CXR
    mimic-cxr-2.0.0-{split,metadata,chexpert}.csv.gz         # in MIMIC-CXR-JPG, the names also in 2.1.0
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medvlm.study import SampleError

from .labels import states_of
from .records import UnusableRecordError, find_file, is_there
from .table import read_table

ZIP = "mimic-cxr-reports.zip"
REPORT_NAME = re.compile(r"^(.*?)p\d\d/p\d+/s\d+\.txt$")
# The most frequent frontal view first; LL is the DICOM term for the left lateral, blank is a view nobody noted.
VIEW_RANK = ("PA", "AP", "LATERAL", "LL")


@dataclass(frozen=True, slots=True)
class Study:
    """One study of the split table.

    Attributes:
        study: Study id, digits only.
        patient: Subject id, digits only.
        split: ``train``, ``validate`` or ``test``.
        images: Its DICOM ids.
    """

    study: str
    patient: str
    split: str
    images: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The id as files and other tables write it."""
        return f"s{self.study}"

    @property
    def folder(self) -> str:
        """The folder of its images below ``files``."""
        return study_folder(self.patient, self.study)


def study_folder(patient: str, study: str) -> str:
    """Return the folder of a study below ``files``.

    Examples:
        >>> study_folder("10000032", "s50414267")
        'p10/p10000032/s50414267'
    """
    patient, study = patient.strip().lstrip("p"), study.strip().lstrip("s")
    return f"p{patient[:2]}/p{patient}/s{study}"


def find_table(root: Path | str, name: str, tables: Path | str | None, what: str) -> Path:
    """Find a table of MIMIC-CXR-JPG, gzipped or not.

    Args:
        root: Folder of the set.
        name: ``split``, ``metadata`` or ``chexpert``.
        tables: Where the tables are, if not in ``root``.
        what: Title of the set.

    Raises:
        FileNotFoundError: If it is not there.
    """
    file = f"mimic-cxr-2.0.0-{name}.csv"
    return find_file(root if tables is None else tables, [f"{file}.gz", file], what)


def read_studies(path: Path, split: str) -> Iterator[Study | UnusableRecordError]:
    """Give the studies of a split (or of ``all``), their images in the order of the table.

    Args:
        path: The split table.
        split: ``train``, ``validate``, ``test`` or ``all``.
    """
    studies: dict[str, Study] = {}
    for row in read_table(path, ("dicom_id", "study_id", "subject_id", "split")):
        if isinstance(row, UnusableRecordError):
            yield row
            continue
        if split not in ("all", row["split"]):
            continue
        study = row["study_id"].lstrip("s")
        known = studies.setdefault(study, Study(study, row["subject_id"].lstrip("p"), row["split"]))
        known.images.append(row["dicom_id"])
    yield from studies.values()


def read_views(path: Path) -> dict[str, str]:
    """Return the ViewPosition (0018,5101) of each image by its DICOM id; blank where it is not known."""
    rows = read_table(path, ("dicom_id", "ViewPosition"))
    return {row["dicom_id"]: row["ViewPosition"].strip() for row in rows if not isinstance(row, UnusableRecordError)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image lies, and how large it is.

    Attributes:
        patient: Subject id, digits only.
        study: Study id, digits only.
        width: Columns (0028,0011) in pixels; 0 if the table does not say.
        height: Rows (0028,0010) in pixels; 0 if the table does not say.
    """

    patient: str
    study: str
    width: int
    height: int

    def path(self, image: str) -> str:
        """Return the JPG of the image below ``files``."""
        return f"{study_folder(self.patient, self.study)}/{image}.jpg"


def read_places(path: Path) -> dict[str, Place]:
    """Return the place of each image by its DICOM id.

    Args:
        path: The metadata table.
    """
    places: dict[str, Place] = {}
    for row in read_table(path, ("dicom_id", "subject_id", "study_id", "Rows", "Columns")):
        if not isinstance(row, UnusableRecordError):
            width, height = (int(text) if text.isdecimal() else 0 for text in (row["Columns"], row["Rows"]))
            places[row["dicom_id"]] = Place(row["subject_id"], row["study_id"], width, height)
    return places


def read_states(path: Path) -> dict[str, dict[str, str]]:
    """Return the states of the 14 observations by study id; a study is not there if nothing is labelled."""
    states: dict[str, dict[str, str]] = {}
    for row in read_table(path, ("subject_id", "study_id", "No Finding", "Support Devices")):
        if not isinstance(row, UnusableRecordError):
            states[row["study_id"].lstrip("s")] = states_of(row, f"s{row['study_id']}")
    return states


def order_views(images: list[str], views: Mapping[str, str]) -> list[str]:
    """Put images in the order PA, AP, LATERAL, LL, others; those of one view stay in the order of the table.

    Examples:
        >>> order_views(["a", "b", "c"], {"a": "LATERAL", "b": "", "c": "PA"})
        ['c', 'a', 'b']
    """
    rank = {view: place for place, view in enumerate(VIEW_RANK)}
    return sorted(images, key=lambda image: rank.get(views.get(image, ""), len(rank)))


class Reports:
    """The report texts, in a folder or in the zip of the release (which is read in place, never unpacked)."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet.

        Args:
            path: A zip, or a folder that holds ``p10/...`` (with or without ``files/`` before it).

        Raises:
            FileNotFoundError: If it is absent.
        """
        if not path.exists():
            raise FileNotFoundError(f"MIMIC-CXR: the reports {path} do not exist; give {ZIP} or its unpacked folder")
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        self._prefix = ""

    def text(self, study: Study) -> str | None:
        """Return the report of a study, or None if there is no file of it.

        Args:
            study: The study.

        Raises:
            SampleError: If the zip is broken or holds no reports.
        """
        name = f"{study.folder}.txt"
        if self.path.is_dir():
            paths = (self.path / name, self.path / "files" / name)
            return next((path.read_text(encoding="utf-8", errors="replace") for path in paths if is_there(path)), None)
        try:
            archive = self._open()
            return archive.read(self._prefix + name).decode("utf-8", errors="replace")
        except KeyError:
            return None
        except (zipfile.BadZipFile, EOFError) as error:
            raise SampleError(f"{self.path}: expected the zip of reports as released, found: {error}") from None

    def _open(self) -> zipfile.ZipFile:
        """Open the zip and find what stands before ``p10/`` in it."""
        if self._zip is None:
            archive = zipfile.ZipFile(self.path)
            found = next(filter(None, map(REPORT_NAME.match, archive.namelist())), None)
            if found is None:
                raise SampleError(f"{self.path}: holds no files p10/p10000032/s50414267.txt; give {ZIP}")
            self._prefix, self._zip = found[1], archive
        return self._zip


def find_reports(root: Path | str, given: Path | str | None) -> Reports:
    """Return the reports that are given, else those in the root: its zip, else its text files.

    Raises:
        FileNotFoundError: If the given ones are absent.
    """
    zipped = Path(root) / ZIP
    return Reports(Path(given) if given is not None else zipped if zipped.is_file() else Path(root))
