"""Reports a minute: medvlm's run over a folder, and a loop of transformers over the same questions; and its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from medvlm.asking import Shown
from medvlm.generation.prompts import Prompter
from medvlm.models import tiny_vlm, train_tokenizer
from medvlm.predictor import Predictor, load
from medvlm.reporting import write_reports
from medvlm.reporting.find import find_studies
from medvlm.reporting.questions import samples_for, sections
from medvlm.reporting.records import read_record
from medvlm.study import Sample
from tools.bench.evaluate_sides import TIE
from tools.bench.evaluate_task import MODELS, SIZES, Size
from tools.bench.machine import STATUS, Clock, Spent, medians

MARKS = (100, 500, 1000)
PAIRS = 8
PEERS: Mapping[str, tuple[int, bool]] = {
    "one pair a call, decodes": (1, True),
    "one pair a call, decoded": (1, False),
    f"{PAIRS} pairs a call, decodes": (PAIRS, True),
    f"{PAIRS} pairs a call, decoded": (PAIRS, False),
}
"""Pairs a call, and whether images are decoded within the measured time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one picture."""

    path: Path
    sample: Sample


class Loop:
    """The loop that users write: image and question through the processor, ``generate``, decode.

    Args:
        model: As transformers runs it.
        native: Its processor.
        prompter: Says the prompt, what ends an answer, and what may not be said.
        tokens: Of an answer.
    """

    def __init__(self, model: Any, native: Any, prompter: Prompter, tokens: int) -> None:
        self.model, self.native, self.prompter, self.tokens = model, native, prompter, tokens

    def answers(self, asked: Sequence[Asked], pairs: int, image: Callable[[Path], Any]) -> list[str]:
        """All answers, so many pairs a call.

        Args:
            asked: Questions.
            pairs: Of a call.
            image: Gives the decoded picture.
        """
        found: list[str] = []
        for start in range(0, len(asked), pairs):
            rows, _ = self.generate(asked[start : start + pairs], image)
            found += [self.prompter.decode(row.tolist()) for row in rows]
        return found

    @torch.no_grad()
    def generate(
        self, asked: Sequence[Asked], image: Callable[[Path], Any], *, scores: bool = False
    ) -> tuple[Any, Any]:
        """New tokens ``(N, T)``, and the scores of each step where wanted."""
        texts = [self.prompter.text(one.sample) for one in asked]
        images = [[image(one.path)] for one in asked]
        inputs = self.native(images=images, text=texts, padding=True, return_tensors="pt")
        given: dict[str, Tensor] = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values")}
        done = self.model.generate(
            **given,
            do_sample=False,
            use_cache=True,
            max_new_tokens=self.tokens,
            suppress_tokens=self.prompter.banned,
            eos_token_id=self.prompter.stop,
            pad_token_id=self.native.tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_scores=scores,
        )
        return done.sequences[:, given["input_ids"].shape[1] :], done.scores if scores else None

    def ties(self, asked: Sequence[Asked], ours: Sequence[str], theirs: Sequence[str]) -> int:
        """How many of the answers that differ do so where the two best words are less than `TIE` apart."""
        pairs = zip(asked, ours, theirs, strict=True)
        return sum(self._tied(one, said) for one, said, other in pairs if said != other)

    def _tied(self, one: Asked, said: str) -> bool:
        tokens, scores = self.generate([one], decode, scores=True)
        for step, row in enumerate(scores):
            best = row[0].topk(2).values
            if float(best[0] - best[1]) < TIE:
                return True
            if not said.startswith(self.prompter.decode(tokens[0, : step + 1].tolist())):
                return False
        return False


def decode(path: Path) -> PIL.Image.Image:
    """A picture, whole."""
    with PIL.Image.open(path) as file:
        return file.convert("RGB")


def measure(name: str, size: Size, studies: int, tokens: int, rounds: int, folder: Path) -> dict[str, Any]:
    """CPU seconds of both sides in turn, and whether they say the same.

    Args:
        name: One of ``MODELS``.
        size: Its numbers.
        studies: Pictures, each a study.
        tokens: Of an answer.
        rounds: Timed ones.
        folder: For model, pictures and reports.
    """
    torch.manual_seed(0)
    model, _, native = MODELS[name](size)
    model.save_pretrained(folder / "model")
    native.save_pretrained(folder / "model")
    predictor = load(folder / "model", device="cpu")
    pictures = _pictures(folder / "pictures", studies, size.image)
    asked = list(_questions(predictor, pictures))
    loop = Loop(predictor.model, native, Prompter(predictor.processor), tokens)
    ready = {path: decode(path) for path in pictures}
    spent: dict[str, list[Spent]] = {side: [] for side in ("medvlm", *PEERS)}
    texts: dict[str, list[str]] = {}
    for number in range(rounds + 1):
        for side, (pairs, decodes) in PEERS.items():
            clock = Clock()
            texts[side] = loop.answers(asked, pairs, decode if decodes else ready.__getitem__)
            spent[side].append(clock.stop())
        clock = Clock()
        write_reports(pictures, folder / f"out{number}", model=predictor, max_new_tokens=tokens)
        spent["medvlm"].append(clock.stop())
    ours = list(_written(pictures, folder / "out0", rounds))
    apart = {side: _apart(loop, asked, ours, said) for side, said in texts.items()}
    sides = {side: medians(times[1:]) for side, times in spent.items()}
    return {
        "model": name,
        "studies": studies,
        "tokens": tokens,
        "rounds": rounds,
        "answers": len(asked),
        "sides": {side: row | {"reports_a_minute": 60 * studies / row["cpu_s"]} for side, row in sides.items()},
        "ratios": {side: sides[side]["cpu_s"] / sides["medvlm"]["cpu_s"] for side in PEERS},
        "apart": apart,
        "differ": sum(one["differ"] for one in apart.values()),
        "ties": sum(one["ties"] for one in apart.values()),
    }


def _apart(loop: Loop, asked: Sequence[Asked], ours: Sequence[str], theirs: Sequence[str]) -> dict[str, int]:
    said = [_whole(text) if one.sample.kind == "report" else text for one, text in zip(asked, theirs, strict=True)]
    differ = sum(one != other for one, other in zip(ours, said, strict=True))
    return {"differ": differ, "ties": loop.ties(asked, ours, said)}


def _pictures(folder: Path, count: int, side: int) -> list[Path]:
    """Noise as PNG, of the size that the model takes."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for number in range(count):
        PIL.Image.fromarray(draw.integers(0, 256, (side, side, 3), np.uint8)).save(folder / f"{number:04d}.png")
    return sorted(folder.iterdir())


