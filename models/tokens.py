"""Token budgets, known before weights load and checked before the first step."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from medvlm.study import SampleError

from .processing import MedVLMProcessor


def max_positions(config: PreTrainedConfig) -> int | None:
    """Longest sequence that the decoder of ``config`` was made for; None if it names no bound."""
    bound: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return bound


def check_tokens(
    processor: MedVLMProcessor, sample: str, text: str, *, images: int = 0, volumes: int = 0, limit: int | None = None
) -> int:
    """Tokens of one sample, once it is known that its text fits its images and the decoder.

    Args:
        processor: It counts.
        sample: The sample's id, for the message.
        text: The whole text with one placeholder an image or volume.
        images: Images of the sample.
        volumes: Volumes of the sample.
        limit: Most tokens that the decoder takes, see ``max_positions``; none if None.

    Raises:
        SampleError: If placeholders and images differ in number, or the sample is too long.
    """
    given = {processor.image_token: images, processor.video_token: volumes}
    for token, count in given.items():
        if text.count(token) != count:
            raise SampleError(f"Sample {sample!r} has {text.count(token)} {token} in its text, but {count} to show.")
    length = len(processor.token_ids(text))
    if limit is not None and length > limit:
        shown = images * processor.count_tokens("image") + volumes * processor.count_tokens("volume")
        raise SampleError(
            f"Sample {sample!r} takes {length} tokens ({shown} of them for {images} image(s) and {volumes} volume(s)), "
            f"the decoder at most {limit}. Shorten it, or merge more tokens: projector.merge, compressor.tokens."
        )
    return length


def image_token_ids(config: Any) -> list[int]:
    """Ids that stand for images in any model's text and that must never be generated."""
    names = ("image_token_id", "video_token_id", "boi_token_id", "eoi_token_id", "vision_start_token_id")
    found = (getattr(config, name, None) for name in names)
    return sorted({int(token) for token in found if token is not None})
