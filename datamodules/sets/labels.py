"""The 14 observations of CheXpert (Irvin et al. 2019), also in MIMIC-CXR-JPG: states, and questions about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from .records import UnusableRecordError

Asking = Literal["list", "closed"]
NO_FINDING = "No Finding"
OBSERVATIONS = (
    NO_FINDING,
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
STATES = {
    "1.0": "positive",
    "1": "positive",
    "0.0": "negative",
    "0": "negative",
    "-1.0": "uncertain",
    "-1": "uncertain",
}
WORDS = {
    "Enlarged Cardiomediastinum": "an enlarged cardiomediastinal silhouette",
    "Lung Opacity": "a lung opacity",
    "Lung Lesion": "a lung lesion",
    "Pneumothorax": "a pneumothorax",
    "Pleural Effusion": "a pleural effusion",
    "Pleural Other": "a pleural abnormality other than an effusion",
    "Fracture": "a fracture",
    "Support Devices": "a support device",
}
LIST_QUESTION = f"Which of these observations does the study show: {', '.join(OBSERVATIONS[1:])}? List them."


def states_of(row: Mapping[str, str], where: str) -> dict[str, str]:
    """Return the state of every observation that is mentioned: ``positive``, ``negative`` or ``uncertain``.

    Args:
        row: A row of a label table; a blank cell means not mentioned.
        where: Name of the record.

    Raises:
        UnusableRecordError: If a cell is none of 1, 0, -1 and blank.

    Examples:
        >>> states_of({"Edema": "1.0", "Fracture": "-1.0", "Pneumonia": ""}, "1")
        {'Edema': 'positive', 'Fracture': 'uncertain'}
    """
    found: dict[str, str] = {}
    for name in OBSERVATIONS:
        text = row.get(name, "").strip()
        if text and text not in STATES:
            raise UnusableRecordError(where, f"label {name} is not 1.0, 0.0, -1.0 or blank", text)
        if text:
            found[name] = STATES[text]
    return found


def list_answer(states: Mapping[str, str]) -> str:
    """Return the positive observations as a list, ``No Finding`` where there are none.

    Examples:
        >>> list_answer({"Edema": "positive", "Cardiomegaly": "positive", "Fracture": "uncertain"})
        'Cardiomegaly, Edema'
    """
    return ", ".join(name for name in OBSERVATIONS[1:] if states.get(name) == "positive") or NO_FINDING


def closed_questions(states: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Give a yes-no question for each observation that is certain.

    ``No Finding`` is never negative in these labels, so that it would always be answered by yes: it is not asked.

    Args:
        states: What ``states_of`` returns.

    Yields:
        The observation, the question and ``yes`` or ``no``.

    Examples:
        >>> next(closed_questions({"Edema": "negative"}))
        ('Edema', 'Does the study show edema?', 'no')
    """
    for name in OBSERVATIONS[1:]:
        if states.get(name) in ("positive", "negative"):
            answer = "yes" if states[name] == "positive" else "no"
            yield name, f"Does the study show {WORDS.get(name, name.lower())}?", answer
