"""One protocol: what is asked and shown, how it is read and scored, and the line that is printed beside every score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from medvlm.evaluation.protocols.known import KnownSplit, SplitCheck, check_split
from medvlm.evaluation.protocols.rules import AGGREGATION, PARSER_VERSION, RULES
from medvlm.generation.prompts import INSTRUCTIONS, REASONING
from medvlm.study import AnswerKind, Sample, SampleError

LANGUAGE = "language"
"""The category of a sample that names the language of its question."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one set is asked and scored.

    Attributes:
        name: What it is called beside a score.
        version: Raised with every change that can change a score.
        about: What it measures, in a line.
        cluster: What is resampled for intervals: the ``group`` (patient) or the ``image`` of a question.
        breakdown: Categories by which accuracy is also given; every category where None.
        splits: Released splits whose size is known.
        instructions: The text that follows a question, by kind; a kind without one is not asked.
        translations: The same by the category ``language`` of a question, where there are prompts in several.
        rules: How an answer is scored, by kind.
        aggregation: How single scores become one number.
        macro: Categories over whose values the mean of accuracies is given too, each value weighing the same.
        shown: Most images of a question that are shown, the first ones; all where None.
        forms: What a question may show: ``picture``, ``volume``, ``region`` of a slide, ``none``; anything where empty.
        chest: Whether reports are of the chest, whose findings the rule labeler reads; else they have no finding F1.
        task: What kind of benchmark it is: ``vqa``, ``report``, ``grounding``, ``text`` or ``any``.
        paper: Where it was published.
        set: The set it is asked on; empty where it may be any.
        options: What the loader of the set is told, unless the user says otherwise.
        own: The file of a user that it was read from; empty for one that ships with medvlm.
    """

    name: str
    version: int = 1
    about: str = ""
    cluster: Literal["group", "image"] = "group"
    breakdown: tuple[str, ...] | None = None
    splits: tuple[KnownSplit, ...] = ()
    instructions: Mapping[AnswerKind, str] = field(default_factory=lambda: dict(INSTRUCTIONS))
    translations: Mapping[str, Mapping[AnswerKind, str]] = field(default_factory=dict)
    rules: Mapping[AnswerKind, str] = field(default_factory=lambda: dict(RULES))
    aggregation: str = AGGREGATION
    macro: tuple[str, ...] = ()
    shown: int | None = None
    forms: tuple[str, ...] = ()
    chest: bool = True
    task: str = "any"
    paper: str = ""
    set: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    own: str = ""

    @property
    def prompt_hash(self) -> str:
        """Eight hex digits that change with any prompt text of any language."""
        prompts: list[Any] = [sorted(self.instructions.items()), REASONING]
        prompts += [(language, sorted(texts.items())) for language, texts in sorted(self.translations.items())]
        return _digest(repr(tuple(prompts)))

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that change with anything that can change a score."""
        read = (PARSER_VERSION, sorted(self.rules.items()), self.chest)
        taken = (self.cluster, self.aggregation, self.macro, self.shown, sorted(self.options.items()))
        return _digest(repr((self.name, self.version, self.prompt_hash, read, taken)))

    def ask(self, sample: Sample) -> Sample:
        """The sample as this protocol asks it: with the instruction of its kind and language, and the images shown.

        Args:
            sample: A sample of the set.

        Raises:
            SampleError: If the protocol has no prompt for its kind.

        Examples:
            >>> sample = Sample("1", (), "在哪？", "左", "open", categories={"language": "zh"})
            >>> Protocol("own", translations={"zh": {"open": "请简短回答。"}}).ask(sample).instruction
            '请简短回答。'
        """
        texts = self.translations.get(str(sample.categories.get(LANGUAGE, "")), self.instructions)
        if (instruction := texts.get(sample.kind)) is None:
            raise SampleError(
                f"sample {sample.id!r} wants an answer of kind {sample.kind}, protocol {self.name} asks "
                f"{', '.join(texts)}; name another protocol, or what the loader takes (--option)"
            )
        return replace(sample, instruction=instruction, images=sample.images[: self.shown])

    def check_split(self, samples: Sequence[Sample], *, unusable: int = 0) -> SplitCheck:
        """Whether what is asked is a released split, whole and unchanged.

        Args:
            samples: What is asked.
            unusable: Records that the loader left out.
        """
        return check_split(samples, self.splits, unusable=unusable)

    def header(self, samples: Sequence[Sample], *, unusable: int = 0) -> str:
        """The line that is printed beside every score of these samples.

        Args:
            samples: What was asked.
            unusable: Records that the loader left out.
        """
        kinds = sorted({sample.kind for sample in samples})
        own = f" (own file {self.own})" if self.own else ""
        return (
            f"{self.name} v{self.version}{own} | prompt {self.prompt_hash} | parser v{PARSER_VERSION} | "
            f"split {self.check_split(samples, unusable=unusable).to_text()} | n={len(samples)} ({', '.join(kinds)}) | "
            f"clusters by {self.cluster} | fingerprint {self.fingerprint}"
        )

    def notes(self, samples: Sequence[Sample], *, unusable: int = 0) -> tuple[str, ...]:
        """What a reader of the score must know: another split than a known one, other images than it is made for.

        Args:
            samples: What was asked.
            unusable: Records that the loader left out.
        """
        notes = self.check_split(samples, unusable=unusable).notes()
        foreign = {_form(sample) for sample in samples} - set(self.forms) if self.forms else set()
        if foreign:
            notes += (
                f"questions show {', '.join(sorted(foreign))}; {self.name} is for {', '.join(self.forms)}: not to be "
                "compared with its published scores",
            )
        spoken = {str(sample.categories[LANGUAGE]) for sample in samples if LANGUAGE in sample.categories}
        if unknown := sorted(spoken - (set(self.translations) or {"en"})):
            notes += (f"{self.name} has no prompts in {', '.join(unknown)}; these questions have those of the others",)
        return notes

    def cluster_of(self, sample: Sample) -> str:
        """The name of what is resampled together with this sample: its group, or its images where it has none.

        Args:
            sample: A sample.
        """
        images = "|".join(str(image.path) for image in sample.images[: self.shown])
        return sample.group or images if self.cluster == "group" else images or sample.group


def _form(sample: Sample) -> str:
    """What a question shows."""
    if not sample.images:
        return "none"
    first = sample.images[0]
    return "volume" if first.volume else "region" if first.region is not None else "picture"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