def _questions(predictor: Predictor, pictures: Sequence[Path]) -> Iterator[Asked]:
    """What a report asks about each picture."""
    for path in pictures:
        for sample in samples_for((predictor.show(path),)):
            yield Asked(path, sample)


def _written(pictures: Sequence[Path], out: Path, rounds: int) -> Iterator[str]:
    """The texts in the reports, picture by picture: the report, then the answer about each finding.

    Raises:
        RuntimeError: If a report is missing, or another round wrote another one.
    """
    studies, _ = find_studies(pictures)
    names = {study.entries[0].path: study.id for study in studies}
    for path in pictures:
        record = read_record(out, names[path])
        if record is None:
            raise RuntimeError(f"there is no report of {path.name} in {out}")
        yield " ".join(record["sections"].get(name, "") for name in ("findings", "impression")).strip()
        yield from (finding["answer"] for finding in record["findings"])


def _whole(text: str) -> str:
    return " ".join(sections(text)).strip()


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
    size = SIZES["tiny"]
    model, processor = tiny_vlm(train_tokenizer(["Is there a nodule ? Yes No"] * 4, 512), image_size=32)
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    predictor = Counted(load(folder / "model", device="cpu"), marks)
    pictures = _pictures(folder / "pictures", max(marks), size.image)
    write_reports(pictures, folder / "out", model=predictor, max_new_tokens=2)
    return {str(mark): predictor.found[mark] / 1e6 for mark in marks}


def show(result: Mapping[str, Any]) -> None:
    """Print all figures of both sides."""
    print(f"{'':28}{'CPU s':>8}{'reports a minute':>18}{'ratio':>7}   {result['answers']} answers")
    for side, row in result["sides"].items():
        line = f"{side:28}{row['cpu_s']:8.2f}{row['reports_a_minute']:18.1f}"
        if side in result["ratios"]:
            told = result["apart"][side]
            text = f"{told['differ']} differ, {told['ties']} at ties" if told["differ"] else "all equal"
            line += f"{result['ratios'][side]:7.2f}   {text}"
        print(line)
    print(
        f"{result['model']}, {result['studies']} studies of a report and {result['answers'] // result['studies'] - 1} "
        f"questions, {result['tokens']} tokens each, medians of {result['rounds']}"
    )
    if result["memory"]:
        first, last = next(iter(result["memory"].values())), list(result["memory"].values())[-1]
        told = ", ".join(f"{value:.0f} MB after {mark}" for mark, value in result["memory"].items())
        print(f"resident memory: {told} studies; last over first {last / first:.3f}")
