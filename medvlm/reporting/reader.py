"""From a study on disk to what the model sees, or the reason why not, without paths in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from medvlm.asking import Shown
from medvlm.predictor import Predictor
from medvlm.reporting.find import Study
from medvlm.reporting.pick import Candidate, Pick, pick
from medvlm.reporting.records import Row
from medvlm.study import MedvlmError, RecipeMismatch, Repair


@dataclass(frozen=True, slots=True)
class Ready:
    """A study that can be reported."""

    study: Study
    chosen: Candidate
    shown: Shown
    skipped: tuple[tuple[str, str], ...]


def read_study(study: Study, predictor: Predictor, row: Row, *, repair: Repair) -> Ready | Row:
    """Choose and decode the image of a study.

    Args:
        study: What was found.
        predictor: Its recipes say what can be shown.
        row: The line of the table, to be completed if there will be no report.
        repair: Whether irregular series are resampled.

    Returns:
        What can be reported, or the row of a study that was skipped or failed.
    """
    found = pick(study, predictor.processor.image_processor.intensity_recipes)
    if found.chosen is None:
        return replace(row, status="skipped", reason=_nothing(found))
    row = replace(row, modality=found.chosen.entries[0].modality)
    try:
        shown = _show(found.chosen, predictor, repair)
    except RecipeMismatch as error:
        return replace(row, status="skipped", reason=without_paths(error, _paths(study)))
    except MedvlmError as error:
        return replace(row, status="failed", reason=without_paths(error, _paths(study)))
    except OSError as error:
        return replace(row, status="failed", reason=f"cannot be read: {error.strerror}")
    except ImportError as error:  # a reader of an extra; it says how to install it
        return replace(row, status="failed", reason=str(error))
    return Ready(study, found.chosen, shown, found.skipped)


def _show(chosen: Candidate, predictor: Predictor, repair: Repair) -> Shown:
    if not chosen.volume:
        return predictor.show(chosen.entries[0].path)
    with tempfile.TemporaryDirectory(prefix="medvlm-") as folder:  # a series may share its folder with others
        for index, entry in enumerate(chosen.entries):
            Path(folder, f"{index:06d}").symlink_to(entry.path.resolve())
        try:
            return predictor.show(folder, repair=repair)
        except MedvlmError as error:
            raise type(error)(without_paths(error, [Path(folder)])) from error


def _nothing(found: Pick) -> str:
    reasons = "; ".join(f"{what}: {why}" for what, why in found.skipped)
    return f"no image that the model takes ({reasons})"


def _paths(study: Study) -> list[Path]:
    files = [entry.path for entry in study.entries]
    return [*files, *(path.parent for path in files)]


def without_paths(error: Exception, paths: Iterable[Path]) -> str:
    """A message on one line, without the paths in it: folders and files are named after patients.

    Args:
        error: What was raised.
        paths: Those that the message may hold.

    Examples:
        >>> without_paths(ValueError("/doe/jane.dcm: truncated"), [Path("/doe/jane.dcm")])
        'FILE: truncated'
    """
    text = " ".join(str(error).split())
    names = {name for path in paths for name in (str(path), str(path.resolve()), path.name)}
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, "FILE")
    return text
