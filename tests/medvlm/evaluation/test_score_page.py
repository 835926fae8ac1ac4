"""The page of a score and its Markdown twin: complete, escaped, the same for the same records, never by chance."""

from __future__ import annotations

import json
import math
import re
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from medvlm.evaluation.markdown import score_markdown
from medvlm.evaluation.outputs import write_score
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.provenance import header_fields, provenance
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.runner import evaluate_with_baselines
from medvlm.evaluation.score_charts import draw_bar, draw_curve
from medvlm.evaluation.score_examples import make_card, outcome_of, pick
from medvlm.evaluation.score_images import fit_bytes, picture, show_images
from medvlm.evaluation.score_page import score_page
from medvlm.evaluation.scoring import Score, compare, score_records
from medvlm.evaluation.sections.section import Curve, Section
from medvlm.study import ImageRef, Sample

OWN = Protocol("own")
EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} | "x" \u202eright to left\ud800'
HEADER = "own v1 | prompt 1a | parser v2 | split 5c | n=4 (closed) | clusters by group | greedy | image: real | run 2b"


def record(name: str, text: str, answer: str = "yes", **fields: object) -> Record:
    sample = Sample(name, (), "Any effusion?", answer, "closed", group=name, categories={"organ": "CHEST"})
    return replace(grade(sample, text, run="r", cluster=name), **fields)  # type: ignore[arg-type]


def scored(records: list[Record]) -> Score:
    return replace(score_records(records, OWN, header=HEADER), provenance=provenance(HEADER, seed=0))


@pytest.fixture
def records() -> list[Record]:
    return [record(f"{n}", text) for n, text in enumerate(["yes", "no", "", "<think>dense</think>yes"] * 5)]


