"""CheXbert (Smit et al. 2020): the findings of a chest report by a BERT with 14 heads, from its published weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medvlm.evaluation.labeler import FINDINGS, State
from medvlm.evaluation.metrics import f1
from medvlm.evaluation.published import CHEXBERT
from medvlm.evaluation.text import clean
from medvlm.study import WeightsError

LABELS: tuple[str, ...] = (*FINDINGS, "No Finding")
CODES: tuple[State | None, ...] = (None, "present", "absent", "uncertain")
LONGEST = 512
_ABSENT = ("embeddings.position_ids", "pooler.")  # keys of other versions of BERT that are not read


class CheXbert(nn.Module):
    """The labeler: the first token's last state, and a linear head a finding.

    Args:
        config: Of the BERT.
        tokenizer: Its tokenizer.
    """

    def __init__(self, config: Any, tokenizer: Any) -> None:
        from transformers import BertModel

        super().__init__()
        self.tokenizer = tokenizer
        self.bert = BertModel(config, add_pooling_layer=False)
        self.linear_heads = nn.ModuleList(nn.Linear(config.hidden_size, 4) for _ in FINDINGS)
        self.linear_heads.append(nn.Linear(config.hidden_size, 2))  # No Finding is not mentioned, or positive

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """Scores ``(B, 4)`` of each finding, ``(B, 2)`` of No Finding."""
        first = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        return [head(first) for head in self.linear_heads]

    @torch.no_grad()
    def label(self, reports: Sequence[str], batch: int = 32) -> list[dict[str, State]]:
        """The findings that reports mention, each with what they say of it; an empty report mentions none.

        Args:
            reports: Reports.
            batch: Reports that go through together.
        """
        found: list[dict[str, State]] = [{} for _ in reports]
        for places, inputs in self._batches(reports, batch):
            scores = self(inputs["input_ids"], inputs["attention_mask"])
            for row, place in enumerate(places):
                states = {label: CODES[int(head[row].argmax())] for label, head in zip(LABELS, scores, strict=True)}
                found[place] = {label: state for label, state in states.items() if state is not None}
        return found

    @torch.no_grad()
    def embed(self, reports: Sequence[str], batch: int = 32) -> Tensor:
        """The first token's last state of each report ``(N, D)``, of which RadCliQ takes the cosine; 0 of an empty one.

        Args:
            reports: Reports.
            batch: Reports that go through together.
        """
        states = torch.zeros(len(reports), self.bert.config.hidden_size)
        for places, inputs in self._batches(reports, batch):
            states[places] = self.bert(**inputs).last_hidden_state[:, 0].cpu()
        return states

    def _batches(self, reports: Sequence[str], batch: int) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
        """Places of the reports that are not empty, with their inputs."""
        texts = [" ".join(clean(report).split()) for report in reports]
        filled = [place for place, text in enumerate(texts) if text]
        for start in range(0, len(filled), batch):
            places = filled[start : start + batch]
            some = [texts[place] for place in places]
            inputs = self.tokenizer(some, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
            device = self.linear_heads[0].weight.device
            yield places, {name: inputs[name].to(device) for name in ("input_ids", "attention_mask")}


@lru_cache(maxsize=2)
def load_chexbert(folder: str | Path, device: str = "cpu") -> CheXbert:
    """CheXbert from the folder of its published files.

    Args:
        folder: Holds ``chexbert.pth`` and the configuration and vocabulary of bert-base-uncased.
        device: Where it computes.

    Raises:
        WeightsError: If a file is absent, or the weights are of another architecture.
    """
    from transformers import AutoTokenizer, BertConfig

    path = CHEXBERT.folder(folder)
    model = CheXbert(BertConfig.from_pretrained(path), AutoTokenizer.from_pretrained(path))
    kept = torch.load(path / "chexbert.pth", map_location="cpu", weights_only=True)
    weights = {name.removeprefix("module."): value for name, value in kept.get("model_state_dict", kept).items()}
    known = {name: value for name, value in weights.items() if not any(part in name for part in _ABSENT)}
    try:
        model.load_state_dict(known)
    except RuntimeError as error:
        raise WeightsError(f"{path / 'chexbert.pth'} is no CheXbert: {error}") from error
    return model.eval().to(device)


def label_f1(given: Mapping[str, State], wanted: Mapping[str, State], *, uncertain: bool = True) -> float:
    """F1 over the 14 labels of two reports.

    Args:
        given: Labels of the report given.
        wanted: Labels of the reference.
        uncertain: Whether an uncertain label counts as positive, as in f1chexbert and RadEval; other papers say not.

    Examples:
        >>> label_f1({"Edema": "present"}, {"Edema": "uncertain", "Fracture": "absent"})
        1.0
    """
    positive = ("present", "uncertain") if uncertain else ("present",)
    said = {label for label, state in given.items() if state in positive}
    meant = {label for label, state in wanted.items() if state in positive}
    return f1([len(said & meant), len(said - meant), len(meant - said)])
