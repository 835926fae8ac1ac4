"""What a family of native models must say of itself so that the rest of the toolkit can run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor


class Family:
    """Image features, input size and layout of one ``config.model_type``; the common case is written here.

    Attributes:
        ahead: Which tokens see later ones too, see ``Layout.ahead``.
        options: Passed to the model's own image processor.
    """

    ahead: Literal["none", "image", "prompt"] = "none"
    options: Mapping[str, Any] = {}

    def check(self, config: Any, processor: Any) -> None:
        """Refuse what this family can be set to but is not supported.

        Raises:
            WeightsError: With the setting by name.
        """

    def size(self, config: Any, processor: Any) -> tuple[int, int]:
        """Height and width of the picture that the model's own processor changes least."""
        return sides(processor.image_processor.size)

    def images(self, processor: Any, pictures: list[Tensor]) -> Any:
        """The model's own preprocessing of 8-bit pictures ``(3, H, W)``."""
        return processor.image_processor(pictures, return_tensors="pt", **self.options)

    def features(self, model: Any, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Features ``(tokens, D)`` of each picture from what ``images`` gave, on the model's device."""
        return list(model.get_image_features(pixel_values=inputs["pixel_values"]).pooler_output)

    def grid(self, config: Any, inputs: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """Rows and columns of an image's tokens, where positions have three axes."""
        return None

    def prompt(self, processor: Any, text: str) -> str:
        """What the model's own processor adds to a rendered prompt."""
        return text


def sides(size: Any) -> tuple[int, int]:
    """Height and width of a processor's ``size``, whatever keys it uses.

    Examples:
        >>> sides({"height": 8, "width": 6}), sides({"shortest_edge": 4})
        ((8, 6), (4, 4))
    """
    known = {name: value for name, value in dict(size).items() if value is not None}
    if "height" in known:
        return int(known["height"]), int(known["width"])
    edge = int(known.get("shortest_edge", known.get("longest_edge", 0)))
    return edge, edge
