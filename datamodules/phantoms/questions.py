"""Questions about one study: chosen by its true labels, answered and reasoned from true or mined ones.

PHANTOM - NOT A PATIENT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .findings import KINDS, NOTHING
from .miner import Label, Labels
from .templates import TEMPLATES, Template


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one study, before its answer: the template, the finding asked for and the shuffled options."""

    template: Template
    finding: str
    options: tuple[str, ...]

    @property
    def text(self) -> str:
        """The question's words."""
        return self.template.text.format(self.finding)

    def answer(self, labels: Labels) -> str:
        """The answer that these labels lead to."""
        return self.template.answer(labels, self.finding, self.options)

    def rationale(self, labels: Labels) -> str:
        """A few words from which the answer follows: the finding asked about, or for a report the list of all.

        A question that presumes its finding ("Which side is the effusion on?") is reasoned as if it were there.
        """
        if self.template.kind == "report":
            return "; ".join(_item(kind, labels[kind]) for kind in KINDS)
        kind = self.template.subject(labels, self.finding, self.options)
        if kind == NOTHING:
            return "lungs clear; heart normal"
        return _item(kind, labels[kind], self.template.presumes) if kind else ""


def _item(kind: str, label: Label, presumed: bool = False) -> str:
    if not (label.present or presumed):
        return f"no {kind}"
    return " ".join(word for word in (kind, label.side, label.zone, label.size) if word)


def ask(labels: Labels, rng: np.random.Generator, kinds: Sequence[str], per_image: float) -> Iterator[Asked]:
    """Choose questions for one study.

    Args:
        labels: The TRUE labels; the choice of questions never depends on mined ones.
        rng: Seeded by the study.
        kinds: Forms of answers that are wanted.
        per_image: About how many questions a study with findings gets (a normal one gets fewer).
    """
    wanted = [template for template in TEMPLATES if template.kind in kinds]
    for template in wanted:
        take = rng.random() < per_image / (0.85 * len(wanted))
        finding = template.pick(labels, rng)
        if not take or finding is None:
            continue
        options = template.options(finding, labels, rng) if template.options else []
        yield Asked(template, finding, tuple(options[i] for i in rng.permutation(len(options))))
