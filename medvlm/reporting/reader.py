"""From a study on disk to what the model sees, or the reason why not, without paths in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from medvlm.asking import Shown
from medvlm.predictor import Predictor
from medvlm.reporting.pick import Candidate, Pick, pick, unchecked
from medvlm.reporting.priors import family
from medvlm.reporting.questions import samples_for
from medvlm.reporting.records import Row
from medvlm.reporting.studies import Prior, Study
from medvlm.reporting.templates import template_of
from medvlm.study import MedvlmError, RecipeMismatch, Repair, Sample

UNREAD = "the model was not trained to {} (its card does not list it in reads)"


@dataclass(frozen=True, slots=True)
class Compared:
    """An earlier study that is shown beside the one that is reported; ``days`` before it, None where unknown."""

    study: Study
    chosen: Candidate
    shown: Shown
    days: int | None


@dataclass(frozen=True, slots=True)
class Ready:
    """A study that can be reported.

    Attributes:
        study: What was found.
        chosen: The image or volume that is reported.
        shown: The same, as the model sees it.
        skipped: What is not shown, and why.
        priors: What it is compared with, the oldest first.
        boxes: Whether the model is asked for boxes.
        history: What the model is told of why the patient was sent; empty where it does not read that.
    """

    study: Study
    chosen: Candidate
    shown: Shown
    skipped: tuple[tuple[str, str], ...]
    priors: tuple[Compared, ...] = ()
    boxes: bool = False
    history: str = ""

    @property
    def ask(self) -> tuple[tuple[Shown, ...], list[Sample]]:
        """What `Predictor.answer` takes: priors first and the study last, and all that is asked in one read."""
        images = (*(prior.shown for prior in self.priors), self.shown)
        days, findings = [prior.days for prior in self.priors], template_of(self.chosen).findings
        return images, samples_for(images, history=self.history, days=days, findings=findings, boxes=self.boxes)


def read_study(study: Study, predictor: Predictor, row: Row, *, repair: Repair) -> Ready | Row:
    """Choose and decode the image of a study.

    Args:
        study: What was found.
        predictor: Its recipes say what can be shown.
        row: The line of the table, to be completed if there will be no report.
        repair: Whether irregular series are resampled.

    Returns:
        What can be reported, with those of its priors that can be shown; or the row of a study that was skipped or
        failed.
    """
    found = pick(study, predictor.processor.image_processor.intensity_recipes, predictor.identity.accepts)
    if found.chosen is None:
        return replace(row, status="skipped", reason=_nothing(found))
    row = replace(row, modality=found.chosen.entries[0].modality)
    shown = _try_to_show(study, found.chosen, predictor, repair)
    if not isinstance(shown, Shown):
        status, reason = shown
        return replace(row, status=status, reason=reason)
    compared = [_compare(prior, found.chosen, predictor, repair) for prior in study.priors]
    unread = [("prior", one) for one in compared if isinstance(one, str)]
    if study.history and "history" not in predictor.identity.reads:
        unread.append(("clinical history", UNREAD.format("read one")))
    return Ready(
        study,
        found.chosen,
        shown,
        (*found.skipped, *unread),
        tuple(one for one in compared if isinstance(one, Compared)),
        _boxes(shown, predictor),
        study.history if "history" in predictor.identity.reads else "",
    )


def _boxes(shown: Shown, predictor: Predictor) -> bool:
    """Whether shares of what the model sees are shares of the image, and it was trained to give them.

    A box in a volume would be of no one slice; padded and cropped images have other shares than the file.
    """
    recipes = predictor.processor.image_processor.intensity_recipes
    whole = any(recipe.name == shown.recipe and recipe.resize == "squash" for recipe in recipes)
    return "box" in predictor.identity.kinds and shown.pixels.ndim == 3 and whole


def _compare(prior: Prior, current: Candidate, predictor: Predictor, repair: Repair) -> Compared | str:
    """An earlier study as the model sees it, or why it is not shown: the report is written without it."""
    if "priors" not in predictor.identity.reads:
        return UNREAD.format("compare images")
    found = pick(prior.study, predictor.processor.image_processor.intensity_recipes, predictor.identity.accepts)
    if found.chosen is None:
        return _nothing(found)
    kind, other = (family(one.entries[0].modality) for one in (current, found.chosen))
    if kind != other or current.volume != found.chosen.volume:
        return f"its image is of another kind ({found.chosen.name})"
    shown = _try_to_show(prior.study, found.chosen, predictor, repair)
    return Compared(prior.study, found.chosen, shown, prior.days) if isinstance(shown, Shown) else shown[1]


def _try_to_show(study: Study, chosen: Candidate, predictor: Predictor, repair: Repair) -> Shown | tuple[str, str]:
    """What the model sees, or a status and a reason without paths."""
    try:
        return show_candidate(chosen, predictor, repair)
    except RecipeMismatch as error:
        return "skipped", without_paths(error, _paths(study))
    except MedvlmError as error:
        return "failed", without_paths(error, _paths(study))
    except OSError as error:
        return "failed", f"cannot be read: {error.strerror}"
    except ImportError as error:  # a reader of an extra; it says how to install it
        return "failed", str(error)


def show_candidate(chosen: Candidate, predictor: Predictor, repair: Repair) -> Shown:
    """What the model sees of a candidate.

    Args:
        chosen: An image, or the slices of a volume.
        predictor: Its recipes say what can be shown.
        repair: Whether irregular series are resampled.

    Raises:
        MedvlmError: If it cannot be shown.
    """
    shown = _show(chosen, predictor, repair)
    return replace(shown, notes=shown.notes + unchecked(chosen, predictor.identity.accepts))


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
