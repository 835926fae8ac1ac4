"""The page of a run: complete, self-contained, escaped; its charts show the points they are given."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from medvlm.evaluation.charts import draw_chart, draw_whisker, ticks, whisker_span, whisker_ticks
from medvlm.evaluation.page import Example, PageFinding, ResultRow, write_page
from medvlm.evaluation.page_rollouts import RolloutCard, Try, rollout_view
from medvlm.evaluation.png import png

ROWS = [ResultRow("SFT", 0.58, 0.55, 0.61, 900), ResultRow("GRPO", 0.75, 0.72, 0.78, 900, "verified", main=True)]
CURVES = {"reward": [(step, step / 50) for step in range(50)], "loss": [(0.0, math.nan)]}
CHOICE = Example(
    "Which side?",
    "left",
    "<think>opacity</think><answer>A</answer>",
    False,
    0.1,
    ("right", "left"),
    "A",
    np.zeros((8, 8)),
)

TRIES = (
    Try("<think>left</think><answer>A</answer>", 1.0, 1.1, {"accuracy": 1.0, "format": 1.0}, 9, count=3),
    Try("</span><b>loud", -0.5, 0.0, {"accuracy": 0.0, "format": math.nan}, 4, finished=False),
)
MIXED = RolloutCard("grpo", 0, "Which side?", "left", TRIES, ("right", "left"), np.zeros((6, 6)), "p1")
RIGHT = RolloutCard("grpo", 7, "Which side?", "left", (Try("A", 0.0, 1.0, {"accuracy": 1.0}, 1),))


class Balanced(HTMLParser):
    """Remembers tags that are never closed, and everything that a page would fetch."""

    void = frozenset({"meta", "img", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(tmp_path: Path, **changes: object) -> str:
    parts = {"table_rows": ROWS, "curves": CURVES, "examples": [CHOICE], "notes": ["n=900"]} | changes
    return write_page(tmp_path / "deep" / "index.html", "run", **parts).read_text(encoding="utf-8")  # type: ignore[arg-type]


def test_the_page_is_well_formed_and_fetches_nothing(tmp_path: Path) -> None:
    parser = Balanced()
    parser.feed(page(tmp_path, rollouts=[MIXED, RIGHT], findings=[PageFinding("grpo", "alarm", "lost")]))
    assert parser.open == []
    assert all(value.startswith("data:image/png;base64,") for value in parser.fetched)
    assert "<script" not in page(tmp_path)
    assert "url(" not in page(tmp_path)


def test_results_intervals_and_the_banner_are_there(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "Not for clinical use" in text
    assert "0.720 to 0.780" in text
    assert '<tr class="main">' in text


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    hostile = Example("<script>alert(1)</script>", "no", "</article><img src=x onerror=alert(1)>", True)
    text = page(tmp_path, examples=[hostile], notes=["<b>note</b>"])
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;b&gt;note" in text


def test_a_choice_shows_what_was_chosen_and_what_was_wanted(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert re.search(r'A\) right<span class="mark">chosen', text)
    assert re.search(r'B\) left<span class="mark">reference', text)
    assert 'class="thought">opacity<' in text
    assert 'class="badge wrong"' in text


def test_an_empty_run_still_has_a_page(tmp_path: Path) -> None:
    text = page(tmp_path, table_rows=[], curves={}, examples=[], notes=[])
    assert "<h1>run</h1>" in text
    assert "<table" not in text


def test_a_row_without_interval_says_so(tmp_path: Path) -> None:
    assert "no interval" in page(tmp_path, table_rows=[ResultRow("x", 0.5, math.nan, math.nan, 1)])


def test_a_page_without_warning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="banner"):
        page(tmp_path, banner=" ")


@pytest.mark.parametrize("form", ["hw", "chw", "hwc", "bytes"])
def test_images_survive(form: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    floats: NDArray[Any] = values / 255
    forms: dict[str, NDArray[Any]] = {"hw": floats[..., 0], "chw": np.moveaxis(floats, -1, 0), "hwc": floats}
    given = forms.get(form, values)
    shown = np.asarray(Picture.open(io.BytesIO(base64.b64decode(png(given).split(",")[1]))))
    assert np.array_equal(shown, values[..., 0] if form == "hw" else values)


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4), (0, 4), (1, 3, 4, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(H, W\\)"):
        png(np.zeros(shape))


def test_a_chart_rises_with_its_values() -> None:
    chart = draw_chart("reward", [(step, float(step)) for step in range(10)])
    assert chart is not None
    points = [tuple(map(float, pair.split())) for pair in chart.raw[1:].split(" L")]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert (chart.first, chart.last) == ("0", "9")


@pytest.mark.parametrize("points", [[], [(0.0, math.nan)], [(math.inf, 1.0)]])
def test_a_chart_without_points_is_left_out(points: list[tuple[float, float]]) -> None:
    assert draw_chart("x", points) is None


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [-1e-9, 1e9], [1e-12, 2e-12]])
def test_every_mark_is_inside_the_chart(values: list[float]) -> None:
    chart = draw_chart("x", list(enumerate(values)))
    assert chart is not None
    assert 2 <= len(chart.y_ticks) <= 12
    assert all(0 <= tick.at <= 176 for tick in chart.y_ticks)
    assert all(0 <= tick.at <= 340 for tick in chart.x_ticks)


def test_long_curves_are_thinned_and_keep_their_mean() -> None:
    chart = draw_chart("x", [(step, step % 2) for step in range(100_000)])
    assert chart is not None
    assert len(chart.raw) < 6000
    assert chart.last == "0.5"


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 17.0), (0.001, 0.0011)])
def test_ticks_span_the_range(low: float, high: float) -> None:
    marks = ticks(low, high, 4)
    assert marks[0] <= low + 1e-12
    assert marks[-1] >= high - 1e-12
    assert 3 <= len(marks) <= 8


@pytest.mark.parametrize("values", [[0.43, 0.76], [0.0], [1.0], [0.5, 0.5], [math.nan], [-2.0, 3.0]])
def test_whiskers_stay_on_their_axis(values: list[float]) -> None:
    span = whisker_span(values)
    whisker = draw_whisker(0.5, -1.0, 2.0, span)
    assert 12 <= whisker.low <= whisker.at <= whisker.high <= 248
    assert len(whisker_ticks(span)) >= 2


def test_rollouts_show_advantages_in_colour_and_what_was_cut(tmp_path: Path) -> None:
    text = page(tmp_path, rollouts=[MIXED, RIGHT])
    assert re.search(r'try better" style="--much: 60%">\n<span class="advantage" title="advantage">\+1.00<', text)
    assert re.search(r'try worse" style="--much: 30%">\n<span class="advantage" title="advantage">-0.50<', text)
    assert "<i>&lt;think&gt;left&lt;/think&gt;</i>&lt;answer&gt;A" in text
    assert "&lt;/span&gt;&lt;b&gt;loud" in text
    assert "accuracy 0, format - · 4 tok" in text
    assert text.count("cut at the limit") == 1
    assert "mean reward 0.83" in text  # three of 1.1 and one of 0
    assert page(tmp_path).count("Rollouts") == 0


def test_rollouts_are_filtered_by_step_and_outcome_without_a_script(tmp_path: Path) -> None:
    text = page(tmp_path, rollouts=[MIXED, RIGHT])
    assert ".rollouts:has(#at-0-7:checked) .group:not(.at-0-7) { display: none; }" in text
    assert 'class="card group at-0-0 is-mixed"' in text
    assert 'class="card group at-0-7 is-right bare"' in text
    assert 'id="at-0-7" checked' in text  # the last step is shown first
    steps, outcomes = rollout_view([MIXED, RIGHT])["rows"]
    assert [choice["label"] for choice in steps["choices"]] == ["all", "0", "7"]
    assert [choice["label"] for choice in outcomes["choices"]] == ["all", "mixed", "all right"]


@pytest.mark.parametrize(
    ("rewards", "accuracy", "outcome"),
    [((1.0, 0.0), 0.0, "mixed"), ((0.1, 0.1), 0.0, "wrong"), ((0.5, 0.5), 0.5, "equal"), ((math.nan,), 1.0, "right")],
)
def test_what_a_group_teaches(rewards: tuple[float, ...], accuracy: float, outcome: str) -> None:
    tries = tuple(Try("x", 0.0, reward, {"accuracy": accuracy}, 1) for reward in rewards)
    assert RolloutCard("s", 0, "?", "x", tries).outcome == outcome


def test_findings_and_marked_steps_are_shown(tmp_path: Path) -> None:
    text = page(tmp_path, findings=[PageFinding("grpo", "alarm", "5 < 6")], marks={"reward": [0, 48, 49, 1000]})
    assert '<li class="alarm"><span class="level">alarm</span>' in text
    assert "<b>grpo</b> 5 &lt; 6" in text
    assert re.findall(r'<rect class="mark" x="([\d.]+)" width="([\d.]+)"', text) == [
        ("46.0", "1.5"),
        ("322.2", "5.8"),  # two steps of 282 / 49 pixels; the last one is none of the chart
    ]
    assert "Red marks steps" in text
    assert "Red marks steps" not in page(tmp_path)
