"""The page of a score in a real browser: it loads, filters, draws boxes where they should be, and can be read."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from medvlm.evaluation.comparison import load_run
from medvlm.evaluation.leaderboard import make_board
from medvlm.evaluation.leaderboard_page import board_page
from medvlm.evaluation.outputs import write_score
from medvlm.evaluation.protocols import Protocol
from medvlm.evaluation.records import Record, grade
from medvlm.evaluation.score_examples import outcome_of
from medvlm.evaluation.scoring import compare, score_records
from medvlm.evaluation.sections.section import Curve, Section
from medvlm.study import AnswerKind, ImageRef, Sample

pytestmark = pytest.mark.slow  # a browser starts

KINDS: tuple[AnswerKind, ...] = ("box", "choice", "closed", "report")
LONG = "pneumonoultramicroscopicsilicovolcanoconiosis" * 6
CONTRAST = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const found = channels(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const worst = { ratio: 99, text: "" };
  for (const node of document.querySelectorAll("body *")) {
    const own = Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const color = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [luminance(channels(color)), luminance(behind(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) Object.assign(worst, { ratio, text: node.textContent.trim().slice(0, 40) });
  }
  return worst;
}"""
PLACES = """() => Array.from(document.querySelectorAll(".example")).flatMap((card) => {
  const image = card.querySelector("img");
  if (!image) return [];
  const frame = image.getBoundingClientRect();
  return Array.from(card.querySelectorAll("rect:not(.halo)")).map((box) => {
    const at = box.getBoundingClientRect();
    return [box.getAttribute("class"), (at.left - frame.left) / frame.width, (at.top - frame.top) / frame.height,
            (at.right - frame.left) / frame.width, (at.bottom - frame.top) / frame.height];
  });
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """The page of 40 questions of four kinds, and their records."""
    folder = tmp_path_factory.mktemp("page")
    Picture.fromarray(np.tile(np.arange(200, dtype=np.uint8), (120, 1))).save(folder / "wide.png")
    image = (ImageRef(folder / "wide.png"),)
    samples, records = [], []
    for number in range(40):
        kind = KINDS[number % 4]
        answer = {"box": "0.10 0.20 0.40 0.60", "choice": "left", "closed": "yes", "report": "No effusion."}[kind]
        options = ("right", "left") if kind == "choice" else ()
        question = ("Give the box.", f"Which side? {LONG}", "هل يوجد انصباب؟ 有胸腔积液吗?", "Report.")[number % 4]
        tags = {"organ": "CHEST" if number % 3 else "HEAD"}
        sample = Sample(f"q{number}", image, question, answer, kind, options, f"p{number // 2}", categories=tags)
        good = {"box": "0.15 0.20 0.40 0.60", "choice": "B", "closed": "yes", "report": "Normal."}[kind]
        text = (good, good, "<think>dense</script><b>base</think>A", "")[(number // 4) % 4]
        samples.append(sample)
        records.append(grade(sample, text, run="r", cluster=f"p{number // 2}"))
    points = tuple((share / 10, share / 11) for share in range(11))
    curve = Curve("calibration", "confidence", "accuracy", points, diagonal=True)
    table = Section("calibration", "Calibration", "How sure.", tuple(f"column {n}" for n in range(14)), (
        ("row", *[0.123456] * 13),), (curve,))  # fmt: skip
    header = "own v1 | split 5c | clusters by group"
    score = compare(score_records(records, Protocol("own"), header=header), records, {"twin": records})
    (folder / "real.jsonl").write_bytes(b"".join(record.to_line() for record in records))
    write_score(folder, replace(score, sections=(table,), notes=(LONG,)), records, samples, name="a model", images=40)
    return folder / "score.html", records


@pytest.fixture
def opened(browser: Any, asked: tuple[Path, list[Record]]) -> Iterator[Any]:
    """The page, open; what it logs and what it asks of the network fails the test."""
    page, trouble = browser.new_page(viewport={"width": 1280, "height": 900}), []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: trouble.append(request.url) if request.url.startswith(("http", "ws")) else None)
    page.goto(asked[0].as_uri())
    yield page
    page.close()
    assert trouble == []


def test_every_image_is_decoded(opened: Any) -> None:
    widths = opened.evaluate("Array.from(document.images, (image) => image.naturalWidth)")
    assert widths == [200] * 40


def test_boxes_lie_where_their_coordinates_say(opened: Any, asked: tuple[Path, list[Record]]) -> None:
    places = {
        kind: [row[1:] for row in opened.evaluate(PLACES) if row[0] == kind] for kind in ("wanted-box", "given-box")
    }
    boxes = [one for one in asked[1] if one.kind == "box"]
    assert len(places["wanted-box"]) == len(boxes)
    assert len(places["given-box"]) == sum(one.value is not None for one in boxes) > 0
    for place in places["wanted-box"]:
        assert place == pytest.approx([0.1, 0.2, 0.4, 0.6], abs=0.005)
    for place in places["given-box"]:
        assert place == pytest.approx([0.15, 0.2, 0.4, 0.6], abs=0.005)


def test_boxes_differ_without_colour(opened: Any) -> None:
    dashes = "(name) => getComputedStyle(document.querySelector('rect.' + name)).strokeDasharray"
    assert opened.evaluate(dashes, "wanted-box") == "none" != opened.evaluate(dashes, "given-box")


@pytest.mark.parametrize("outcome", ["right", "wrong", "unparsed", "not scored"])
def test_filters_show_what_the_records_say(opened: Any, asked: tuple[Path, list[Record]], outcome: str) -> None:
    wanted = Counter(outcome_of(one) for one in asked[1])[outcome]
    opened.select_option("select[name=outcome]", outcome)
    assert opened.locator(".example:visible").count() == wanted > 0
    assert opened.locator("output").inner_text() == f"{wanted} of 40 shown"


def test_filters_act_together(opened: Any, asked: tuple[Path, list[Record]]) -> None:
    opened.select_option("select[name=kind]", "choice")
    opened.select_option("select[name=category]", label="organ=HEAD")
    wanted = [one for one in asked[1] if one.kind == "choice" and one.categories["organ"] == "HEAD"]
    assert opened.locator(".example:visible").count() == len(wanted)
    opened.fill("input[name=search]", "no such words")
    assert opened.locator(".example:visible").count() == 0
    assert opened.locator(".none").is_visible()
    opened.fill("input[name=search]", "WHICH SIDE")
    assert opened.locator(".example:visible").count() == len(wanted)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_runs_out_of_the_page(opened: Any, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    wide, room = opened.evaluate("[document.body.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room
    words = "Array.from(document.querySelectorAll('tbody th, td:not(.number)'), (cell) => cell.offsetWidth)"
    assert min(opened.evaluate(words)) > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(opened: Any, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    worst = opened.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_leaderboard_can_be_read_too(browser: Any, asked: tuple[Path, list[Record]], scheme: Any) -> None:
    board = make_board([load_run(asked[0].parent)])
    (asked[0].parent / "board.html").write_text(board_page(board))
    page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme=scheme)
    page.goto((asked[0].parent / "board.html").as_uri())
    assert page.evaluate("document.body.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(CONTRAST)["ratio"] >= 4.5
    page.close()


def test_without_script_all_is_shown(browser: Any, asked: tuple[Path, list[Record]]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(asked[0].as_uri())
    assert page.locator(".example:visible").count() == 40
    assert not page.locator(".filters").is_visible()
    context.close()
