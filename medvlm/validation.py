"""What a recipe may say of validation during a stage: how often, on what, by which number weights are chosen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medvlm.settings_base import Settings


class ValidateSettings(Settings):
    """Validation between optimiser steps, by the protocol that scores the stage at its end.

    The questions are those of the set's ``validate`` split; a set that has none gives up a tenth of its training
    patients, in every stage. They are never those of the test split.
    """

    every: Annotated[int, Field(ge=1)]
    """Batches between two validations; there is one after the last batch too."""
    metric: str = "accuracy"
    """A number of the score by its name: ``accuracy``, ``KIND:METRIC`` (``open:token_f1``,
    ``report:rule_chexpert_micro_f1``, ``box:iou``), ``CATEGORY=VALUE:accuracy``, or one of the corpus (``rouge_l``)."""
    mode: Literal["max", "min"] = "max"
    """Whether more of it is better, or less."""
    keep: Literal["best", "last"] = "best"
    """Whether the stage ends with the weights that were best by it, or with its last ones; of equals, the earlier."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Most questions, a fixed choice of whole patients by the recipe's seed; None takes all."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Validations in a row without a better number after which the stage ends; None goes to its last batch."""