class Reader(HTMLParser):
    """What a page would fetch, its tags that are never closed, and its scripts."""

    void = frozenset({"meta", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.tags.append(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_fetches_nothing_and_closes_every_tag(records: list[Record]) -> None:
    seen = Reader(score_page(scored(records), records, name="m"))
    assert not seen.open
    assert seen.fetched
    assert all(link.startswith("#") for link in seen.fetched)


def test_what_a_model_wrote_stays_text(records: list[Record]) -> None:
    evil = [record(f"e{n}", EVIL, question=EVIL, reference=EVIL, id=f"e{n}", categories={EVIL: EVIL}) for n in range(3)]
    everything = [*records, *evil]
    score = replace(scored(everything), notes=(EVIL,), header=EVIL)
    page = score_page(score, everything, name=EVIL).encode("utf-8", "replace").decode()
    seen = Reader(page)
    assert seen.tags.count("script") == 1
    assert "img" not in seen.tags
    assert "{{ 7 * 7 }}" in page
    assert "<script>" not in score_markdown(score, EVIL)


def test_same_records_same_bytes_in_whatever_order(records: list[Record], tmp_path: Path) -> None:
    for name, order in (("a", records), ("b", records[::-1])):
        (tmp_path / name).mkdir()
        write_score(tmp_path / name, scored(records), order, name="m")
    for file in ("score.html", "score.md", "score.json", "score.txt"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_json_has_what_the_page_says_of_its_making(records: list[Record], tmp_path: Path) -> None:
    write_score(tmp_path, scored(records), records)
    fields = json.loads((tmp_path / "score.json").read_text())["provenance"]
    expected = {"protocol": "own v1", "prompt hash": "1a", "split hash": "5c", "run key": "2b", "decoding": "greedy"}
    assert expected.items() <= fields.items()
    assert "torch" in fields


def test_fields_of_a_header_that_nobody_foresaw_are_kept() -> None:
    fields = header_fields("own v1 | 3 shots | budget 512 | split 5c")
    assert fields == {"protocol": "own v1", "decoding": "3 shots; budget 512", "split hash": "5c"}


def test_examples_are_picked_evenly_and_by_seed(records: list[Record]) -> None:
    picked = pick(records, 6, seed=1)
    assert [outcome_of(one) for one in picked] == ["right", "wrong", "unparsed"] * 2
    assert pick(records[::-1], 6, seed=1) == picked
    assert pick(records, 6, seed=2) != picked


def test_all_are_shown_where_there_are_few(records: list[Record]) -> None:
    assert sorted(one.id for one in pick(records, 999)) == sorted(one.id for one in records)
    assert pick([], 5) == []


def test_a_baseline_is_beaten_only_beyond_chance(records: list[Record]) -> None:
    worse = [replace(one, correct=False) for one in records]
    page = score_page(compare(scored(records), records, {"blank": worse, "twin": records}), records)
    verdicts = re.findall(r'class="(beats|ties|loses)">\1</span> ([a-z ]+)', page)
    assert [(word, name.strip()) for word, name in verdicts] == [("beats", "a blank image"), ("ties", "with twin")]


def test_thousands_of_categories_are_cut_and_said() -> None:
    many = [record(f"{n}", "yes", categories={"site": f"s{n:04}"}) for n in range(300)]
    page = score_page(scored(many), many)
    assert page.count('class="axis"') == 40
    assert "40 of 300 values" in page


def test_ten_thousand_records_make_a_small_page() -> None:
    many = [record(f"{n}", f"<think>{'opacity ' * 900}</think>yes") for n in range(2000)] * 5
    rows = scored(many[:50])
    assert len(score_page(rows, many)) < 3_000_000


@pytest.mark.parametrize("banner", ["", "  "])
def test_a_banner_is_never_empty(records: list[Record], banner: str) -> None:
    with pytest.raises(ValueError, match="banner"):
        score_page(scored(records), records, banner=banner)


def test_one_record_and_numbers_that_are_none(tmp_path: Path) -> None:
    only = [record("1", "yes", confidence=math.nan)]
    curve = Curve("selective", "coverage", "accuracy", ((0.0, math.nan), (1.0, 1.0)))
    odd = Section("odd", "Odd", "", ("a", "b"), ((None, math.nan),), (curve, replace(curve, points=())))
    score = replace(scored(only), sections=(odd,))
    write_score(tmp_path, score, only)
    assert "none (one cluster)" in (tmp_path / "score.html").read_text()
    assert not re.search(r"\bnan\b|NaN", (tmp_path / "score.html").read_text())


def test_without_records_there_are_no_examples(records: list[Record]) -> None:
    assert 'class="card example"' not in score_page(scored(records), [])


def test_a_diagonal_goes_from_corner_to_corner_of_the_axes() -> None:
    plot = draw_curve(Curve("calibration", "confidence", "accuracy", ((0.1, 0.4), (0.9, 0.8)), diagonal=True))
    assert plot is not None
    assert [tick.label for tick in plot.x_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    first, last = plot.x_ticks[0].at, plot.x_ticks[-1].at
    assert plot.diagonal == f"M{first} {plot.y_ticks[0].at} L{last} {plot.y_ticks[-1].at}"
    assert plot.dots[0][0] == pytest.approx(first + 0.1 * (last - first), abs=0.1)


def test_a_tiny_range_can_be_drawn() -> None:
    assert draw_curve(Curve("c", "x", "y", ((1e-15, 2e-15), (3e-15, 2e-15)))) is not None
    assert draw_bar(0.5, math.nan, math.nan) == draw_bar(0.5, 0.5, 0.5)


def test_a_choice_marks_what_was_chosen_and_what_is_right() -> None:
    sample = Sample("1", (), "Which side?", "left", "choice", options=("right", "left"))
    card = make_card(grade(sample, "<think>dense</think>A", run="r", cluster="1"))
    assert [(one.letter, one.wanted, one.chosen) for one in card.options] == [("A", False, True), ("B", True, False)]
    assert (card.thought, card.answer, card.outcome) == ("dense", "A", "wrong")


def test_a_picture_keeps_its_proportions_and_grows_never(tmp_path: Path) -> None:
    Picture.fromarray(np.arange(800 * 400, dtype=np.uint32).astype(np.uint8).reshape(400, 800)).save(tmp_path / "w.png")
    Picture.fromarray(np.zeros((20, 10, 3), np.uint8)).save(tmp_path / "s.png")
    assert picture(ImageRef(tmp_path / "w.png"))[0].shape == (192, 384)
    assert picture(ImageRef(tmp_path / "s.png"))[0].shape == (20, 10)


def test_pictures_keep_to_their_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    uri, (height, width) = fit_bytes(noise, 90_000)
    assert len(uri) <= 90_000
    assert height == width < 300


def test_an_image_that_cannot_be_read_is_said_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    refs = [tmp_path / "absent.png", tmp_path / "torn.png"]
    samples = [Sample(ref.name, (ImageRef(ref),), "Any?", "yes", "closed") for ref in refs]
    shown = show_images(samples)
    assert all(one.problem and not one.uri and str(tmp_path) not in one.problem for one in shown.values())
    asked = [grade(sample, "yes", run="r", cluster=sample.id) for sample in samples]
    assert score_page(scored(asked), asked, samples).count("Image not shown:") == 2


def test_a_markdown_table_has_as_many_cells_in_every_line(records: list[Record]) -> None:
    text = score_markdown(scored([*records, record("x", "yes", categories={"a|b": "c\nd"})]), "m")
    for block in re.findall(r"(?:^\|.*\|$\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_a_thousand_options_are_cut_but_the_right_one_stays() -> None:
    options = tuple(f"option {n}" for n in range(1000))
    card = make_card(record("1", "B", kind="choice", options=options, reference="option 900"))
    assert len(card.options) == 41
    assert [(one.text, one.wanted) for one in card.options[-1:]] == [("option 900", True)]


@pytest.mark.parametrize(("name", "said"), [("thorax", True), ("slake", False)])
def test_a_phantom_is_called_one(records: list[Record], name: str, said: bool) -> None:
    score = score_records(records, OWN, header=f"{name} v1 | split 5c")
    assert ("computed phantoms" in score_page(score, records)) is said


def test_an_interrupted_run_that_goes_on_leaves_the_same_page(
    make_engine: Any, samples: list[Sample], pixels: Any, tmp_path: Path
) -> None:
    for name, die_at in (("whole", None), ("broken", 1)):
        engine = make_engine(die_at=die_at)
        run = partial(evaluate_with_baselines, engine, samples, pixels, OWN, tmp_path / name, batch=2, name="m")
        with pytest.raises(KeyboardInterrupt) if die_at else nullcontext():
            run(train=samples, baselines=["majority"], model_key="w")
        engine.die_at = None
        run(train=samples, baselines=["majority"], model_key="w")
    for file in ("score.html", "score.md", "score.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes()
    assert "m on own v1" in (tmp_path / "whole" / "score.html").read_text()


def test_no_more_images_are_read_than_shown(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ImageRef] = []

    def watched(ref: ImageRef) -> Any:
        read.append(ref)
        return picture(ref)

    monkeypatch.setattr("medvlm.evaluation.score_images.picture", watched)
    asked = [Sample(one.id, (ImageRef(Path(f"{one.id}.png")),), "Any?", "yes", "closed") for one in records]
    assert score_page(scored(records), records, asked, images=6).count("Image not shown") == len(read) == 6
