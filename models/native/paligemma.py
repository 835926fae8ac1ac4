"""PaliGemma 1 and 2.

What differs: there is no chat; a prompt is its images' tokens, ``<bos>``, the text and a line break. The whole prompt
is read in both directions (prefix LM), only the answer looks back alone, so that two questions cannot share an image:
one question a tree. Positions start at 1, which rotary embeddings do not notice. The embedding module scales its own
output; image features are used as they come. A prompt that is longer than the sliding window of PaliGemma 2 is refused.
"""

from __future__ import annotations

from typing import Any, Literal

from .family import Family


class PaliGemma(Family):
    """``paligemma``."""

    ahead: Literal["none", "image", "prompt"] = "prompt"

    def prompt(self, processor: Any, text: str) -> str:
        """Where the model's own processor puts the start and the line break."""
        end = text.rfind(processor.image_token)
        cut = end + len(processor.image_token) if end >= 0 else 0
        return f"{text[:cut]}{processor.tokenizer.bos_token}{text[cut:]}\n"
