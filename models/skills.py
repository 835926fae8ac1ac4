"""Several adapters on one model, one a skill; a question goes to the skill whose questions it resembles most.

After SA-MDKIF (Xu et al., arXiv 2402.00474): skills are trained apart as adapters, and a router picks one at inference.
Here the router learns nothing: a skill is the mean of its example questions in the decoder's own input embeddings, and
the nearest mean wins. So a skill is added or removed without touching the others::

    skills = Skills(model, processor)
    skills.add("measure", "adapters/measure", ["How large is the nodule?", "What is the diameter?"])
    skills.add("report", "adapters/report", ["Describe the findings."])
    with skills.used_for("How wide is the mass?") as chosen:  # chosen.name == "measure"
        ...
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from medvlm.files import write_whole
from medvlm.study import WeightsError

from .adapters import load_lora

FILE = "skills.json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The skill of a question.

    Attributes:
        name: Of the skill.
        likeness: Cosine of question and skill, of every skill by name.
    """

    name: str
    likeness: dict[str, float]


class Skills:
    """The adapters of a model by skill.

    Args:
        model: The model without adapters; they are loaded onto it, in place.
        processor: Its processor.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self._sources: dict[str, str] = {}
        self._questions: dict[str, list[str]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The skills, in the order in which they were added."""
        return tuple(self._sources)

    def add(self, name: str, adapter: str | Path, questions: Sequence[str]) -> None:
        """Load the adapters of a skill.

        Args:
            name: Of the skill; letters, digits and ``_``.
            adapter: Folder that ``save_lora`` wrote, of this model.
            questions: What the skill is asked, a few examples.

        Raises:
            ValueError: If the name is taken or no name, or there is no example.
            WeightsError: If the adapters are missing or of another model.
        """
        if not name.isidentifier() or name in self._sources:
            raise ValueError(f"A skill is called by letters, digits and _, once; got {name!r}, known: {self.names}.")
        if not any(question.strip() for question in questions):
            raise ValueError(f"Skill {name!r} has no example question; without one no question is ever sent to it.")
        load_lora(self.model, adapter, name)
        self._sources[name], self._questions[name] = str(adapter), [text for text in questions if text.strip()]

    def choose(self, question: str) -> Chosen:
        """The skill whose examples a question resembles most.

        Raises:
            ValueError: If no skill was added.
        """
        if not self._sources:
            raise ValueError("There is no skill yet: add(name, adapter, questions) comes first.")
        means = torch.stack([self._mean(texts) for texts in self._questions.values()])
        centre = means.mean(0)  # what all questions have in common says nothing
        cosines = normalize(means - centre, dim=1) @ normalize(self._mean([question]) - centre, dim=0)
        likeness = dict(zip(self._sources, cosines.tolist(), strict=True))
        return Chosen(max(likeness, key=likeness.__getitem__), likeness)

    @contextmanager
    def used_for(self, question: str) -> Iterator[Chosen]:
        """The model with the skill of a question, for a while; without any skill afterwards."""
        chosen = self.choose(question)
        self.model.enable_adapters()
        self.model.set_adapter(chosen.name)
        try:
            yield chosen
        finally:
            self.model.disable_adapters()

    @torch.no_grad()
    def _mean(self, texts: Sequence[str]) -> Tensor:
        """Mean over texts of the mean embedding of their tokens, ``(width,)``."""
        table = self.model.get_input_embeddings().weight
        rows = [table[torch.tensor(self.processor.token_ids(text), device=table.device)].float() for text in texts]
        return torch.stack([row.mean(0) for row in rows]).mean(0)

    def save(self, folder: str | Path) -> Path:
        """Write which adapters and examples make the skills; the adapters stay where they are."""
        listed = {name: {"adapter": self._sources[name], "questions": self._questions[name]} for name in self.names}
        path = Path(folder) / FILE
        write_whole(path, json.dumps(listed, indent=1, ensure_ascii=False))
        return path

    @classmethod
    def load(cls, folder: str | Path, model: Any, processor: Any) -> Self:
        """Skills as they were saved, on a model without adapters.

        Raises:
            WeightsError: If there are none in the folder, or an adapter is missing.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise WeightsError(f"{folder} has no {FILE}; Skills.save writes it.")
        skills = cls(model, processor)
        for name, listed in json.loads(path.read_text(encoding="utf-8")).items():
            skills.add(name, listed["adapter"], listed["questions"])
        return skills
