"""Find studies in folder trees, on discs with an index, and by worklists: headers only, by content, grouped by UID."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medvlm.reporting.dicomdir import files_of, is_dicomdir
from medvlm.reporting.look import Looked, look
from medvlm.reporting.priors import facts, with_priors
from medvlm.reporting.studies import Entry, Prior, Stray, Study, make_study, study_id

__all__ = [
    "Entry",
    "Prior",
    "Stray",
    "Study",
    "common_folder",
    "find_studies",
    "group",
    "look_at",
    "place_of",
    "study_id",
    "walk",
]

_THREADS = 4
WORKLISTS = (".csv", ".jsonl")


def find_studies(
    roots: Sequence[Path], *, leave_out: Path | None = None, priors: bool = True
) -> tuple[list[Study], list[Stray]]:
    """All studies in folders and files, in a stable order, and the files that are none.

    A DICOM study is all files of one StudyInstanceUID, wherever they lie; a NIfTI file or picture is one by itself. A
    DICOMDIR that is named stands for the files it lists. A worklist (CSV or JSONL) that is named says which studies
    are reported, see `medvlm.reporting.worklist`; the other roots are then where its UIDs are looked up.

    Args:
        roots: Folders and files.
        leave_out: A folder that is not searched: that of the reports.
        priors: Whether earlier studies of the same patient are found among them, see `medvlm.reporting.priors`.

    Raises:
        FileNotFoundError: If there is nothing at one of them.
        SampleError: If a worklist cannot be read, or has none of the columns it needs.
    """
    base = common_folder(roots)
    lists = [root for root in roots if root.is_file() and root.suffix.lower() in WORKLISTS]
    if lists:
        from medvlm.reporting.listed import listed_studies

        return listed_studies(lists, [root for root in roots if root not in lists], base, leave_out, priors)
    strays: list[Stray] = []
    files = dict.fromkeys(path for root in roots for path in walk(root, base, leave_out, strays))
    looked = look_at(files, base)
    strays += [found for found in looked.values() if isinstance(found, Stray)]
    groups = group((found for found in looked.values() if isinstance(found, Looked)), base)
    studies = [make_study(name, [(one.kind, one.entry) for one in members]) for name, members in sorted(groups.items())]
    if priors:
        studies = with_priors(studies, {name: facts(members) for name, members in groups.items()})
    return studies, strays


def common_folder(roots: Sequence[Path]) -> Path:
    """The folder below which all of them lie; a single folder itself.

    Args:
        roots: Folders and files.

    Raises:
        FileNotFoundError: If there is nothing at one of them, or none is given.
    """
    for root in roots:
        if not root.exists():
            raise FileNotFoundError(f"There is nothing at {root}; give the folder that holds the studies.")
    if not roots:
        raise FileNotFoundError("No studies are given; give the folder that holds them.")
    return Path(os.path.commonpath([(root if root.is_dir() else root.parent).resolve() for root in roots]))


def place_of(path: Path, base: Path) -> str:
    """Where a file lies below a folder.

    Args:
        path: The file.
        base: Of ``common_folder``.
    """
    return Path(path.parent.resolve(), path.name).relative_to(base).as_posix()


def walk(root: Path, base: Path, leave_out: Path | None, strays: list[Stray]) -> Iterator[Path]:
    """The files of a folder tree, of a DICOMDIR, or a file itself; hidden ones are left out.

    Args:
        root: Folder or file.
        base: Of ``common_folder``.
        leave_out: A folder that is not searched.
        strays: Folders that cannot be listed, and files that a DICOMDIR lists in vain, are added.
    """
    if root.is_file():
        found = list(files_of(root, place_of(root, base))) if is_dicomdir(root) else [root]
        strays += [one for one in found if isinstance(one, Stray)]
        yield from (one for one in found if isinstance(one, Path))
        return
    spared = None if leave_out is None else leave_out.resolve()
    for folder, below, names in os.walk(root, onerror=lambda error: strays.append(_unread_folder(error, base))):
        below[:] = sorted(name for name in below if not name.startswith(".") and Path(folder, name).resolve() != spared)
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _unread_folder(error: OSError, base: Path) -> Stray:
    """A folder that is there and cannot be listed: what it holds was not looked at, and must not vanish unsaid."""
    path = Path(error.filename)
    return Stray(study_id(place_of(path, base)), path, "failed", f"a folder that cannot be read: {error.strerror}")


def look_at(files: Iterable[Path], base: Path) -> Mapping[Path, Looked | Stray]:
    """What each file is; patients are told apart by a key that is drawn here and kept nowhere.

    Args:
        files: Each once.
        base: Of ``common_folder``.
    """
    key, paths = secrets.token_bytes(32), list(files)
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(paths, pool.map(lambda path: look(path, place_of(path, base), key), paths), strict=True))


def group(found: Iterable[Looked], base: Path) -> Mapping[str, Sequence[Looked]]:
    """The files of each study, by its id.

    Args:
        found: Files of any studies.
        base: Of ``common_folder``.
    """
    groups: dict[str, list[Looked]] = {}
    for one in found:
        groups.setdefault(study_id(one.entry.study or place_of(one.entry.path, base)), []).append(one)
    return groups
