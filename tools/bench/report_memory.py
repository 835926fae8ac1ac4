"""Resident memory of one process on the way through a thousand studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medvlm.asking import Shown
from medvlm.models import tiny_vlm, train_tokenizer
from medvlm.predictor import Predictor, load
from medvlm.reporting import write_reports
from medvlm.study import Sample
from tools.bench.machine import STATUS
from tools.bench.report_loop import write_pictures

MARKS = (100, 500, 1000)
SIDE = 28


class Counted(Predictor):
    """A predictor that notes the memory of its process after so many studies.

    Args:
        base: The model.
        marks: Numbers of studies.
    """

    def __init__(self, base: Predictor, marks: Sequence[int]) -> None:
        super().__init__(base.model, base.processor, base.identity)
        self.marks, self.count, self.found = marks, 0, dict[int, int]()

    def answer(self, asks: Sequence[tuple[Sequence[Shown], Sequence[Sample]]], **options: Any) -> Any:
        """See ``Predictor.answer``."""
        answers = super().answer(asks, **options)
        before, self.count = self.count, self.count + len(asks)
        self.found |= {mark: resident() for mark in self.marks if before < mark <= self.count}
        return answers


def resident() -> int:
    """Bytes of this process that are in memory (Linux).

    Raises:
        RuntimeError: If the system does not say.
    """
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.is_file() else []
    found = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), None)
    if found is None:
        raise RuntimeError(f"{STATUS} does not say how much memory this process takes; give --memory 0")
    return found


def memory(marks: Sequence[int], folder: Path) -> dict[str, float]:
    """Resident memory in MB of one process after so many tiny studies of one run.

    Args:
        marks: Numbers of studies.
        folder: For pictures and reports.
    """
    model, processor = tiny_vlm(train_tokenizer(["Is there a nodule ? Yes No"] * 4, 512), image_size=32)
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    predictor = Counted(load(folder / "model", device="cpu"), marks)
    pictures = write_pictures(folder / "pictures", max(marks), SIDE)
    write_reports(pictures, folder / "out", model=predictor, max_new_tokens=2)
    return {str(mark): predictor.found[mark] / 1e6 for mark in marks}


def show(found: Mapping[str, float]) -> None:
    """Print all figures, and the last one over the first.

    Args:
        found: Of `memory`.
    """
    values = list(found.values())
    told = ", ".join(f"{value:.0f} MB after {mark}" for mark, value in found.items())
    print(f"resident memory: {told} studies; last over first {values[-1] / values[0]:.3f}")
