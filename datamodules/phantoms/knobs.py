"""Knobs of a phantom: numbers with defaults, given by name, of which only the changed ones are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, cast


@dataclass(frozen=True, slots=True)
class Knobs:
    """Base of dataclasses whose every field is a knob with a default.

    Attributes:
        owner: What has these knobs, for messages.
    """

    owner: ClassVar[str]

    @classmethod
    def of(cls, knobs: Self | Mapping[str, Any]) -> Self:
        """Take knobs as they are, or as a recipe writes them.

        Raises:
            ValueError: If a knob is unknown or out of range.
        """
        if isinstance(knobs, cls):
            return knobs
        given = cast(Mapping[str, Any], knobs)
        known = [knob.name for knob in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"unknown knobs {', '.join(unknown)}; a {cls.owner} has {', '.join(known)}.")
        return cls(**given)

    def changed(self) -> dict[str, float]:
        """The knobs that are not at their defaults."""
        return {knob.name: value for knob in fields(self) if (value := getattr(self, knob.name)) != knob.default}
