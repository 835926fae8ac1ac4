"""What a protocol file may say: every key, its type and what must agree with what."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from medvlm.evaluation.protocols.rules import PARSER_VERSION, SCORING
from medvlm.study import AnswerKind

Texts = dict[AnswerKind, str]


class _Part(BaseModel):
    """Nothing is converted, and nothing that is not known is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ImagesPart(_Part):
    """What of a question's images is shown.

    Attributes:
        form: What a question may show.
        show: ``all``, or the most images that are shown, the first ones.
    """

    form: list[Literal["picture", "volume", "region", "none"]] = Field(min_length=1)
    show: Literal["all"] | PositiveInt = "all"


class SplitPart(_Part):
    """A released split, see `medvlm.evaluation.protocols.known.KnownSplit`."""

    split: Literal["train", "validate", "test", "all"]
    what: str = Field(pattern=r"^[^|\r\n]+$")  # it stands in headers, whose parts a | divides
    count: PositiveInt
    hash: str = Field(default="", pattern=r"^([0-9a-f]{12})?$")
    options: dict[str, Any] = {}


class ProtocolFile(_Part):
    """A protocol as its file has it.

    Attributes:
        name: Its name: small letters, digits and underscores.
        version: From 1; raised with every change that can change a score.
        about: What it measures, in a line.
        paper: Where it was published.
        set: The set that it is asked on, if it is one.
        options: What the loader of the set is told.
        task: What kind of benchmark it is.
        images: What is shown.
        prompts: The text that ends a question, by language and kind; the first language is that of all others.
        parser: Version of the answer parser that it was written for.
        scoring: The rule of each kind, see `medvlm.evaluation.protocols.rules.SCORING`.
        chest: Whether reports are of the chest.
        aggregation: How single scores become one number.
        macro: Categories whose values weigh the same in a further mean.
        cluster: What intervals resample.
        breakdown: Categories by which accuracy is also given; every category if left out.
        splits: Released splits whose size is known.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: PositiveInt
    about: str = Field(min_length=1)
    paper: str = ""
    set: str = ""
    options: dict[str, Any] = {}
    task: Literal["vqa", "report", "grounding", "text", "any"]
    images: ImagesPart
    prompts: dict[str, Texts] = Field(min_length=1)
    parser: PositiveInt
    scoring: dict[AnswerKind, str] = Field(min_length=1)
    chest: bool = False
    aggregation: Literal["mean over questions"] = "mean over questions"
    macro: list[str] = []
    cluster: Literal["group", "image"] = "group"
    breakdown: list[str] | None = None
    splits: list[SplitPart] = []

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.parser != PARSER_VERSION:
            raise ValueError(
                f"parser is {self.parser}, this medvlm reads answers by parser {PARSER_VERSION}: scores may differ; "
                f"look at some, then write parser: {PARSER_VERSION} and raise the version"
            )
        for language, texts in self.prompts.items():
            if texts.keys() != self.scoring.keys():
                raise ValueError(
                    f"prompts in {language} are for {', '.join(texts) or 'nothing'}, scoring is for "
                    f"{', '.join(self.scoring)}; expected the same kinds"
                )
        for kind, rule in self.scoring.items():
            if rule not in SCORING[kind]:
                raise ValueError(f"scoring of {kind} is {rule!r}, expected {' or '.join(SCORING[kind])}")
        if "report" in self.scoring and (self.scoring["report"] == "findings") != self.chest:
            raise ValueError(
                f"scoring of report is {self.scoring['report']!r} and chest is {self.chest}: findings are read in "
                "reports of the chest, and in no other ones"
            )
        return self
