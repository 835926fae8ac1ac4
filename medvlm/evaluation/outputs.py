"""What is left of a score on disk: for programs, for the terminal, for code hosts and for a browser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from medvlm.evaluation.markdown import score_markdown
from medvlm.evaluation.records import Record
from medvlm.evaluation.score_page import MOST_EXAMPLES, score_page
from medvlm.evaluation.scoring import Score
from medvlm.files import write_whole
from medvlm.study import Sample


def write_score(
    folder: Path,
    score: Score,
    records: Sequence[Record],
    samples: Iterable[Sample] = (),
    *,
    name: str = "",
    images: int = MOST_EXAMPLES,
    seed: int = 0,
) -> None:
    """Leave ``score.json``, ``score.txt``, ``score.md`` and ``score.html`` in a folder.

    Args:
        folder: Where; it is there.
        score: The score.
        records: One for each question, for examples.
        samples: The questions, for images.
        name: What the model is called.
        images: Most images on the page.
        seed: Picks the examples.
    """
    values = json.dumps(score.to_json(), indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    write_whole(folder / "score.json", values)
    page = score_page(score, records, samples, name=name, images=images, seed=seed)
    for suffix, text in (("txt", score.to_text()), ("md", score_markdown(score, name)), ("html", page)):
        write_whole(folder / f"score.{suffix}", text.encode("utf-8", "replace"))
