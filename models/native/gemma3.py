"""Gemma 3, and with it MedGemma.

What differs: the prompt's placeholder is ``<start_of_image>``, which the processor turns into line breaks, that token,
``mm_tokens_per_image`` soft tokens and ``<end_of_image>``; the soft tokens of one image see each other in both
directions, within the window on sliding layers; the embedding module scales its own output, image features are used
as the projector gives them; the head's soft cap, where a configuration has one, is not applied by the released class.
"""

from __future__ import annotations

from typing import Any, Literal

from medvlm.study import WeightsError

from .family import Family


class Gemma3(Family):
    """``gemma3``."""

    ahead: Literal["none", "image", "prompt"] = "image"

    def check(self, config: Any, processor: Any) -> None:
        """Pan and scan would give every image its own number of crops."""
        if processor.image_processor.do_pan_and_scan:
            raise WeightsError("do_pan_and_scan=True is not supported: set it to false in processor_config.json.")
