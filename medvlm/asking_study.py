"""A study to ask about: the image that is shown of a folder is chosen as for a report, and its prior goes before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medvlm.accepts import TAKES_ALL
from medvlm.asking import Shown
from medvlm.study import RecipeMismatch, Repair

if TYPE_CHECKING:
    from medvlm.predictor import Predictor, Source
    from medvlm.reporting.studies import Study


def show_any(predictor: Predictor, image: Source, *, modality: str | None = None, repair: Repair = False) -> Shown:
    """What is shown of an image, or of the folder or DICOMDIR of one DICOM study: then what would be reported.

    Args:
        predictor: What its recipes do not take is not chosen.
        image: See ``Predictor.predict``.
        modality: For images that do not say; where it is given the readers choose by it alone.
        repair: Whether irregular series are resampled.

    Returns:
        The image; its notes say what was left out of a study, and why.

    Raises:
        RecipeMismatch: If the model takes nothing of a study; the message says why not, image by image.
        ImageError: If what was chosen cannot be read.
    """
    path = Path(image) if modality is None and isinstance(image, str | Path) else None
    study = None if path is None else _only_study(path, predictor.identity.accepts != TAKES_ALL)
    if study is None:
        return predictor.show(image, modality=modality, repair=repair)
    from medvlm.reporting.pick import pick
    from medvlm.reporting.reader import show_candidate

    found = pick(study, predictor.processor.image_processor.intensity_recipes, predictor.identity.accepts)
    notes = tuple(f"skipped {what}: {reason}" for what, reason in found.skipped)
    if found.chosen is None:
        raise RecipeMismatch(f"{path} holds no image that the model takes ({'; '.join(notes)}).")
    shown = show_candidate(found.chosen, predictor, repair)
    return replace(shown, notes=shown.notes + notes)


def _only_study(path: Path, check: bool) -> Study | None:
    """The one DICOM study of a folder or DICOMDIR; of a file too, where its header has to be checked."""
    from medvlm.reporting.dicomdir import is_dicomdir
    from medvlm.reporting.find import WORKLISTS, find_studies

    if not path.is_dir() and not (path.is_file() and path.suffix not in WORKLISTS and (check or is_dicomdir(path))):
        return None
    studies, _ = find_studies([path], priors=False)
    return studies[0] if len(studies) == 1 and studies[0].kind == "dicom" else None


def with_order(questions: Sequence[str], priors: int) -> list[str]:
    """The questions, each told which images are earlier ones.

    Args:
        questions: What is asked.
        priors: Images of earlier studies that are shown first.
    """
    from medvlm.reporting.questions import told

    return [f"{told([None] * priors)}\n{one}" if priors and one.strip() else one for one in questions]


def noted(shown: Sequence[Shown], priors: int, predictor: Predictor) -> tuple[Shown, ...]:
    """The images, with a note where the model was not trained to compare them: who asks decides, and must know.

    Args:
        shown: Priors first.
        priors: How many they are.
        predictor: Its card says what it reads.
    """
    from medvlm.reporting.reader import UNREAD

    if not priors or "priors" in predictor.identity.reads:
        return tuple(shown)
    first, *others = shown
    return (replace(first, notes=(*first.notes, UNREAD.format("compare images"))), *others)
