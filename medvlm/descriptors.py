"""What a finding looks like on a chest radiograph, in a few observations each: data of zero-shot classification.

A finding is asked for by what a reader would see if it were there, each observation beside its denial (Xplainer,
Pellegrini et al., arXiv 2303.13391, has the idea; the wording is our own). Names are those of
``medvlm.evaluation.labeler``.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "Enlarged Cardiomediastinum": "widened mediastinum",
    "Cardiomegaly": "cardiomegaly",
    "Lung Opacity": "lung opacity",
    "Lung Lesion": "nodule",
    "Edema": "pulmonary edema",
    "Consolidation": "consolidation",
    "Pneumonia": "pneumonia",
    "Atelectasis": "atelectasis",
    "Pneumothorax": "pneumothorax",
    "Pleural Effusion": "pleural effusion",
    "Pleural Other": "pleural thickening",
    "Fracture": "fracture",
    "Support Devices": "support device",
}
"""How reports name a finding."""

DESCRIPTORS: Mapping[str, tuple[str, ...]] = {
    "Enlarged Cardiomediastinum": (
        "widened mediastinum",
        "prominent mediastinal contour",
        "broad shadow between the lungs above the heart",
    ),
    "Cardiomegaly": (
        "cardiomegaly",
        "enlarged heart",
        "heart shadow wider than half of the chest",
        "prominent left heart border",
    ),
    "Lung Opacity": (
        "lung opacity",
        "area of increased density in the lung",
        "haziness over a lung zone",
        "loss of the normal dark lung",
    ),
    "Lung Lesion": (
        "nodule",
        "round opacity",
        "well circumscribed spot in the lung",
        "focal lung mass",
    ),
    "Edema": (
        "pulmonary edema",
        "haziness around the hila on both sides",
        "congested upper lobe vessels",
        "thin septal lines at the lung bases",
    ),
    "Consolidation": (
        "consolidation",
        "airspace opacity",
        "dense patch with air-filled bronchi in it",
        "zone of opacity with a blurred border",
    ),
    "Pneumonia": (
        "pneumonia",
        "infectious infiltrate",
        "patchy airspace opacity of one lobe",
    ),
    "Atelectasis": (
        "atelectasis",
        "volume loss of a lobe",
        "linear opacity at the lung base",
        "shift of a fissure towards an opacity",
    ),
    "Pneumothorax": (
        "pneumothorax",
        "collapsed lung",
        "visible pleural line with no lung markings outside it",
        "dark rim of air at the apex",
    ),
    "Pleural Effusion": (
        "pleural effusion",
        "blunted costophrenic angle",
        "fluid at the lung base with a curved upper border",
        "hidden diaphragm",
    ),
    "Pleural Other": (
        "pleural thickening",
        "pleural plaque",
        "irregular band along the chest wall",
    ),
    "Fracture": (
        "fracture",
        "break in the outline of a rib",
        "displaced bone fragment",
    ),
    "Support Devices": (
        "support device",
        "tube projecting over the trachea",
        "catheter with its tip over the heart",
        "pacemaker with leads",
    ),
}
"""Observations of each finding; each follows "No" as well as it stands alone."""


def affirmed(observation: str) -> str:
    """An observation as a report states it.

    Examples:
        >>> affirmed("round opacity")
        'Round opacity.'
    """
    return f"{observation[0].upper()}{observation[1:]}."


def denied(observation: str) -> str:
    """An observation as a report denies it.

    Examples:
        >>> denied("round opacity")
        'No round opacity.'
    """
    return f"No {observation}."
