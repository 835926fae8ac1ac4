"""How each set is scored: prompt, parser, rules, clusters and the counts to expect; printed beside every score."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from medvlm.datamodules.sets import SETS
from medvlm.datamodules.splits import split_hash
from medvlm.generation.prompts import INSTRUCTIONS, REASONING
from medvlm.study import AnswerKind, Sample

PARSER_VERSION = 2

RULES: Mapping[AnswerKind, str] = {
    "choice": "letter equals the reference option's",
    "closed": "yes or no equal, or normalised text equal",
    "open": "normalised text equal; token F1 and token recall beside it",
    "report": "rule_chexpert F1 and hallucinated findings, BLEU and ROUGE-L over the corpus; no accuracy",
    "box": "IoU >= 0.5",
    "number": "equal count, or within 5 % in the reference's unit",
}


@dataclass(frozen=True, slots=True)
class Protocol:
    """How one set is asked and scored.

    Attributes:
        name: What it is called beside a score.
        version: Raised with every change that can change a score.
        about: What it measures, in a line.
        cluster: What is resampled for intervals: the ``group`` (patient) or the ``image`` of a question.
        breakdown: Categories by which accuracy is also given; every category where None.
        expected: Known numbers of questions, with what they are.
        instructions: The text that follows a question, by kind.
        rules: How an answer is scored, by kind.
        aggregation: How single scores become one number.
        chest: Whether reports are of the chest, whose findings the rule labeler reads; else they have no finding F1.
    """

    name: str
    version: int = 1
    about: str = ""
    cluster: Literal["group", "image"] = "group"
    breakdown: tuple[str, ...] | None = None
    expected: Mapping[int, str] = field(default_factory=dict)
    instructions: Mapping[AnswerKind, str] = field(default_factory=lambda: dict(INSTRUCTIONS))
    rules: Mapping[AnswerKind, str] = field(default_factory=lambda: dict(RULES))
    aggregation: str = "mean over questions; unparsed, refused and unreadable ones are wrong"
    chest: bool = True

    @property
    def prompt_hash(self) -> str:
        """Eight hex digits that change with any prompt text."""
        return _digest(repr((sorted(self.instructions.items()), REASONING)))

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that change with anything that can change a score."""
        rules = sorted(self.rules.items())
        return _digest(repr((self.name, self.version, self.prompt_hash, PARSER_VERSION, rules, self.cluster)))

    def header(self, samples: Sequence[Sample]) -> str:
        """The line that is printed beside every score of these samples.

        Args:
            samples: What was asked.
        """
        kinds = sorted({sample.kind for sample in samples})
        return (
            f"{self.name} v{self.version} | prompt {self.prompt_hash} | parser v{PARSER_VERSION} | "
            f"split {split_hash(samples)} | n={len(samples)} ({', '.join(kinds)}) | clusters by {self.cluster}"
        )

    def notes(self, samples: Sequence[Sample]) -> tuple[str, ...]:
        """What a reader of the score must know: a number of questions that is none of the known ones.

        Args:
            samples: What was asked.
        """
        if not self.expected or len(samples) in self.expected:
            return ()
        known = ", ".join(f"{count} ({what})" for count, what in self.expected.items())
        return (f"{len(samples)} questions are not the whole of a known split: {known}",)

    def cluster_of(self, sample: Sample) -> str:
        """The name of what is resampled together with this sample: its group, or its images where it has none.

        Args:
            sample: A sample.
        """
        images = "|".join(str(image.path) for image in sample.images)
        return sample.group or images if self.cluster == "group" else images or sample.group


PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "vqa_rad",
            about="VQA-RAD, official test by phrase type; 202 of its 203 images also occur in train",
            cluster="image",
            breakdown=("answer_type", "organ"),
            expected={451: "official test"},
        ),
        Protocol(
            "vqa_rad_images",
            about="VQA-RAD, test images that never occur in train",
            cluster="image",
            breakdown=("answer_type", "organ"),
            expected={470: "image-disjoint test of seed 0"},
        ),
        Protocol(
            "slake",
            about="SLAKE test; English and Chinese apart",
            cluster="image",
            breakdown=("answer_type", "language", "question_type"),
            expected={2094: "test, both languages", 1061: "test, English", 1033: "test, Chinese"},
        ),
        Protocol("rexvqa", about="ReXVQA; accuracy overall and by category", breakdown=("category", "task")),
        Protocol("thorax", about="Thorax phantom, held-out virtual patients", breakdown=("task", "template")),
        Protocol(
            "tissue",
            about="Tissue phantom, held-out virtual patients",
            breakdown=("task", "template"),
            rules={**RULES, "report": "BLEU and ROUGE-L over the corpus; no accuracy"},
            chest=False,
        ),
        Protocol("jsonl", about="Own data in the JSONL format"),
        Protocol("mixture", about="Several sets; accuracy by set", breakdown=("set",)),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol of a name; a set without one of its own is scored by the general rules, as version 0.

    Args:
        name: A key of `PROTOCOLS`, or of ``medvlm.datamodules.sets.SETS``.

    Raises:
        ValueError: If there is none; the message names the nearest.

    Examples:
        >>> get_protocol("vqa_rad").cluster
        'image'
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name in SETS:
        count = SETS[name].expected("test")
        about = f"{SETS[name].title} by the general rules; no protocol is locked for it"
        return Protocol(name, version=0, about=about, expected={count: "test"} if count else {})
    known = [*PROTOCOLS, *(other for other in SETS if other not in PROTOCOLS)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"protocol {name!r} is unknown, expected one of {', '.join(known)}{hint}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
