"""A run on one page: results with intervals, curves, examples. One HTML file that needs nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from medvlm.evaluation.charts import draw_chart, draw_whisker, whisker_span, whisker_ticks
from medvlm.evaluation.page_rollouts import RolloutCard, rollout_view
from medvlm.evaluation.page_template import TEMPLATE
from medvlm.evaluation.png import png
from medvlm.files import write_whole

BANNER = "Trained and tested on computed phantoms. Not for clinical use."


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A line of the results table.

    Attributes:
        name: What was scored.
        value: Its score, 0 to 1.
        low: Lower end of its interval; NaN if there is none.
        high: Upper end.
        n: Questions.
        note: A few words beside the name.
        main: Whether it is the result that the run is about.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    note: str = ""
    main: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its image and what the model wrote.

    Attributes:
        question: The question.
        reference: The answer wanted.
        completion: What the model wrote, thoughts included.
        correct: Whether that was right; None where no rule can tell.
        reward: What it earned; None where nothing was given.
        options: Option texts of a choice.
        chosen: The answer that was read; None if unparsed.
        image: Pixels ``(H, W)``, ``(3, H, W)`` or ``(H, W, 3)``, floats in 0..1 or bytes; None without an image.
        caption: A few words under the image.
    """

    question: str
    reference: str
    completion: str
    correct: bool | None
    reward: float | None = None
    options: tuple[str, ...] = ()
    chosen: str | None = None
    image: NDArray[Any] | None = None
    caption: str = ""


@dataclass(frozen=True, slots=True)
class PageFinding:
    """What the metrics of a stage say.

    Attributes:
        stage: Name of the stage.
        level: ``alarm``, ``warning`` or ``fine``.
        text: In words.
    """

    stage: str
    level: str
    text: str


def write_page(
    path: Path | str,
    title: str,
    table_rows: Sequence[ResultRow],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    examples: Sequence[Example] = (),
    notes: Sequence[str] = (),
    *,
    banner: str = BANNER,
    subtitle: str = "",
    metric: str = "Accuracy",
    marks: Mapping[str, Sequence[float]] | None = None,
    findings: Sequence[PageFinding] = (),
    rollouts: Sequence[RolloutCard] = (),
) -> Path:
    """Write the page by atomic rename.

    Args:
        path: The HTML file.
        title: Name of the run.
        table_rows: Results, in the order in which they are read.
        curves: Points (step, value) of each chart; those that are not finite are left out, and charts without points.
        examples: Questions with images and answers.
        notes: What a reader must know: protocol lines, label error rates, seeds.
        banner: The warning at the top; it cannot be empty.
        subtitle: A line under the title.
        metric: What the table shows.
        marks: Steps of a chart, by its name, at which something is wrong.
        findings: What the metrics of the stages say, in words.
        rollouts: Groups of completions with their rewards.

    Raises:
        ValueError: If the banner is empty, or an image is of another form.
    """
    if not banner.strip():
        raise ValueError("the banner of a page cannot be empty: a reader must know what the model is not for")
    span = whisker_span([number for row in table_rows for number in (row.value, row.low, row.high)])
    alarms = marks or {}
    charts = [chart for name, points in curves.items() if (chart := draw_chart(name, points, alarms.get(name, ())))]
    page = (
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        .from_string(TEMPLATE)
        .render(
            title=title,
            subtitle=subtitle,
            banner=banner,
            metric=metric,
            rows=[_row(row, span) for row in table_rows],
            axis=whisker_ticks(span),
            charts=charts,
            marked=any(chart.marks for chart in charts),
            findings=list(findings),
            rollouts=rollout_view(rollouts),
            examples=[_example(example) for example in examples],
            notes=list(notes),
        )
    )
    write_whole(Path(path), page)
    return Path(path)


def _row(row: ResultRow, span: tuple[float, float]) -> dict[str, Any]:
    known = math.isfinite(row.low) and math.isfinite(row.high)
    low, high = (row.low, row.high) if known else (row.value, row.value)
    ends = f"{low:.3f} to {high:.3f}" if known else "no interval"
    return {"row": row, "value": f"{row.value:.3f}", "ends": ends, "whisker": draw_whisker(row.value, low, high, span)}


def _example(example: Example) -> dict[str, Any]:
    thought = re.match(r"\s*<think>(.*?)(?:</think>|$)(.*)$", example.completion, re.DOTALL)
    verdict = "not scored" if example.correct is None else "right" if example.correct else "wrong"
    if example.chosen is None and example.correct is False:
        verdict = "unparsed"
    return {
        "example": example,
        "verdict": verdict,
        "image": None if example.image is None else png(example.image),
        "thought": thought[1].strip() if thought else "",
        "answer": (thought[2] if thought else example.completion).strip(),
        "reward": "" if example.reward is None else f"{example.reward:.2f}",
        "options": [
            {"letter": letter, "text": text, "chosen": letter == example.chosen, "wanted": text == example.reference}
            for letter, text in zip(ascii_uppercase, example.options, strict=False)
        ],
    }
