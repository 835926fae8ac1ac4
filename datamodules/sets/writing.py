"""The question and the answer of report writing, the same for every set that has reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .records import UnusableRecordError
from .sections import heading, join_sections


@dataclass(frozen=True, slots=True)
class Writing:
    """Which sections are asked for, and what the model is told before.

    Attributes:
        sections: Names of the sections to write, in order.
        context: Names of sections that are shown before the question (``indication``), where the report has them.
        study: What the images are, in words.
    """

    sections: Sequence[str]
    context: Sequence[str] = ()
    study: str = "chest X-ray study"

    def __post_init__(self) -> None:
        """Refuse a lone text in place of a list of names, no names, and context that holds the answer."""
        for name in ("sections", "context"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name}={value!r}: expected a list of section names, such as [{value!r}]")
        if not self.sections:
            raise ValueError("sections is empty: expected names such as findings and impression")
        if set(self.sections) & set(self.context):
            raise ValueError(f"context={list(self.context)}: holds a section that is to be written")

    def question(self, texts: dict[str, str]) -> str:
        """Return the question, after the context that the report has.

        Args:
            texts: Texts by section.
        """
        shown = [f"{heading(name)}: {texts[name]}" for name in self.context if texts.get(name)]
        names = " and ".join(name.replace("_", " ") for name in self.sections)
        return "\n".join([*shown, f"Write the {names} of the report on this {self.study}."])

    def answer(self, texts: dict[str, str], where: str) -> str:
        """Return the wanted sections as one text.

        Args:
            texts: Texts by section.
            where: Name of the record.

        Raises:
            UnusableRecordError: If the report has none of the wanted sections.
        """
        answer = join_sections(texts, self.sections)
        if not answer:
            raise UnusableRecordError(where, f"the report has no {' and no '.join(self.sections)}")
        return answer
