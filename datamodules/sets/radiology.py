"""The cards of the chest radiograph and chest CT sets, in the order in which they are listed."""

from __future__ import annotations

from . import (
    chexpert,
    ct_rate,
    ct_rate_vqa,
    cxreason,
    gemex,
    imagenome,
    mimic_cxr,
    mimic_vqa,
    ms_cxr,
    openi,
    radgenome,
    rexgradient,
    vindr,
)
from .cards import SetCard

CARDS: tuple[SetCard, ...] = (
    mimic_cxr.CARD,
    mimic_cxr.JPG_CARD,
    mimic_vqa.CARD,
    openi.CARD,
    openi.R2GEN_CARD,
    chexpert.CARD,
    chexpert.PLUS_CARD,
    rexgradient.CARD,
    gemex.CARD,
    cxreason.CARD,
    imagenome.CARD,
    imagenome.GOLD_CARD,
    ms_cxr.CARD,
    vindr.CARD,
    ct_rate.CARD,
    ct_rate_vqa.CARD,
    radgenome.CARD,
)
