"""The processor: text with one placeholder an image to token ids with all placeholders, images to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from transformers import BatchFeature, ProcessorMixin
from transformers.processing_utils import MultiModalData

from medvlm.study import Image, ImageError

from .image_processing import MedVLMImageProcessor, stack
from .learned_prompt import learned_tokens
from .turns import stop_ids

Kind = Literal["image", "volume"]


class MedVLMProcessor(ProcessorMixin):
    """Tokenizer, image processor and token counts in one.

    Args:
        image_processor: Images to tensors.
        tokenizer: Text to ids.
        video_processor: Stacks volumes.
        chat_template: Jinja template of a conversation.
        image_seq_length: Placeholders of one image.
        video_seq_length: Placeholders of one volume.
        image_token: Placeholder of an image in text.
        video_token: Placeholder of a volume in text.
    """

    tokenizer: Any
    image_processor: MedVLMImageProcessor

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        video_processor: Any = None,
        chat_template: str | None = None,
        image_seq_length: int = 64,
        video_seq_length: int = 64,
        image_token: str = "<image>",
        video_token: str = "<volume>",
    ) -> None:
        self.image_seq_length, self.video_seq_length = image_seq_length, video_seq_length
        self.image_token, self.video_token = image_token, video_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(video_token)
        super().__init__(image_processor, tokenizer, video_processor, chat_template=chat_template)

    def count_tokens(self, kind: Kind) -> int:
        """Placeholders of one image or volume.

        Raises:
            ValueError: If ``kind`` is neither.
        """
        counts = {"image": self.image_seq_length, "volume": self.video_seq_length}
        if kind not in counts:
            raise ValueError(f"kind={kind!r}, expected 'image' or 'volume'.")
        return counts[kind]

    def expand(self, text: str) -> str:
        """The text with each placeholder repeated as often as its image has tokens.

        Raises:
            ImageError: If the text shows an image to a model that reads volumes only.
        """
        if self.image_seq_length == 0 and self.image_token in text:
            raise ImageError(
                f"The text shows {text.count(self.image_token)} image(s), but the model reads volumes only "
                f"({self.video_seq_length} tokens each). Build it with a 2D encoder and volume_encoder to read both."
            )
        text = text.replace(self.image_token, self.image_token * self.image_seq_length)
        return text.replace(self.video_token, self.video_token * self.video_seq_length)

    layout = None
    """Tokens stand one after another and look back only."""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Tokens that only images and templates bring into a text; they are never generated."""
        return self.image_token, self.video_token, *learned_tokens(self.tokenizer)

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer; the first one is what the chat template writes there."""
        return stop_ids(self, self.tokenizer)

    def places(self, volume: bool) -> list[dict[str, str]]:
        """What stands for an image or a volume in a message."""
        return [{"type": "video" if volume else "image"}]

    def prompt_ids(self, text: str) -> list[int]:
        """Ids of a rendered prompt: those of its text."""
        return self.token_ids(text)

    def token_ids(self, text: str) -> list[int]:
        """Ids of a text in which every placeholder is expanded to its count; nothing is added around it."""
        ids: list[int] = self.tokenizer(self.expand(text), add_special_tokens=False)["input_ids"]
        return ids

    def replace_image_token(self, image_inputs: Any, image_idx: int, **kwargs: Any) -> str:
        """What one image placeholder becomes."""
        return self.image_token * self.image_seq_length

    def replace_video_token(self, video_inputs: Any, video_idx: int, **kwargs: Any) -> str:
        """What one volume placeholder becomes."""
        return self.video_token * self.video_seq_length

    def prepare_inputs_layout(
        self, images: Any = None, text: Any = None, videos: Any = None, audio: Any = None, **kwargs: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Flat lists of prepared tensors, whatever form and nesting the images came in."""
        _, text, _, audio = super().prepare_inputs_layout(text=text, audio=audio, **kwargs)
        images = None if images is None else [self.image_processor.pixels(image) for image in flat_images(images)]
        videos = None if videos is None else [self.volume_pixels(video) for video in flat_videos(videos)]
        return images or None, text, videos or None, audio

    def validate_inputs(
        self, images: Any = None, text: Any = None, videos: Any = None, audio: Any = None, **kwargs: Any
    ) -> None:
        """Check that texts have one placeholder an image and one a volume.

        Raises:
            ValueError: If they differ in number, which older transformers would let pass.
        """
        if text is not None:
            joined = "".join([text] if isinstance(text, str) else text)
            for token, given in ((self.image_token, images), (self.video_token, videos)):
                if joined.count(token) != len(given or ()):
                    raise ValueError(f"The text has {joined.count(token)} {token}, but {len(given or ())} were given.")
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def volume_pixels(self, video: Any) -> torch.Tensor:
        """One volume, or one list of slices, as (S, 3, H, W)."""
        if isinstance(video, list | tuple):
            return stack([self.image_processor.pixels(frame) for frame in video])
        if isinstance(video, np.ndarray) and video.ndim == 3 and video.dtype == np.uint8:
            return stack([self.image_processor.pixels(frame) for frame in video])
        return self.image_processor.pixels(video)

    def _process_images(self, images: Any, **kwargs: Any) -> tuple[BatchFeature, list[str]]:
        processed = self.image_processor(images, **kwargs)
        return processed, [self.replace_image_token(processed, index) for index in range(len(images))]

    def _process_videos(self, videos: Any, **kwargs: Any) -> tuple[BatchFeature, list[str]]:
        processed = self.video_processor(videos, **kwargs)
        return processed, [self.replace_video_token(processed, index) for index in range(len(videos))]

    def _get_num_multimodal_tokens(
        self, image_sizes: Sequence[Any] | None = None, video_sizes: Sequence[Any] | None = None, **kwargs: Any
    ) -> MultiModalData:
        data: dict[str, list[int]] = {}
        if image_sizes is not None:
            data["num_image_tokens"] = [self.image_seq_length] * len(image_sizes)
            data["num_image_patches"] = [1] * len(image_sizes)
        if video_sizes is not None:
            data["num_video_tokens"] = [self.video_seq_length] * len(video_sizes)
        return MultiModalData(**data)


def flat_images(images: Any) -> list[Any]:
    """All images of a nested list, or of a batch in one tensor or array, in order."""
    if isinstance(images, list | tuple):
        return [image for part in images for image in flat_images(part)]
    if isinstance(images, torch.Tensor | np.ndarray) and images.ndim == 4:
        return list(images)
    return [images]


def flat_videos(videos: Any) -> list[Any]:
    """All volumes of a nested list, in order; a list of single frames is one volume."""
    if not isinstance(videos, list | tuple):
        return list(videos) if isinstance(videos, torch.Tensor | np.ndarray) and videos.ndim == 5 else [videos]
    if videos and all(_is_frame(video) for video in videos):
        return [list(videos)]
    return [video for part in videos for video in flat_videos(part)]


def _is_frame(item: Any) -> bool:
    if isinstance(item, Image):
        return item.axes in ("yx", "yxc")
    if isinstance(item, torch.Tensor):
        return item.ndim == 3
    return isinstance(item, PIL.Image.Image | str) or (
        isinstance(item, np.ndarray) and (item.ndim == 2 or (item.ndim == 3 and item.shape[-1] == 3))
    )
